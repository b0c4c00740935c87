"""Rows are built anew beside those that are read: nobody sees it, and it can be stopped and gone on with."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from builders import named, renamed, sequential_ids, written
from tallies import Folding, Tally, brought_up, names_of, tallying, until

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.errors import NotAllowed, NotFound
from skyulf.events.log import EventLog, Page
from skyulf.projections import projector
from skyulf.projections.base import Projection
from skyulf.projections.projector import Projector
from skyulf.projections.store import NotBuilt, ReadStore


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


class CountedLog(MemoryEventLog):
    """Counts the events that are read."""

    def __init__(self) -> None:
        super().__init__(sequential_ids())
        self.read_so_far = 0

    def read(
        self, after: int, limit: int, types: Sequence[str] = (), stream: str | None = None, until: int | None = None
    ) -> Page:
        """See `EventLog.read`."""
        page = super().read(after, limit, types, stream, until)
        self.read_so_far += len(page.events)
        return page


def several(folding: Folding, count: int) -> list[Projection[Any]]:
    return [replace(tallying(folding), name=f"tallies{number}") for number in range(count)]


class TestSeveralAtOnce:
    """Twenty events, in pages of three."""

    @pytest.fixture
    def counted_log(self, small_pages: None) -> CountedLog:
        log = CountedLog()
        for number in range(20):
            written(log, f"pipeline-{number % 3}", number // 3, named(str(number)))
        return log

    @pytest.mark.parametrize(("at_once", "reads"), [(1, 60), (2, 40), (3, 20)])
    def test_those_that_are_rebuilt_at_once_share_what_is_read(
        self, counted_log: CountedLog, folding: Folding, at_once: int, reads: int
    ) -> None:
        projections, store = several(folding, 3), MemoryReadStore()
        made = Projector(counted_log, store, projections, at_once)
        made.prepare()
        made.catch_up()
        before = {each.name: names_of(store, each) for each in projections}
        counted_log.read_so_far = 0
        made.rebuild(*before)
        assert counted_log.read_so_far == reads
        assert {each.name: names_of(store, each) for each in projections} == before
        assert [build.number for each in projections for build in store.builds(each.name)] == [2, 2, 2]

    def test_one_that_is_further_waits_for_one_that_is_asked_for_later(
        self, counted_log: CountedLog, folding: Folding
    ) -> None:
        first, second = projections = several(folding, 2)
        store = MemoryReadStore()
        made = Projector(counted_log, store, projections)
        made.prepare()
        made.catch_up()
        counted_log.read_so_far = 0
        folding.folded.clear()

        def ask_for_the_other() -> None:
            if len(folding.folded) == 10:
                made.request_rebuild(second.name)

        folding.at_each = ask_for_the_other
        made.rebuild(first.name)
        made.rebuild(second.name)
        assert [build.number for each in projections for build in store.builds(each.name)] == [2, 2]

    def test_two_that_are_apart_go_on_together(self, counted_log: CountedLog, folding: Folding) -> None:
        projections, store = several(folding, 2), MemoryReadStore()
        made = Projector(counted_log, store, projections)
        made.prepare()
        made.catch_up()
        begun = made.request_rebuild("tallies0")
        with store.transaction() as transaction:  # as if it had got so far before the server was stopped
            transaction.batch(projections[0], begun.number).advance(10)
        folding.folded.clear()
        counted_log.read_so_far = 0
        made.rebuild("tallies0", "tallies1")
        assert counted_log.read_so_far == 20, "ten for the one that was behind, ten for both"
        assert len(folding.folded) == 30
        assert names_of(store, projections[1])["pipeline-0"] == [str(number) for number in range(0, 20, 3)]

    def test_live_rows_are_kept_up_meanwhile(self, counted_log: CountedLog, folding: Folding) -> None:
        """An event that comes while a rebuild is under way is shown before the rebuild is over."""
        (tallies,) = several(folding, 1)
        store = MemoryReadStore()
        made = Projector(counted_log, store, [tallies])
        made.prepare()
        made.catch_up()
        shown: list[bool] = []
        folding.folded.clear()

        def look() -> None:
            (live,) = (build for build in store.builds(tallies.name) if build.live)
            if live.number == 2:
                return
            if len(folding.folded) == 4:
                written(counted_log, "pipeline-0", 7, renamed("new"))
            shown.append("new" in names_of(store, tallies)["pipeline-0"])

        folding.at_each = look
        made.start()
        try:
            made.request_rebuild(tallies.name)
            until(lambda: [build.number for build in store.builds(tallies.name)] == [2])
        finally:
            made.close()
        assert True in shown
        assert names_of(store, tallies)["pipeline-0"][-1] == "new"


class TestStopping:
    def test_what_is_stopped_stays_where_it_is_and_goes_on_once_it_is_asked_for(
        self, memory_log: MemoryEventLog, store: ReadStore, folding: Folding, small_pages: None
    ) -> None:
        tallies = tallying(folding)
        for number in range(20):
            written(memory_log, "pipeline-1", number, named(str(number)))
        made = brought_up(memory_log, store, [tallies])
        begun = made.request_rebuild("tallies")
        with store.transaction() as transaction:  # as if it had got so far
            transaction.batch(tallies, begun.number).advance(9)
        assert made.stop_rebuild("tallies").held
        again = Projector(memory_log, store, [tallies])
        again.start()
        try:
            written(memory_log, "pipeline-1", 20, named("20"))
            until(lambda: store.position(tallies) == memory_log.head())
            old, half = store.builds("tallies")
            assert (old.live, half.live, half.held) == (True, False, True)
            assert half.position == 9
            assert again.request_rebuild("tallies").position == half.position
            until(lambda: [build.number for build in store.builds("tallies")] == [half.number])
        finally:
            again.close()
        assert not store.builds("tallies")[0].held

    def test_there_must_be_one_and_something_to_read_without_it(
        self, memory_log: MemoryEventLog, folding: Folding
    ) -> None:
        store = MemoryReadStore()
        made = brought_up(memory_log, store, [tallying(folding)])
        with pytest.raises(NotFound, match="no rebuild of tallies is under way"):
            made.stop_rebuild("tallies")
        newer = Projector(memory_log, store, [tallying(folding, version=2)])
        newer.prepare()
        with pytest.raises(NotAllowed, match="built for the first time"):
            newer.stop_rebuild("tallies")
