"""What became of one thing, event by event, and how it differed between two positions; folded from its stream.

The log itself is read, not a read model: what is shown is what is sealed, and it is never behind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from skyulf.errors import Fault, Invalid, NotFound
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.events.registry import decode
from skyulf.projections.base import Projection, Row
from skyulf.projections.dataset import DATASETS
from skyulf.projections.deployment import DEPLOYMENTS
from skyulf.projections.folding import describe
from skyulf.projections.job import JOBS
from skyulf.projections.model import MODELS
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.webhook import WEBHOOKS

Noun = Literal["dataset", "pipeline", "job", "model", "deployment", "webhook"]

FOLDS: Mapping[Noun, Projection[Any]] = {
    "dataset": DATASETS,
    "pipeline": PIPELINES,
    "job": JOBS,
    "model": MODELS,
    "deployment": DEPLOYMENTS,
    "webhook": WEBHOOKS,
}
"""How each noun is shown: history says of the same fields as lists do."""

NAMED: frozenset[Noun] = frozenset({"model", "deployment"})
"""Nouns whose things are asked for by name."""

NOT_SHOWN = frozenset(
    {"id", "version", "created_at", "created_position", "history", "unfinished", "epoch", "secret_hash"}
)
"""Fields that change with every event, never, or are a history themselves; and those that lists do not show."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field by its path, as ``spec.model.params.C``, before and after; None where it was not, or is no more."""

    place: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """An event of a thing and what it changed; ``problem`` says why nobody can tell, where the event is unreadable."""

    recorded: Recorded
    changes: tuple[FieldChange, ...]
    problem: str | None = None


class HistoryService:
    """Histories from a log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def changes(self, noun: Noun, name: str) -> tuple[Change, ...]:
        """Every event of the thing with what it changed, in order; raises `NotFound`."""
        told: list[Change] = []
        before: dict[str, Any] = {}
        for recorded, row, problem in self._states(noun, self._events(noun, name)):
            after = fields_of(row)
            told.append(Change(recorded, differences(before, after), problem))
            before = after
        return tuple(told)

    def difference(self, noun: Noun, name: str, begin: int, end: int | None) -> tuple[int, tuple[FieldChange, ...]]:
        """The position that ``end`` is, by default the log's head, and what changed from one to the other.

        Raises `NotFound`, and `Invalid` for positions that are not there, or in the wrong order.
        """
        head = self._log.head()
        last = head if end is None else end
        for place, position in (("from", begin), ("to", last)):
            if position > head:
                raise Invalid(f"{place}: the log's last position is {head}", [Fault(place, f"at most {head}")])
        if begin > last:
            raise Invalid("from: it comes after to", [Fault("from", f"at most {last}, which is to")])
        before: Row | None = None
        after: Row | None = None
        for recorded, row, _ in self._states(noun, self._events(noun, name)):
            if recorded.position > last:
                break
            after = row
            if recorded.position <= begin:
                before = row
        return last, differences(fields_of(before), fields_of(after))

    def _events(self, noun: Noun, name: str) -> tuple[Recorded, ...]:
        stream = f"{noun}-{name}" if noun in NAMED else name
        events = self._log.load({stream: 0})[stream] if stream.startswith(f"{noun}-") else ()
        if not events:
            raise NotFound(f"there is no {noun} {name}")
        return events

    def _states(self, noun: Noun, events: tuple[Recorded, ...]) -> Iterator[tuple[Recorded, Row | None, str | None]]:
        """The thing after each event; where one cannot be read, as it was, and why."""
        projection = FOLDS[noun]
        row: Row | None = None
        for recorded in events:
            problem = None
            try:
                event = decode(recorded)
                if isinstance(event, projection.folds):
                    row = projection.fold(row, event, recorded)
            except Exception as error:  # noqa: BLE001 - whatever a stored event holds, the rest of the history is shown
                problem = describe(error)
            yield recorded, row, problem


def fields_of(row: Row | None) -> dict[str, Any]:
    """The fields of a row by their paths; lists are one field, and what is empty or None is none."""
    if row is None:
        return {}
    document: dict[str, Any] = msgspec.to_builtins(row)
    return dict(_paths({name: value for name, value in document.items() if name not in NOT_SHOWN}, ""))


def _paths(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            yield f"{prefix}{name}", value


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that are not the same, those of ``after`` first, in its order."""
    places = dict.fromkeys([*after, *before])
    return tuple(
        FieldChange(place, before.get(place), after.get(place))
        for place in places
        if before.get(place) != after.get(place)
    )
