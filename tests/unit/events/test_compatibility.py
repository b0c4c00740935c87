"""The check of today's events against a release: what it calls breaking, where, and what it says to do."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from skyulf.events import compatibility, registry
from skyulf.events.base import DomainEvent, Value
from skyulf.events.compatibility import Release, compared, described, lines, main, read_release
from skyulf.events.registry import Succession
from skyulf.events.schemas import Schema, differences, examples, schema_of


class Guest(Value):
    name: str
    kind: Literal["child", "adult"]


class Came(DomainEvent):
    guests: tuple[Guest, ...]
    nights: int
    room: str | None
    paid: float = 0.0


def changed(**fields: Any) -> type[DomainEvent]:
    """`Came` with other types of its fields, and with more of them; None takes one away."""
    kinds = {**{name: field.annotation for name, field in Came.model_fields.items()}, **fields}
    kept = {name: kind for name, kind in kinds.items() if kind is not None}
    defaults = {} if "paid" in fields else {"paid": 0.0}
    return type("Came", (DomainEvent,), {"__annotations__": kept, "__module__": __name__, **defaults})


class OtherGuest(Value):
    name: str
    kind: Literal["child"]


class OlderGuest(Value):
    name: str
    kind: Literal["child", "adult", "pensioner"]


@pytest.mark.parametrize(
    ("cls", "place", "what", "readable"),
    [
        (changed(nights=None), "nights", "it was removed", False),
        (changed(nights=None, stay=int), "nights", "it was renamed to stay, as it seems", False),
        (changed(pets=int), "pets", "it was added, and must be there", False),
        (changed(nights=str), "nights", "its type changed from integer to string", False),
        (changed(nights=float), "nights", "it was widened: it takes number as well", True),
        (changed(room=str), "room", "it was narrowed: it takes no null any more", False),
        (changed(nights=int | None), "nights", "it was widened: it takes null as well", True),
        (changed(paid=float), "paid", "it was made required", False),
        (
            changed(guests=tuple[OtherGuest, ...]),
            "guests[].kind",
            "it was narrowed: it takes no 'adult' any more",
            False,
        ),
        (
            changed(guests=tuple[OlderGuest, ...]),
            "guests[].kind",
            "it was widened: it takes 'pensioner' as well",
            True,
        ),
    ],
)
def test_each_change_of_a_field_is_named_at_its_place(
    cls: type[DomainEvent], place: str, what: str, readable: bool
) -> None:
    found = [(each.place, each.what, each.readable) for each in differences(schema_of(Came), schema_of(cls))]
    assert found == [(place, what, readable)]


def test_rules_and_defaults_are_compared() -> None:
    class Before(DomainEvent):
        nights: int = Field(default=1, ge=0)

    class After(DomainEvent):
        nights: int = Field(default=2, ge=1)

    class Freed(DomainEvent):
        nights: int = 1

    assert [each.what for each in differences(schema_of(Before), schema_of(After))] == [
        "its default changed from 1 to 2",
        "it was narrowed: minimum 1",
    ]
    (loosened,) = differences(schema_of(Before), schema_of(Freed))
    assert (loosened.what, loosened.readable) == ("its rule minimum is gone", True)


def test_prose_is_no_change() -> None:
    class Told(DomainEvent):
        """Other words."""

        guests: tuple[Guest, ...]
        nights: int = Field(description="how long")
        room: str | None
        paid: float = 0.0

    assert not list(differences(schema_of(Came), schema_of(Told)))


@pytest.mark.parametrize("cls", registry.EVENTS.values(), ids=lambda cls: cls.stored_name())
def test_examples_of_a_schema_are_taken_by_its_class(cls: type[DomainEvent]) -> None:
    made = examples(schema_of(cls))
    assert all(cls.model_validate(each) for each in made)
    assert not list(differences(schema_of(cls), schema_of(cls)))


RELEASED: dict[str, Schema | None] = {"Came@1": schema_of(Came)}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> dict[str, type[DomainEvent]]:
    """The classes that there are: to be filled."""
    there: dict[str, type[DomainEvent]] = {}
    monkeypatch.setattr(registry, "EVENTS", there)
    monkeypatch.setattr(registry, "UPCASTERS", {})
    monkeypatch.setattr(registry, "SUCCESSIONS", {})
    return there


class Came2(DomainEvent):
    """Stands for the next schema of ``Came``."""

    SCHEMA: ClassVar[int] = 2

    guests: tuple[Guest, ...]
    days: int
    room: str | None
    paid: float = 0.0


Came2.__name__ = "Came"


def breaking(released: dict[str, Schema | None] = RELEASED) -> list[tuple[str, str, str, str]]:
    changes = compared(Release("1.0", released))
    return [(each.event, each.field, each.what, each.way_out) for each in changes if each.breaking]


def test_nothing_changed_is_fine_and_a_new_event_too(events: dict[str, type[DomainEvent]]) -> None:
    events["Came"] = Came
    assert compared(Release("1.0", RELEASED)) == ()

    class Went(DomainEvent): ...

    events["Went"] = Went
    (new,) = compared(Release("1.0", RELEASED))
    assert (new.event, new.what, new.breaking) == ("Went@1", "it is new", False)


def test_a_changed_shape_under_the_same_number_breaks_and_the_way_out_is_named(
    events: dict[str, type[DomainEvent]],
) -> None:
    events["Came"] = changed(nights=float)
    ((event, field, what, way_out),) = breaking()
    assert (event, field) == ("Came@1", "nights")
    assert what == "it was widened: it takes number as well, under the same schema number"
    assert "SCHEMA = 2" in way_out
    assert "upcaster for 'Came@1'" in way_out


def test_a_stored_name_that_is_gone_breaks(events: dict[str, type[DomainEvent]]) -> None:
    ((event, _, what, way_out),) = breaking()
    assert (event, what) == ("Came@1", "the stored name is gone: logs hold such events")
    assert "SUCCESSIONS" in way_out


def test_a_higher_number_needs_an_upcaster_that_does_what_is_needed(
    events: dict[str, type[DomainEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    events["Came"] = Came2
    ((event, _, what, way_out),) = breaking()
    assert event == "Came@1"
    assert "no upcaster leads from it to Came@2" in what
    assert way_out == "write the upcaster for 'Came@1'"

    monkeypatch.setattr(registry, "UPCASTERS", {"Came@1": lambda data: data})
    faults = breaking()
    assert {event for event, *_ in faults} == {"Came@1"}
    assert {what for _, _, what, _ in faults} == {
        "its upcasters make what is not read: days: Field required",
        "its upcasters make what is not read: nights: Extra inputs are not permitted",
    }

    def led_on(data: dict[str, Any]) -> dict[str, Any]:
        return {"days": data.pop("nights"), **data}

    monkeypatch.setattr(registry, "UPCASTERS", {"Came@1": led_on})
    changes = compared(Release("1.0", RELEASED))
    assert not any(change.breaking for change in changes)
    assert [(change.field, change.what) for change in changes] == [
        ("", "it is read as Came@2"),
        ("nights", "it was renamed to days, as it seems, in Came@2"),
    ]


def test_an_upcaster_that_fails_on_what_may_be_there_is_found(
    events: dict[str, type[DomainEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many examples only one leaves the field out that the upcaster counts on."""
    events["Came"] = Came2
    upcasters = {"Came@1": lambda data: {**{k: v for k, v in data.items() if k != "nights"}, "days": int(data["paid"])}}
    monkeypatch.setattr(registry, "UPCASTERS", upcasters)
    ((_, _, what, way_out),) = breaking()
    assert what == "its upcasters make what is not read: KeyError: 'paid'"
    assert "'nights': 1" in way_out


def test_a_renamed_event_is_followed(events: dict[str, type[DomainEvent]], monkeypatch: pytest.MonkeyPatch) -> None:
    class Arrived(DomainEvent):
        guests: tuple[Guest, ...]

    events["Arrived"] = Arrived
    succession = Succession(("Arrived@1",), lambda data: ("Arrived@1", {"guests": data["guests"]}))
    monkeypatch.setattr(registry, "SUCCESSIONS", {"Came@1": succession})
    assert breaking() == []


def test_a_release_keeps_the_schemas_of_names_that_are_written_no_longer(
    events: dict[str, type[DomainEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    events["Came"] = Came2
    monkeypatch.setattr(registry, "UPCASTERS", {"Came@1": lambda data: data})
    made = described("2.0", Release("1.0", RELEASED))
    assert made.events == {"Came@1": schema_of(Came), "Came@2": schema_of(Came2)}


def test_todays_events_break_nothing_that_was_released(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    released = read_release(compatibility.RELEASED)
    assert capsys.readouterr().out.endswith(f"release {released.release}: 0 breaking changes\n")


def test_a_release_is_described_unless_something_breaks(
    events: dict[str, type[DomainEvent]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "released.json"
    monkeypatch.setattr(compatibility, "RELEASED", file)
    events["Came"] = Came
    assert main(["--release", "1.0"]) == 0
    assert read_release(file) == Release("1.0", RELEASED)
    events["Came"] = changed(nights=None)
    assert main(["--release", "1.1"]) == 1
    assert read_release(file).release == "1.0"


def test_what_a_person_reads_names_what_breaks_first(events: dict[str, type[DomainEvent]]) -> None:
    events["Came"] = changed(nights=None)
    release = Release("1.0", RELEASED)
    told = list(lines(release, compared(release)))
    assert told[0] == "BREAKING  Came@1 nights: it was removed, under the same schema number"
    assert told[-1] == "1 stored names of release 1.0: 1 breaking changes"
