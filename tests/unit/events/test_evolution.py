"""Events that were renamed, split and widened, each made up for it, through the code that reads real ones."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from builders import named, record, sequential_ids

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.cli.tail import known
from skyulf.events import registry
from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.registry import NoUpcaster, Succession, Undecodable, UnknownSchema, decode, readable_as
from skyulf.projections.base import Projection, Row, by_stream


class RoomLet(DomainEvent):
    """Was ``RoomRented``, and its field ``price`` was ``rent``."""

    price: int


class RoomLeft(DomainEvent):
    """Someone went by themselves: half of what ``StayEnded`` was."""

    tidy: bool


class GuestSentAway(DomainEvent):
    """Someone was asked to go: the other half."""

    why: str


class GuestCame(DomainEvent):
    """Tells more than it did: at first a name alone, then how many, and now also from where."""

    SCHEMA: ClassVar[int] = 3

    name: str
    guests: int
    places: tuple[str, ...] = ()


CLASSES = (RoomLet, RoomLeft, GuestSentAway, GuestCame)


def split(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if data["asked"]:
        return "GuestSentAway@1", {"why": data["words"]}
    return "RoomLeft@1", {"tidy": data["words"] == "tidy"}


@pytest.fixture(autouse=True)
def _as_if_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EVENTS", {**registry.EVENTS, **{cls.__name__: cls for cls in CLASSES}})
    upcasters = {
        "RoomRented@1": lambda data: {"rent": data["rent"] * 100},  # first in whole coins
        "GuestCame@1": lambda data: {**data, "guests": 1},
        "GuestCame@2": lambda data: data,
    }
    monkeypatch.setattr(registry, "UPCASTERS", upcasters)
    successions = {
        "RoomRented@2": Succession(("RoomLet@1",), lambda data: ("RoomLet@1", {"price": data["rent"]})),
        "StayEnded@1": Succession(("RoomLeft@1", "GuestSentAway@1"), split),
    }
    monkeypatch.setattr(registry, "SUCCESSIONS", successions)


def stored(name: str, data: Mapping[str, Any], position: int = 1) -> Recorded:
    type_, _, schema = name.partition("@")
    text = json.dumps(data).encode()
    return record(named(), position, "room-1", position, type=type_, schema=int(schema), data=text)


@pytest.mark.parametrize(
    ("name", "data", "read"),
    [
        ("RoomRented@1", {"rent": 7}, RoomLet(price=700)),
        ("RoomRented@2", {"rent": 650}, RoomLet(price=650)),
        ("RoomLet@1", {"price": 650}, RoomLet(price=650)),
        ("StayEnded@1", {"asked": False, "words": "tidy"}, RoomLeft(tidy=True)),
        ("StayEnded@1", {"asked": True, "words": "noise"}, GuestSentAway(why="noise")),
        ("GuestCame@1", {"name": "a"}, GuestCame(name="a", guests=1)),
        ("GuestCame@2", {"name": "a", "guests": 4}, GuestCame(name="a", guests=4)),
        ("GuestCame@3", {"name": "a", "guests": 4, "places": ["Ulm"]}, GuestCame(name="a", guests=4, places=("Ulm",))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_was_stored_is_read_as_what_is_written_now(name: str, data: dict[str, Any], read: DomainEvent) -> None:
    assert decode(stored(name, data)) == read
    assert read.stored_name() in readable_as(name)


class Takings(Row, frozen=True, kw_only=True):
    prices: int = 0
    sent: int = 0


def fold(row: Takings | None, event: RoomLet | GuestSentAway, recorded: Recorded) -> Takings:
    row = row or Takings()
    if isinstance(event, RoomLet):
        return Takings(prices=row.prices + event.price, sent=row.sent)
    return Takings(prices=row.prices, sent=row.sent + 1)


def test_a_projection_is_given_what_was_stored_under_former_types() -> None:
    folds = (RoomLet, GuestSentAway)
    projection = Projection("takings", 1, Takings, folds, by_stream, fold, columns={}, indexes=())
    assert set(projection.types) == {"RoomLet", "GuestSentAway", "RoomRented", "StayEnded"}
    log = MemoryEventLog(sequential_ids())
    log.restore(
        [
            stored("RoomRented@1", {"rent": 7}, 1),
            stored("GuestCame@1", {"name": "a"}, 2),
            stored("StayEnded@1", {"asked": True, "words": "noise"}, 3),
            stored("RoomLet@1", {"price": 50}, 4),
        ]
    )
    row = None
    for recorded in log.read(0, 10, types=projection.types).events:
        event = decode(recorded)
        row = fold(row, event, recorded) if isinstance(event, folds) else row
    assert row == Takings(prices=750, sent=1)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("RoomRented", {"RoomRented", "RoomLet"}),
        ("RoomLet", {"RoomRented", "RoomLet"}),
        ("StayEnded", {"StayEnded", "RoomLeft", "GuestSentAway"}),
        ("RoomLeft", {"StayEnded", "RoomLeft"}),
        ("GuestCame", {"GuestCame"}),
    ],
)
def test_a_type_is_asked_for_by_its_former_name_and_by_its_name_of_today(asked: str, found: set[str]) -> None:
    """A webhook or a feed that was made under the former name goes on with what is written now."""
    assert set(registry.stored_types(asked)) == found
    assert registry.former_types() == {"RoomRented", "StayEnded"}
    if asked in registry.former_types():
        assert known([asked]) == registry.stored_types(asked)


def test_a_missing_upcaster_is_told_with_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "UPCASTERS", {"GuestCame@1": lambda data: data})
    with pytest.raises(NoUpcaster) as caught:
        decode(stored("GuestCame@1", {"name": "SECRET"}, 7))
    assert caught.value.detail == (
        "position 7: GuestCame@2 cannot be read: no upcaster leads from it to GuestCame@3; one was expected under "
        "'GuestCame@2' in UPCASTERS of skyulf/events/registry.py"
    )


@pytest.mark.parametrize("data", [{"asked": True}, {"asked": True, "words": ["SECRET"]}, ["SECRET"], "SECRET", None])
def test_data_that_an_upcaster_does_not_take_is_damage_and_is_not_quoted(data: Any) -> None:
    with pytest.raises(Undecodable, match="position 7: StayEnded@1 does not decode") as caught:
        decode(stored("StayEnded@1", data, 7))
    assert "SECRET" not in caught.value.detail


def test_types_that_nobody_succeeds_are_unknown() -> None:
    with pytest.raises(UnknownSchema, match="StayBegun@1 is unknown"):
        decode(stored("StayBegun@1", {}))
    with pytest.raises(NoUpcaster, match="StayEnded@2"):
        decode(stored("StayEnded@2", {}))
