"""What cannot be folded waits, is released in order, or is purged, which every build honours; all else goes on."""

from dataclasses import replace
from typing import Any

import pytest
from builders import named, record, renamed, sequential_ids, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tallies import Folding, Tally, brought_up, names_of, pages_of, tallying

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import Invalid, NotFound
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.events.projection import ParkedEventPurged
from skyulf.events.registry import EVENTS
from skyulf.projections import parking
from skyulf.projections.base import Projection
from skyulf.projections.past import history_of
from skyulf.projections.projector import Projector
from skyulf.projections.store import Parked, ReadStore


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

    @pytest.mark.parametrize("key", ["pipeline-b", None])
    def test_its_history_is_retried_with_it(
        self, poisoned: Projector, log: EventLog, store: ReadStore, folding: Folding, tallies: Projection[Tally],
        key: str | None,
    ) -> None:  # fmt: skip
        history = history_of(tallies)
        made = brought_up(log, store, [tallies, history])
        assert [each.position for each in store.parked(history)] == [3, 5]
        folding.poison = set()
        assert (made.retry_all("tallies") if key is None else made.retry_parked("tallies", key)) == 2
        assert (store.parked(tallies), store.parked(history)) == ((), ())

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

    def test_what_is_released_does_not_overtake_what_its_stream_waits_for(
        self, memory_log: MemoryEventLog, folding: Folding, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a stream with rows of many keys, x waits for itself, and all of it for an event that nobody can read."""
        store = MemoryReadStore()
        by_name = replace(tallying(folding), key=lambda recorded, event: f"{recorded.stream}/{event.name[0]}")
        memory_log.restore(
            [
                record(named("x1"), 1, "pipeline-a", 1),
                record(renamed("x2"), 2, "pipeline-a", 2),
                record(renamed("x3"), 3, "pipeline-a", 3, schema=99),
                record(renamed("x4"), 4, "pipeline-a", 4),
            ]
        )
        folding.poison = {"x1"}
        made = brought_up(memory_log, store, [by_name])
        assert [(each.position, each.key) for each in store.parked(by_name)] == [
            (1, "pipeline-a/x"), (2, "pipeline-a/x"), (3, "pipeline-a"), (4, "pipeline-a/x"),
        ]  # fmt: skip
        folding.poison = set()
        assert made.retry_parked("tallies", "pipeline-a/x") == 2
        assert [(each.position, each.key) for each in store.parked(by_name)] == [(3, "pipeline-a"), (4, "pipeline-a")]
        upgrade(monkeypatch)
        assert made.retry_parked("tallies", "pipeline-a") == 2
        assert names_of(store, by_name) == {"pipeline-a/x": ["x1", "x2", "x3", "x4"]}

    def test_all_keys_are_tried_and_those_that_fail_go_on_waiting(
        self, poisoned: Projector, log: EventLog, store: ReadStore, folding: Folding, tallies: Projection[Tally]
    ) -> None:
        folding.poison = {"b2", "d1"}
        written(log, "pipeline-d", 0, named("d1"))
        poisoned.catch_up()
        folding.poison = {"d1"}
        assert poisoned.retry_all("tallies") == 2
        assert [(each.key, each.attempts) for each in store.parked(tallies)] == [("pipeline-d", 2)]


class TestPurging:
    """Of pipeline-b, the second of four events cannot be folded; it is the log's third."""

    def purge(self, log: EventLog, position: int = 3, projection: str = "tallies") -> None:
        stream = f"projection-{projection}"
        event = ParkedEventPurged(projection=projection, key="pipeline-b", position=position)
        written(log, stream, len(log.load({stream: 0})[stream]), event)

    @pytest.fixture
    def poisoned(
        self, memory_log: MemoryEventLog, store: ReadStore, folding: Folding, tallies: Projection[Tally]
    ) -> Projector:
        folding.poison = {"b2"}
        written(memory_log, "pipeline-a", 0, named("a1"))
        written(memory_log, "pipeline-b", 0, named("b1"), renamed("b2"), renamed("b3"), renamed("b4"))
        return brought_up(memory_log, store, [tallies])

    def test_those_behind_it_are_folded_in_order(
        self, poisoned: Projector, memory_log: MemoryEventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        self.purge(memory_log)
        poisoned.catch_up()
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b3", "b4"]
        assert store.parked(tallies) == ()
        assert store.skipped(tallies) == (3,)
        written(memory_log, "pipeline-b", 4, renamed("b5"))
        poisoned.catch_up()
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b3", "b4", "b5"]

    def test_up_to_the_next_that_fails(
        self, poisoned: Projector, memory_log: MemoryEventLog, store: ReadStore, folding: Folding,
        tallies: Projection[Tally],
    ) -> None:  # fmt: skip
        folding.poison = {"b2", "b4"}
        self.purge(memory_log)
        poisoned.catch_up()
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b3"]
        assert store.parked(tallies) == (Parked(5, "pipeline-b", "pipeline-b", "ValueError", 1),)

    def test_a_rebuild_leaves_it_out_though_its_fold_could_take_it_and_says_so(
        self, poisoned: Projector, memory_log: MemoryEventLog, store: ReadStore, folding: Folding,
        tallies: Projection[Tally], caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        self.purge(memory_log)
        poisoned.catch_up()
        before = names_of(store, tallies)
        folding.poison = set()
        caplog.clear()
        poisoned.rebuild("tallies")
        assert names_of(store, tallies) == before
        assert store.skipped(tallies) == (3,)
        assert "tallies: 1 purged events left out, at [3]" in caplog.text

    def test_so_does_one_from_an_empty_store(
        self, poisoned: Projector, memory_log: MemoryEventLog, store: ReadStore, folding: Folding,
        tallies: Projection[Tally],
    ) -> None:  # fmt: skip
        self.purge(memory_log)
        poisoned.catch_up()
        folding.poison = set()
        other = MemoryReadStore()
        brought_up(memory_log, other, [tallies])
        assert names_of(other, tallies) == names_of(store, tallies)

    def test_its_history_leaves_it_out_too(
        self, poisoned: Projector, memory_log: MemoryEventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        history = history_of(tallies)
        made = brought_up(memory_log, store, [tallies, history])
        assert [each.position for each in store.parked(history)] == [3, 4, 5]
        self.purge(memory_log)
        made.catch_up()
        assert (store.parked(history), store.skipped(history)) == ((), (3,))
        made.rebuild(history.name)
        assert store.skipped(history) == (3,)

    def test_another_projection_folds_it(
        self, poisoned: Projector, memory_log: MemoryEventLog, tallies: Projection[Tally], folding: Folding
    ) -> None:
        self.purge(memory_log, projection="others")
        folding.poison = set()
        store = MemoryReadStore()
        brought_up(memory_log, store, [tallies, replace(tallies, name="others")])
        assert names_of(store, tallies)["pipeline-b"] == ["b1", "b2", "b3", "b4"]
        assert "b2" not in str(store.get(replace(tallies, name="others"), ["pipeline-b"]).rows)

    def test_rows_that_newer_code_has_folded_it_into_are_made_anew(
        self, poisoned: Projector, memory_log: MemoryEventLog, folding: Folding, small_pages: None
    ) -> None:
        """A process of newer code had no need to park it, and hears only then that it is purged."""
        store, newer = MemoryReadStore(), tallying(folding, version=2)
        folding.poison = set()
        made = brought_up(memory_log, store, [newer])
        assert "b2" in names_of(store, newer)["pipeline-b"]
        self.purge(memory_log)
        made.catch_up()
        assert [(build.number, build.live) for build in store.builds("tallies")] == [(1, True), (2, False)]
        made.rebuild("tallies")
        assert names_of(store, newer)["pipeline-b"] == ["b1", "b3", "b4"]
        made.catch_up()
        assert len(store.builds("tallies")) == 1, "and not once more"

    def test_a_build_that_is_under_way_and_has_folded_it_is_begun_again(
        self, memory_log: MemoryEventLog, folding: Folding, small_pages: None
    ) -> None:
        store, tallies = MemoryReadStore(), tallying(folding)
        for number in range(9):
            written(memory_log, "pipeline-b", number, named(str(number)))
        made = brought_up(memory_log, store, [tallies])
        folding.folded.clear()

        def purge_halfway() -> None:
            if len(folding.folded) == 6:
                folding.at_each = lambda: None
                self.purge(memory_log, 2)

        folding.at_each = purge_halfway
        made.rebuild("tallies")
        assert names_of(store, tallies)["pipeline-b"] == ["0", "2", "3", "4", "5", "6", "7", "8"]

    def test_a_purge_of_what_it_does_not_fold_changes_nothing(
        self, poisoned: Projector, memory_log: MemoryEventLog, store: ReadStore, tallies: Projection[Tally]
    ) -> None:
        self.purge(memory_log, 77)
        poisoned.catch_up()
        assert len(store.builds("tallies")) == 1
        assert store.skipped(tallies) == ()


@given(
    events=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["good"] * 4 + ["poison"]))),
    purges=st.lists(st.integers(1, 12), max_size=3),
    page=st.integers(1, 5),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_that_were_followed_and_rows_that_are_rebuilt_leave_out_the_same(
    events: list[tuple[str, str]], purges: list[int], page: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever what waits first is purged, and whatever else comes before and after it."""
    log, store, folding = MemoryEventLog(sequential_ids()), MemoryReadStore(), Folding()
    folding.poison = {"poison"}
    tallies = tallying(folding)
    patch = pages_of(page)
    try:
        made = brought_up(log, store, [tallies])
        versions = dict.fromkeys("ab", 0)
        for number, (stream, kind) in enumerate(events):
            written(log, f"pipeline-{stream}", versions[stream], named(kind))
            versions[stream] += 1
            if number in purges:
                made.catch_up()
                for first in [each for each in store.parked(tallies) if each.error][:1]:
                    done = len(log.load({"projection-tallies": 0})["projection-tallies"])
                    event = ParkedEventPurged(projection="tallies", key=first.key, position=first.position)
                    written(log, "projection-tallies", done, event)
        made.catch_up()
        followed = (names_of(store, tallies), [each.position for each in store.parked(tallies)], store.skipped(tallies))
        made.rebuild("tallies")
    finally:
        patch.undo()
    assert len(store.builds("tallies")) == 1
    rebuilt = (names_of(store, tallies), [each.position for each in store.parked(tallies)], store.skipped(tallies))
    assert rebuilt == followed


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run code from now on that knows every schema."""

    def decoded(recorded: Recorded) -> Any:
        return EVENTS[recorded.type].model_validate_json(recorded.data)

    monkeypatch.setattr(parking, "decode", decoded)


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
