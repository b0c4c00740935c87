"""Which position a time is: the last one before anything was recorded later, however the clock jumped."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import NOW, named, sequential_ids, written
from hypothesis import given
from hypothesis import strategies as st

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import Invalid, Unavailable
from skyulf.events.base import Recorded
from skyulf.projections import past as projections_past
from skyulf.projections.past import MOMENTS
from skyulf.projections.projector import Projector
from skyulf.queries import past
from skyulf.queries.past import TimeTravel


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def log_of(times: list[int], gap: int = 1) -> MemoryEventLog:
    """A log whose events were recorded at these seconds, so far apart in position."""
    source, log = MemoryEventLog(sequential_ids()), MemoryEventLog(sequential_ids())
    for number, second in enumerate(times):
        written(source, f"pipeline-{number}", 0, named(), recorded_at=at(second))
    log.restore(
        Recorded(e.position * gap, e.stream, e.version, e.id, e.type, e.schema, e.metadata, e.ordinal, e.data)
        for e in source.read(0, 10**6).events
    )
    return log


def travelling(log: MemoryEventLog, *, known: bool = True) -> TimeTravel:
    store = MemoryReadStore()
    projector = Projector(log, store, [MOMENTS])
    projector.prepare()
    if known:
        projector.catch_up()
    return TimeTravel(log, store)


@given(
    times=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    asked=st.integers(0, 45),
    gap=st.integers(1, 4),
    known=st.booleans(),
)
def test_it_is_the_last_whose_running_maximum_is_not_later(times: list[int], asked: int, gap: int, known: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (projections_past, past):
            patch.setattr(module, "STRETCH", 4)
        log = log_of(times, gap)
        travel = travelling(log, known=known)
        holding = [place for place in range(len(times)) if max(times[: place + 1]) <= asked]
        text = at(asked).isoformat()
        if not holding:
            with pytest.raises(Invalid, match="nothing was recorded before"):
                travel.position(text)
            return
        found = travel.position(text)
        shown = [event.position for event in log.read(0, 10**6, until=found).events]
        assert len(shown) == len(holding)


def test_microseconds_count() -> None:
    travel = travelling(log_of([1, 2]))
    assert travel.position((at(2) - timedelta(microseconds=1)).isoformat()) == 1
    assert travel.position(at(2).isoformat()) == 2


def test_zones_are_minded() -> None:
    travel = travelling(log_of([0, 3600]))
    assert travel.position(at(1800).astimezone(UTC).isoformat().replace("+00:00", "Z")) == 1


def test_an_empty_log_has_position_0_alone() -> None:
    travel = travelling(log_of([]))
    assert travel.position("0") == 0
    for text in ("1", at(0).isoformat()):
        with pytest.raises(Invalid):
            travel.position(text)


def test_what_lags_far_behind_is_not_read_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MOST_READ", 2)
    with pytest.raises(Unavailable, match="moments is 3 positions behind"):
        travelling(log_of([1, 2, 3]), known=False).position(at(2).isoformat())
    assert travelling(log_of([1, 2, 3])).position(at(1).isoformat()) == 1


def test_what_is_not_built_yet_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        TimeTravel(log_of([1]), MemoryReadStore()).position(at(2).isoformat())
