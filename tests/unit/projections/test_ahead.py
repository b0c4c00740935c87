"""Catching up reads the next page while the one before is written; nothing is lost or skipped, whatever that meets."""

import threading
from collections.abc import Sequence

import pytest
from builders import everything, named, rows_of, sequential_ids, written

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import Unavailable
from skyulf.events.log import Page
from skyulf.projections import projector
from skyulf.projections.ahead import Ahead
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector

SOON = 20

TYPES = PIPELINES.types


class WatchedLog(MemoryEventLog):
    """Tells of each read, and cannot be read from some positions on."""

    def __init__(self) -> None:
        super().__init__(sequential_ids())
        self.asked: list[int] = []
        self.reached: dict[int, threading.Event] = {}
        self.away: set[int] = set()

    def read(
        self, after: int, limit: int, types: Sequence[str] = (), stream: str | None = None, until: int | None = None
    ) -> Page:
        """See `EventLog.read`."""
        self.asked.append(after)
        self.reached.setdefault(after, threading.Event()).set()
        if after in self.away:
            raise Unavailable("the log is away")
        return super().read(after, limit, types, stream, until)


@pytest.fixture
def log() -> WatchedLog:
    """Seven pipelines, one event each."""
    log = WatchedLog()
    for number in range(7):
        written(log, f"pipeline-{number}", 0, named(str(number)))
    return log


@pytest.fixture
def store() -> MemoryReadStore:
    return MemoryReadStore()


@pytest.fixture
def following(log: WatchedLog, store: MemoryReadStore, monkeypatch: pytest.MonkeyPatch) -> Projector:
    monkeypatch.setattr(projector, "PAGE", 3)
    made = Projector(log, store, [PIPELINES])
    made.prepare()
    return made


def test_the_next_page_is_read_before_this_one_is_written(
    log: WatchedLog, store: MemoryReadStore, following: Projector
) -> None:
    third = everything(log)[2].position
    log.reached = {third: threading.Event()}
    written_with_the_next: list[bool] = []
    following.on_advance(
        lambda _, position: written_with_the_next.append(log.reached[third].wait(SOON)) if position == third else None
    )
    following.catch_up()
    assert written_with_the_next == [True]
    assert len(rows_of(store, PIPELINES)) == 7


def test_each_page_is_read_once(log: WatchedLog, following: Projector) -> None:
    places = [0, *(each.position for each in everything(log)[2::3])]
    log.asked.clear()
    following.catch_up()
    assert log.asked == places


def test_what_cannot_be_read_ahead_is_met_when_it_is_wanted(
    log: WatchedLog, store: MemoryReadStore, following: Projector
) -> None:
    third = everything(log)[2].position
    log.away = {third}
    with pytest.raises(Unavailable, match="the log is away"):
        following.catch_up()
    assert store.position(PIPELINES) == third
    assert len(rows_of(store, PIPELINES)) == 3
    log.away = set()
    following.catch_up()
    assert len(rows_of(store, PIPELINES)) == 7


def test_nothing_is_read_ahead_of_the_last_page(log: WatchedLog) -> None:
    with Ahead(log, 10) as ahead:
        log.asked.clear()
        page = ahead.page(0, TYPES)
        assert (len(page.events), page.full) == (7, False)
        written(log, "pipeline-7", 0, named("later"))
        assert len(ahead.page(page.position, TYPES).events) == 1
    assert log.asked == [0, page.position]


def test_two_readers_at_different_places_do_not_take_each_others_pages(log: WatchedLog) -> None:
    every = everything(log)
    positions = [each.position for each in every]
    with Ahead(log, 3) as ahead:
        first, second = ahead.page(0, TYPES), ahead.page(positions[0], TYPES)
        assert [one.position for one, _ in ahead.page(second.position, TYPES).events] == positions[4:7]
        assert [one.position for one, _ in ahead.page(first.position, TYPES).events] == positions[3:6]


def test_nothing_goes_on_once_the_context_has_ended(log: WatchedLog) -> None:
    before = threading.active_count()
    with Ahead(log, 3) as ahead:
        ahead.page(0, TYPES)
    assert threading.active_count() == before
