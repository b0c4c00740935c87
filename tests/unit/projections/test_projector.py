"""What the projector promises: every event folded once, whatever crashes, waits or cannot be folded."""

from collections.abc import Callable
from typing import Any

import pytest
from builders import everything, named, renamed, sequential_ids, written
from histories import FULL, PRELUDE, STEPS, Historian, Step, command, written_history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tallies import Folding, Tally, brought_up, dump, names_of, pages_of, tallying, until

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import NotFound
from skyulf.events.log import EventLog
from skyulf.events.registry import EVENTS
from skyulf.projections import PROJECTIONS, projector
from skyulf.projections.ahead import Ahead
from skyulf.projections.base import Projection
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector
from skyulf.projections.store import CheckpointMoved, ReadStore


class TestCatchingUp:
    def test_every_projection_gets_to_the_head(self, log: EventLog, store: ReadStore) -> None:
        written_history(log, FULL)
        assert {recorded.type for recorded in everything(log)} == set(EVENTS), "the history shows everything"
        brought_up(log, store, PROJECTIONS)
        rows = dump(store)
        assert {name: len(of_it) for name, of_it in rows.items()} == {
            "datasets": 3,
            "dataset_versions": 4,
            "pipelines": 3,
            "jobs": 5,
            "job_trials": 1,
            "models": 2,
            "model_versions": 2,
            "deployments": 1,
            "prediction_logs": 2,
            "keys": 3,
            "webhooks": 3,
        }
        assert all(store.position(projection) == log.head() for projection in PROJECTIONS)
        assert all(store.parked(projection) == () for projection in PROJECTIONS)

    def test_it_goes_on_where_it_was(
        self, log: EventLog, store: ReadStore, folding: Folding, tallies: Projection[Tally]
    ) -> None:
        written(log, "pipeline-1", 0, named("a"))
        brought_up(log, store, [tallies])
        written(log, "pipeline-1", 1, renamed("b"))
        brought_up(log, store, [tallies])
        brought_up(log, store, [tallies])
        assert names_of(store, tallies) == {"pipeline-1": ["a", "b"]}
        assert len(folding.folded) == 2

    def test_events_that_it_does_not_fold_move_it_on(
        self, log: EventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        written_history(log, PRELUDE)
        log.append([])
        brought_up(log, store, [tallies])
        assert store.position(tallies) == log.head()

    def test_those_who_wait_are_told_where_it_has_got(self, log: EventLog, store: ReadStore) -> None:
        told: list[tuple[str, int]] = []
        made = Projector(log, store, [PIPELINES])
        made.on_advance(lambda *where: told.append(where))
        made.prepare()
        written(log, "pipeline-1", 0, named("a"))
        made.catch_up()
        assert told == [(PIPELINES.code, log.head())]
        assert store.position(PIPELINES) == log.head()
        made.catch_up()
        assert len(told) == 1

    def test_an_unknown_projection_is_named_with_those_there_are(self, memory_log: MemoryEventLog) -> None:
        with pytest.raises(NotFound, match="no projection nonsense; there are pipelines"):
            Projector(memory_log, MemoryReadStore(), [PIPELINES]).request_rebuild("nonsense")


@given(steps=STEPS, page=st.integers(1, 40))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_rebuild_gives_the_same_rows_whatever_happened(
    open_store: Callable[[], ReadStore], steps: list[Step], page: int
) -> None:
    """Followed while it happened, in pages of any size, or rebuilt afterwards in one."""
    log, store = MemoryEventLog(sequential_ids()), open_store()
    historian = Historian(log)
    made = Projector(log, store, PROJECTIONS)
    made.prepare()
    patch = pages_of(page)
    try:
        for number, step in enumerate([*PRELUDE, *steps]):
            historian.do(command(historian, step))
            if number % 7 == 0:
                made.catch_up()
        made.catch_up()
    finally:
        patch.undo()
    followed = dump(store)
    for projection in PROJECTIONS:
        made.request_rebuild(projection.name)
        made.rebuild(projection.name)
        (build,) = store.builds(projection.name)
        assert (build.number, build.live, build.position) == (2, True, log.head())
        assert store.parked(projection) == ()
    assert dump(store) == followed
    store.close()


class TestSeveralProjectors:
    def test_two_on_one_store_fold_every_event_once(
        self, memory_log: MemoryEventLog, twins: list[ReadStore], folding: Folding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(projector, "PAGE", 5)
        tallies = tallying(folding)
        twins[0].create_build(tallies)
        projectors = [Projector(memory_log, store, [tallies]) for store in twins]
        for one in projectors:
            one.start()
        try:
            for number in range(150):
                written(memory_log, f"pipeline-{number % 4}", number // 4, named(str(number)))
            until(lambda: twins[0].position(tallies) == memory_log.head())
        finally:
            for one in projectors:
                one.close()
        rows = dump(twins[1], [tallies])["tallies"]
        for stream, row in rows.items():
            assert isinstance(row, Tally)
            assert row.positions == [recorded.position for recorded in memory_log.load({stream: 0})[stream]]
        assert len(rows) == 4

    def test_when_one_stops_the_other_takes_over(
        self, memory_log: MemoryEventLog, twins: list[ReadStore], tallies: Projection[Tally]
    ) -> None:
        first, second = (Projector(memory_log, store, [tallies]) for store in twins)
        first.start()
        second.start()
        try:
            written(memory_log, "pipeline-1", 0, named("a"))
            until(lambda: twins[0].position(tallies) == memory_log.head())
            first.close()
            written(memory_log, "pipeline-1", 1, renamed("b"))
            until(lambda: twins[1].position(tallies) == memory_log.head())
        finally:
            second.close()
        assert names_of(twins[0], tallies) == {"pipeline-1": ["a", "b"]}

    def test_who_comes_late_with_a_page_writes_nothing(
        self, memory_log: MemoryEventLog, twins: list[ReadStore], tallies: Projection[Tally]
    ) -> None:
        """The other has taken the checkpoint on between this one's look at the log and its transaction."""
        written(memory_log, "pipeline-1", 0, named("a"))
        late = Projector(memory_log, twins[0], [tallies])
        late.prepare()
        (seen,) = twins[0].builds("tallies")
        brought_up(memory_log, twins[1], [tallies])
        with Ahead(memory_log, projector.PAGE) as ahead, pytest.raises(CheckpointMoved):
            late._builder.advance(ahead, [seen])
        assert names_of(twins[0], tallies) == {"pipeline-1": ["a"]}


class TestFollowing:
    def test_it_follows_the_log_while_it_grows(
        self, log: EventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        made = Projector(log, store, [tallies])
        made.start()
        try:
            for number in range(50):
                written(log, "pipeline-1", number, named(str(number)))
            until(lambda: store.position(tallies) == log.head())
        finally:
            made.close()
        assert names_of(store, tallies) == {"pipeline-1": [str(number) for number in range(50)]}

    def test_an_append_wakes_it(
        self, log: EventLog, store: ReadStore, tallies: Projection[Tally], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(projector, "POLL", 600)
        made = Projector(log, store, [tallies])
        made.start()
        try:
            for number in range(5):
                written(log, "pipeline-1", number, named("a"))
                until(lambda: store.position(tallies) == log.head())
        finally:
            made.close()

    def test_it_looks_at_the_log_even_if_nobody_wakes_it(
        self, memory_log: MemoryEventLog, store: ReadStore, tallies: Projection[Tally], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(projector, "POLL", 0.01)
        monkeypatch.setattr(memory_log, "subscribe", lambda wake: lambda: None)
        made = Projector(memory_log, store, [tallies])
        made.start()
        try:
            written(memory_log, "pipeline-1", 0, named("a"))
            until(lambda: store.position(tallies) == memory_log.head())
        finally:
            made.close()

    def test_a_fault_of_the_store_is_logged_and_overcome(
        self,
        memory_log: MemoryEventLog,
        tallies: Projection[Tally],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(projector, "POLL", 0.01)
        store = MemoryReadStore()
        transaction, faults = store.transaction, iter([OSError("disk full"), OSError("disk full")])

        def failing(**options: bool) -> Any:
            for fault in faults:
                raise fault
            return transaction(**options)

        monkeypatch.setattr(store, "transaction", failing)
        made = Projector(memory_log, store, [tallies])
        made.start()
        try:
            written(memory_log, "pipeline-1", 0, named("a"))
            until(lambda: store.position(tallies) == memory_log.head())
        finally:
            made.close()
        assert names_of(store, tallies) == {"pipeline-1": ["a"]}
        assert "could not be brought forward" in caplog.text
