"""Lists of the past equal those of a system that has never got any further, for every noun, over every store."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from builders import named, renamed, sequential_ids, written
from histories import FULL, STEPS, Historian, Step, command, written_history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.events.log import EventLog
from skyulf.projections import ALL, PAST, PROJECTIONS, projector, spans
from skyulf.projections.base import Projection
from skyulf.projections.past import MOMENTS, history_of
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector
from skyulf.projections.store import Plain, ReadStore, Selection
from skyulf.queries.past import Past


def brought_up(log: EventLog, store: ReadStore) -> Projector:
    made = Projector(log, store, ALL)
    made.prepare()
    made.catch_up()
    return made


def as_it_was(log: EventLog, position: int) -> MemoryReadStore:
    """The rows of a fresh system that replays up to a position."""
    replayed, store = MemoryEventLog(sequential_ids()), MemoryReadStore()
    replayed.restore(log.read(0, 10**6, until=position).events)
    fresh = Projector(replayed, store, PROJECTIONS)
    fresh.prepare()
    fresh.catch_up()
    return store


def compare(log: EventLog, store: ReadStore, position: int, *, length: int = 10**6) -> int:
    """See that all lists are as they were, read in pages of a ``length``; how many rows there were."""
    fresh, seen = as_it_was(log, position), 0
    for projection in PROJECTIONS:
        for number, index in enumerate(projection.indexes):
            *filters, order = index
            wanted: list[dict[str, Plain]] = [{}] if not filters else []
            wanted += [{column: value} for column in filters for value in fresh.shares(projection, column) if value]
            for equal in wanted:
                asked = Selection(order, equal, descending=(position + number) % 2 == 0, limit=10**6)
                expected = list(fresh.select(projection, asked).rows)
                found = in_pages(store, history_of(projection), replace(asked, limit=length), position)
                assert found == expected, (projection.name, position, asked)
                seen += len(found)
    return seen


def in_pages(store: ReadStore, history: Projection[Any], asked: Selection, position: int) -> list[tuple[str, str]]:
    """A whole list of the past, page by page."""
    found: list[tuple[str, str]] = []
    while page := store.select_at(history, asked, position).rows:
        found += page
        key, text = page[-1]
        if len(page) < asked.limit:
            break
        asked = replace(asked, after=(msgspec.json.decode(text)[asked.order], key))
    return found


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and blocks so small that a short history has many."""
    monkeypatch.setattr(projector, "PAGE", 7)
    monkeypatch.setattr(spans, "BLOCK", 4)


def test_lists_as_of_fifty_positions_are_what_was_shown_then(memory_log: MemoryEventLog, store: ReadStore) -> None:
    written_history(memory_log, FULL)
    brought_up(memory_log, store)
    head = memory_log.head()
    positions = {0, 1, head, *random.Random(7).choices(range(head + 1), k=50)}
    assert sum(compare(memory_log, store, position) for position in positions) > 1_000


def test_pages_of_lists_of_the_past_hold_everything_once(memory_log: MemoryEventLog, store: ReadStore) -> None:
    written_history(memory_log, FULL)
    brought_up(memory_log, store)
    for position in (20, 21, memory_log.head()):
        compare(memory_log, store, position, length=2)


def test_one_thing_of_the_past_is_what_was_shown_then(log: EventLog) -> None:
    written_history(log, FULL)
    for position in (0, 20, 40, log.head()):
        fresh, past = as_it_was(log, position), Past(log, MemoryReadStore(), position)
        for projection in PROJECTIONS:
            order = projection.indexes[0][-1]
            keys = [key for key, _ in fresh.select(projection, Selection(order, {}, limit=10**6)).rows]
            assert [(key, past.find(projection, key)) for key in keys] == list(fresh.get(projection, keys).rows)
            assert past.find(projection, "job-1/no-such") is None


@given(steps=STEPS, data=st.data())
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_lists_are_what_was_shown_whatever_happened(
    open_store: Callable[[], ReadStore], steps: list[Step], data: st.DataObject
) -> None:
    """Followed while it happened, or made at once afterwards."""
    log, followed = MemoryEventLog(sequential_ids()), open_store()
    historian = Historian(log)
    projector_ = brought_up(log, followed)
    for step in steps:
        historian.do(command(historian, step))
        if data.draw(st.booleans()):
            projector_.catch_up()
    projector_.catch_up()
    afterwards = open_store()
    brought_up(log, afterwards)
    position = data.draw(st.integers(0, log.head()))
    for store in (followed, afterwards):
        compare(log, store, position)


def test_a_rebuilt_history_is_the_same(memory_log: MemoryEventLog, store: ReadStore) -> None:
    written_history(memory_log, FULL)
    made = brought_up(memory_log, store)
    for projection in PAST:
        made.rebuild(projection.name)
    assert {build.number for build in store.live() if build.projection.endswith("_history")} == {2}
    compare(memory_log, store, memory_log.head() // 2)


def test_a_history_that_was_given_up_leaves_nothing(memory_log: MemoryEventLog, store: ReadStore) -> None:
    """A build that gets the number of one that is gone begins empty."""
    history = history_of(PIPELINES)
    written(memory_log, "pipeline-1", 0, named("a"))
    made = brought_up(memory_log, store)
    begun = made.request_rebuild(history.name)
    store.drop_build(history, begun.number)
    made.rebuild(history.name)
    written(memory_log, "pipeline-1", 1, renamed("b"))
    made.catch_up()
    compare(memory_log, store, 1)
    compare(memory_log, store, 2)


def test_what_is_parked_is_in_no_list_until_it_is_released(memory_log: MemoryEventLog, store: ReadStore) -> None:
    history = history_of(PIPELINES)
    written(memory_log, "pipeline-1", 0, named("a"))
    written(memory_log, "pipeline-1", 1, renamed("b"))
    written(memory_log, "pipeline-2", 0, named("c"))
    brought_up_with_a_fault(memory_log, store)

    def names(position: int) -> list[str]:
        found = store.select_at(history, Selection("name", {}), position).rows
        return [msgspec.json.decode(text)["name"] for _, text in found]

    assert names(3) == ["a", "c"]
    assert [parked.position for parked in store.parked(history)] == [2]
    assert Projector(memory_log, store, ALL).retry_parked(history.name, "pipeline-1") == 1
    assert names(3) == ["b", "c"]
    assert (names(2), names(1), names(0)) == (["b"], ["a"], [])


def brought_up_with_a_fault(log: EventLog, store: ReadStore) -> Projector:
    """A projector by whose code a pipeline cannot be revised."""

    def faulty(row: object, event: object, recorded: object) -> object:
        if row is not None:
            raise ValueError
        return PIPELINES.fold(row, event, recorded)  # type: ignore[arg-type]

    broken = replace(history_of(PIPELINES), fold=faulty)
    made = Projector(log, store, [*(one for one in ALL if one.name != broken.name), broken])
    made.prepare()
    made.catch_up()
    return made


class TestApart:
    """Nobody who looks at what is now waits for what is kept of the past."""

    def test_what_is_shown_now_does_not_wait_for_the_past(
        self, memory_log: MemoryEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = MemoryReadStore()
        made = Projector(memory_log, store, ALL)
        transaction = store.transaction

        def never(*, apart: bool = False) -> object:
            if apart:
                raise OSError("the disk of the past is full")
            return transaction()

        monkeypatch.setattr(store, "transaction", never)
        told: list[str] = []
        shown = threading.Event()

        def moved(code: str, position: int) -> None:
            told.append(code)
            if code == PIPELINES.code and position == memory_log.head():
                shown.set()

        made.on_advance(moved)
        made.start()
        try:
            written(memory_log, "pipeline-1", 0, named("a"))
            assert shown.wait(10)
        finally:
            made.close()
        assert MOMENTS.code not in told

    def test_rows_of_now_are_rebuilt_before_those_of_the_past(
        self, memory_log: MemoryEventLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = Projector(memory_log, MemoryReadStore(), ALL)
        made.prepare()
        rebuilt: list[str] = []
        monkeypatch.setattr(made, "rebuild", rebuilt.append)
        for projection in ALL:
            made.request_rebuild(projection.name)
        made._rebuild_if_leading()
        assert set(rebuilt[: len(PROJECTIONS)]) == {projection.name for projection in PROJECTIONS}
        assert len(rebuilt) == len(ALL)

    def test_a_projector_that_follows_keeps_up_the_past(self, memory_log: MemoryEventLog) -> None:
        store = MemoryReadStore()
        made = Projector(memory_log, store, ALL)
        reached = threading.Event()
        code = history_of(PIPELINES).code
        made.on_advance(lambda which, position: reached.set() if (which, position) == (code, 2) else None)
        made.start()
        try:
            written(memory_log, "pipeline-1", 0, named("a"))
            written(memory_log, "pipeline-1", 1, renamed("b"))
            assert reached.wait(10)
        finally:
            made.close()
        compare(memory_log, store, 1)
        assert all(build.position == 2 for build in store.live())
