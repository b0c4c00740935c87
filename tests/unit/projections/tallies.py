"""A projection for tests of projectors, which keeps what was folded and cannot take what it is told not to; helpers."""

import time
from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest
from builders import rows_of

from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.events.pipeline import PipelineEvent
from skyulf.projections import PROJECTIONS, projector
from skyulf.projections.base import Projection, Row, by_stream
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore

SOON = 20
"""Seconds within which something that is certain to come must have come."""


class Tally(Row, frozen=True, kw_only=True):
    """The positions and names that were folded into a key, in that order."""

    id: str
    positions: list[int] = []
    names: list[str] = []


class Folding:
    """A fold that keeps a tally, cannot take the names in ``poison``, and may call at each event."""

    def __init__(self) -> None:
        self.poison: set[str] = set()
        self.folded: list[int] = []
        self.at_each: Callable[[], None] = lambda: None

    def __call__(self, row: Tally | None, event: Any, recorded: Recorded) -> Tally:
        self.at_each()
        if event.name in self.poison:
            raise ValueError(f"a secret value: {event.name}")
        self.folded.append(recorded.position)
        row = row or Tally(id=recorded.stream)
        return Tally(id=row.id, positions=[*row.positions, recorded.position], names=[*row.names, event.name])


def tallying(folding: Folding, version: int = 1) -> Projection[Tally]:
    return Projection(
        name="tallies",
        version=version,
        row=Tally,
        folds=get_args(PipelineEvent)[:2],
        key=by_stream,
        fold=folding,
        columns={"id": "text"},
        indexes=(("id",),),
    )


def brought_up(log: EventLog, store: ReadStore, projections: Sequence[Projection[Any]]) -> Projector:
    """A projector that has caught up, without threads."""
    made = Projector(log, store, projections)
    made.prepare()
    made.catch_up()
    return made


def dump(store: ReadStore, projections: Sequence[Projection[Any]] = PROJECTIONS) -> dict[str, dict[str, Row]]:
    """Every row of every projection."""
    return {one.name: rows_of(store, one) for one in projections}


def names_of(store: ReadStore, projection: Projection[Tally]) -> dict[str, list[str]]:
    return {key: row.names for key, row in dump(store, [projection])[projection.name].items() if isinstance(row, Tally)}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def pages_of(size: int) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(projector, "PAGE", size)
    return patch
