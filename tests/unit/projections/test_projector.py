"""What the projector promises: every event folded once, whatever crashes, waits or cannot be folded."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from builders import everything, named, record, renamed, rows_of, sequential_ids, written
from histories import FULL, PRELUDE, STEPS, Historian, Step, command, written_history
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import Invalid, NotFound
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.events.pipeline import PipelineEvent
from skyulf.events.registry import EVENTS
from skyulf.projections import PROJECTIONS, projector
from skyulf.projections.ahead import Ahead
from skyulf.projections.base import Projection, Row, by_stream
from skyulf.projections.pipeline import PIPELINES
from skyulf.projections.projector import Projector
from skyulf.projections.store import CheckpointMoved, NotBuilt, Parked, ReadStore

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


@pytest.fixture
def folding() -> Folding:
    return Folding()


@pytest.fixture
def tallies(folding: Folding) -> Projection[Tally]:
    return tallying(folding)


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
    return {key: row.names for key, row in dump(store, [projection])["tallies"].items() if isinstance(row, Tally)}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def pages_of(size: int) -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(projector, "PAGE", size)
    return patch


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "PAGE", 3)


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
            late._advance(ahead, [seen])
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


class TestRebuilding:
    def test_readers_keep_the_old_rows_until_the_new_ones_have_caught_up(
        self, memory_log: MemoryEventLog, store: ReadStore, folding: Folding, small_pages: None
    ) -> None:
        tallies = tallying(folding)
        for number in range(10):
            written(memory_log, "pipeline-1", number, named(str(number)))
        made = brought_up(memory_log, store, [tallies])
        seen: list[dict[str, list[str]]] = []
        made.request_rebuild("tallies")
        folding.at_each = lambda: seen.append(names_of(store, tallies))
        before = names_of(store, tallies)
        made.rebuild("tallies")
        assert all(rows == before for rows in seen)
        assert names_of(store, tallies) == before
        assert len(folding.folded) == 20

    def test_it_may_go_on_while_the_log_grows(
        self, log: EventLog, store: ReadStore, tallies: Projection[Tally], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(projector, "PAGE", 7)
        for number in range(60):
            written(log, "pipeline-1", number, named(str(number)))
        made = Projector(log, store, [tallies])
        made.start()
        try:
            grow = threading.Thread(
                target=lambda: [written(log, "pipeline-2", number, named(str(number))) for number in range(100)]
            )
            grow.start()
            made.request_rebuild("tallies")
            until(lambda: [build.number for build in store.builds("tallies")] == [2])
            grow.join()
            until(lambda: store.position(tallies) == log.head())
        finally:
            made.close()
        assert names_of(store, tallies) == {
            "pipeline-1": [str(number) for number in range(60)],
            "pipeline-2": [str(number) for number in range(100)],
        }

    def test_one_that_was_stopped_goes_on_where_it_was(
        self, memory_log: MemoryEventLog, store: ReadStore, folding: Folding, small_pages: None
    ) -> None:
        tallies = tallying(folding)
        for number in range(20):
            written(memory_log, "pipeline-1", number, named(str(number)))
        made = brought_up(memory_log, store, [tallies])
        folding.folded.clear()

        def stop_halfway() -> None:
            if len(folding.folded) == 10:
                made._stopping.set()

        folding.at_each = stop_halfway
        made.rebuild("tallies")
        old, half = store.builds("tallies")
        assert (old.live, half.live) == (True, False)
        assert 0 < half.position < memory_log.head()
        assert names_of(store, tallies)["pipeline-1"] == [str(number) for number in range(20)]

        folding.at_each = lambda: None
        folding.folded.clear()
        resumed = Projector(memory_log, store, [tallies])
        resumed.prepare()
        resumed.rebuild("tallies")
        assert folding.folded == [position for position in range(1, 21) if position > half.position]
        (build,) = store.builds("tallies")
        assert (build.number, build.live) == (half.number, True)
        assert names_of(store, tallies)["pipeline-1"] == [str(number) for number in range(20)]

    def test_one_that_was_begun_is_taken_up_when_the_server_starts(
        self, memory_log: MemoryEventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        written(memory_log, "pipeline-1", 0, named("a"))
        brought_up(memory_log, store, [tallies]).request_rebuild("tallies")
        made = Projector(memory_log, store, [tallies])
        made.start()
        try:
            until(lambda: [build.number for build in store.builds("tallies")] == [2])
        finally:
            made.close()
        assert names_of(store, tallies) == {"pipeline-1": ["a"]}

    def test_asking_twice_is_asking_once(
        self, memory_log: MemoryEventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        made = brought_up(memory_log, store, [tallies])
        assert made.request_rebuild("tallies") == made.request_rebuild("tallies")
        assert len(store.builds("tallies")) == 2

    def test_a_projection_whose_version_was_raised_is_rebuilt(
        self, memory_log: MemoryEventLog, store: ReadStore, folding: Folding
    ) -> None:
        written(memory_log, "pipeline-1", 0, named("a"), renamed("b"))
        old, new = tallying(folding), tallying(folding, version=2)
        brought_up(memory_log, store, [old])
        made = Projector(memory_log, store, [new])
        made.prepare()
        assert [(build.version, build.live) for build in store.builds("tallies")] == [(1, True), (2, False)]
        with pytest.raises(NotBuilt):
            store.position(new)
        made.catch_up()
        made.rebuild("tallies")
        assert [(build.version, build.live) for build in store.builds("tallies")] == [(1, True), (2, True)]
        assert names_of(store, new) == {"pipeline-1": ["a", "b"]}
        assert names_of(store, old) == {"pipeline-1": ["a", "b"]}, "whoever was not upgraded yet can go on reading"

    def test_a_build_that_was_begun_by_other_code_is_given_up(
        self, memory_log: MemoryEventLog, store: ReadStore, folding: Folding
    ) -> None:
        first = brought_up(memory_log, store, [tallying(folding)])
        store.create_build(tallying(folding, version=2))
        Projector(memory_log, store, [tallying(folding, version=3)]).prepare()
        assert [build.version for build in store.builds("tallies")] == [1, 3]
        first.prepare()
        assert [build.version for build in store.builds("tallies")] == [1, 3], "what newer code began is its own"

    def test_a_store_that_is_further_than_the_log_is_made_anew(
        self, open_log: Callable[[], EventLog], store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        """The data directory's log was replaced: rows of the other log must not be shown."""
        other, log = open_log(), open_log()
        written(other, "pipeline-1", 0, *[named(f"other {number}") for number in range(9)])
        brought_up(other, store, [tallies])
        written(log, "pipeline-2", 0, named("mine"))
        made = Projector(log, store, [tallies])
        made.start()
        try:
            until(lambda: [build.position for build in store.builds("tallies") if build.live] == [log.head()])
        finally:
            made.close()
        assert names_of(store, tallies) == {"pipeline-2": ["mine"]}
        assert len(store.builds("tallies")) == 1

    def test_a_store_beside_an_emptied_log_is_emptied(
        self, open_log: Callable[[], EventLog], store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        other, log = open_log(), open_log()
        written(other, "pipeline-1", 0, named("other"))
        brought_up(other, store, [tallies])
        brought_up(log, store, [tallies])
        assert names_of(store, tallies) == {}


class TestParking:
    """Of three streams, the second has an event that cannot be folded."""

    @pytest.fixture
    def poisoned(self, log: EventLog, store: ReadStore, folding: Folding, tallies: Projection[Tally]) -> Projector:
        folding.poison = {"b2"}
        written(log, "pipeline-a", 0, named("a1"))
        written(log, "pipeline-b", 0, named("b1"), renamed("b2"))
        written(log, "pipeline-a", 1, renamed("a2"))
        made = brought_up(log, store, [tallies])
        written(log, "pipeline-b", 2, renamed("b3"))
        written(log, "pipeline-c", 0, named("c1"))
        made.catch_up()
        return made

    def test_its_key_waits_and_everything_else_goes_on(
        self, poisoned: Projector, log: EventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        assert names_of(store, tallies) == {"pipeline-a": ["a1", "a2"], "pipeline-b": ["b1"], "pipeline-c": ["c1"]}
        assert store.position(tallies) == log.head()

    def test_an_operator_sees_what_waits_and_why_but_no_data(
        self, poisoned: Projector, store: ReadStore, tallies: Projection[Tally], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert store.parked(tallies) == (
            Parked(3, "pipeline-b", "pipeline-b", "ValueError", 1),
            Parked(5, "pipeline-b", "pipeline-b", None, 0),
        )
        assert "secret" not in caplog.text

    def test_once_the_fold_is_mended_they_are_released_in_order(
        self, poisoned: Projector, log: EventLog, store: ReadStore, folding: Folding, tallies: Projection[Tally]
    ) -> None:
        folding.poison = set()
        assert poisoned.retry_parked("tallies", "pipeline-b") == 2
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b2", "b3"]
        assert store.parked(tallies) == ()
        written(log, "pipeline-b", 3, renamed("b4"))
        poisoned.catch_up()
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b2", "b3", "b4"]

    def test_a_retry_that_fails_again_is_told_and_counted(
        self, poisoned: Projector, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        with pytest.raises(Invalid, match="position 3 still cannot be folded into tallies"):
            poisoned.retry_parked("tallies", "pipeline-b")
        assert store.parked(tallies)[0] == Parked(3, "pipeline-b", "pipeline-b", "ValueError", 2)
        assert names_of(store, tallies)["pipeline-b"] == ["b1"]

    def test_a_retry_releases_up_to_the_next_that_fails(
        self, poisoned: Projector, store: ReadStore, folding: Folding, tallies: Projection[Tally]
    ) -> None:
        folding.poison = {"b3"}
        assert poisoned.retry_parked("tallies", "pipeline-b") == 1
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b2"]
        assert store.parked(tallies) == (Parked(5, "pipeline-b", "pipeline-b", "ValueError", 1),)

    def test_where_nothing_is_parked(self, poisoned: Projector) -> None:
        with pytest.raises(NotFound, match="nothing is parked under pipeline-a in tallies"):
            poisoned.retry_parked("tallies", "pipeline-a")

    def test_a_rebuild_with_mended_code_has_nothing_parked(
        self, poisoned: Projector, store: ReadStore, folding: Folding, tallies: Projection[Tally]
    ) -> None:
        folding.poison = set()
        poisoned.rebuild("tallies")
        assert store.parked(tallies) == ()
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b2", "b3"]

    def test_an_event_of_newer_code_parks_its_stream_from_there(
        self, log: EventLog, store: ReadStore, tallies: Projection[Tally], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log.restore(
            [
                record(named("a1"), 1, "pipeline-a", 1),
                record(named("b1"), 2, "pipeline-b", 1),
                record(renamed("a2"), 3, "pipeline-a", 2, schema=99),
                record(renamed("a3"), 4, "pipeline-a", 3),
                record(renamed("b2"), 5, "pipeline-b", 2),
            ]
        )
        made = brought_up(log, store, [tallies])
        assert names_of(store, tallies) == {"pipeline-a": ["a1"], "pipeline-b": ["b1", "b2"]}
        first, behind = store.parked(tallies)
        assert (first.position, first.key, first.attempts) == (3, "pipeline-a", 1)
        assert first.error is not None
        assert "PipelineRevised@99 is unknown to this version" in first.error
        assert behind == Parked(4, "pipeline-a", "pipeline-a", None, 0)
        with pytest.raises(Invalid, match="position 3"):
            made.retry_parked("tallies", "pipeline-a")
        upgrade(monkeypatch)
        assert made.retry_parked("tallies", "pipeline-a") == 2
        assert names_of(store, tallies)["pipeline-a"] == ["a1", "a2", "a3"]

    def test_it_parks_every_row_of_its_stream(self, log: EventLog, store: ReadStore) -> None:
        """Where a stream makes many rows, none can be told from what an undecodable event holds."""
        folding = Folding()
        by_name = replace(tallying(folding), key=lambda recorded, event: f"{recorded.stream}/{event.name}")
        log.restore(
            [
                record(named("x"), 1, "pipeline-a", 1),
                record(renamed("y"), 2, "pipeline-a", 2, schema=99),
                record(renamed("z"), 3, "pipeline-a", 3),
                record(named("x"), 4, "pipeline-b", 1),
            ]
        )
        brought_up(log, store, [by_name])
        assert set(names_of(store, by_name)) == {"pipeline-a/x", "pipeline-b/x"}
        assert [(parked.position, parked.key) for parked in store.parked(by_name)] == [
            (2, "pipeline-a"),
            (3, "pipeline-a"),
        ]


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run code from now on that knows every schema."""

    def decoded(recorded: Recorded) -> Any:
        return EVENTS[recorded.type].model_validate_json(recorded.data)

    monkeypatch.setattr(projector, "decode", decoded)


@given(
    events=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["good"] * 6 + ["poison", "unknown"]))),
    page=st.integers(1, 5),
)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_parked_does_not_depend_on_where_pages_end(
    events: list[tuple[str, str]], page: int, caplog: pytest.LogCaptureFixture
) -> None:
    log = MemoryEventLog(sequential_ids())
    versions = dict.fromkeys("abc", 0)
    records = []
    for position, (stream, kind) in enumerate(events, start=1):
        versions[stream] += 1
        schema = 99 if kind == "unknown" else 1
        records.append(record(named(kind), position, f"pipeline-{stream}", versions[stream], schema=schema))
    log.restore(records)
    results = []
    for size in (page, 1_000):
        folding, store = Folding(), MemoryReadStore()
        folding.poison = {"poison"}
        tallies = tallying(folding)
        patch = pages_of(size)
        try:
            brought_up(log, store, [tallies])
        finally:
            patch.undo()
        results.append((names_of(store, tallies), store.parked(tallies)))
    assert results[0] == results[1]
    rows, parked = results[0]
    for stream in "abc":
        kinds = [kind for at, kind in events if at == stream]
        folded = next((place for place, kind in enumerate(kinds) if kind != "good"), len(kinds))
        assert rows.get(f"pipeline-{stream}", []) == ["good"] * folded
        assert sum(one.stream == f"pipeline-{stream}" for one in parked) == len(kinds) - folded
