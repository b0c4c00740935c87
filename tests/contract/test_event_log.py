"""What every EventLog does, whichever database holds it."""

import itertools
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from builders import (
    ANN,
    BOB,
    NOW,
    dataset_created,
    everything,
    full_metadata,
    metadata,
    named,
    record,
    renamed,
    version_added,
    writing,
    written,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyulf.errors import Damaged, NotAllowed, WrongVersion
from skyulf.events.base import Recorded
from skyulf.events.job import JobProgressed
from skyulf.events.log import Append, AppendResult, CommandRecorded, EventLog, Unfounded, Write
from skyulf.events.pipeline import PipelineCreated
from skyulf.events.registry import decode

P1, P2, P3 = "pipeline-1", "pipeline-2", "pipeline-3"


def names(events: tuple[Recorded, ...] | list[Recorded]) -> list[str]:
    return [json.loads(recorded.data)["name"] for recorded in events]


class TestAppending:
    def test_what_was_appended_is_read_again_with_its_whole_envelope(self, log: EventLog) -> None:
        circumstances = full_metadata()
        (result,) = log.append([Append((Write(P1, 0, (named("a"), renamed("b"))),), circumstances)])
        assert isinstance(result, tuple)
        assert [recorded.metadata for recorded in result] == [circumstances, circumstances]
        assert [(r.stream, r.version, r.name, r.ordinal) for r in result] == [
            (P1, 1, "PipelineCreated@1", 0),
            (P1, 2, "PipelineRevised@1", 1),
        ]
        assert [decode(recorded) for recorded in result] == [named("a"), renamed("b")]
        assert len({recorded.id for recorded in result}) == 2
        assert log.read(0, 10).events == result
        assert log.load({P1: 0}) == {P1: result}
        assert log.command("ann", "command-1") == result

    def test_times_keep_their_microseconds(self, log: EventLog) -> None:
        at = NOW + timedelta(microseconds=1)
        written(log, P1, 0, named(), recorded_at=at)
        assert everything(log)[0].metadata.recorded_at == at

    def test_text_of_every_kind_survives(self, log: EventLog) -> None:
        name = "quotes \" ' back\\slash \n tab\t nul\x00 emoji 🪻 健 \u2028"
        (recorded,) = written(log, P1, 0, named(name))
        assert decode(everything(log)[0]) == decode(recorded) == named(name)

    def test_numbers_that_are_not_finite_are_stored_as_null(self, log: EventLog) -> None:
        event = JobProgressed(
            attempt=1, stage="fit", fraction=0.5, metrics={"a": float("nan"), "b": float("inf"), "c": 1.5}
        )
        written(log, "job-1", 0, event)
        (stored,) = everything(log)
        assert json.loads(stored.data)["metrics"] == {"a": None, "b": None, "c": 1.5}
        decoded = decode(stored)
        assert isinstance(decoded, JobProgressed)
        assert decoded.metrics == {"a": None, "b": None, "c": 1.5}

    def test_numbers_that_are_not_finite_are_null_in_free_documents_too(self, log: EventLog) -> None:
        written(log, P1, 0, named().model_copy(update={"spec": {"deep": [{"low": float("-inf")}]}}))
        assert json.loads(everything(log)[0].data)["spec"] == {"deep": [{"low": None}]}

    @pytest.mark.parametrize("expected", [0, 1, 3, 99])
    def test_another_version_than_expected_is_refused_with_both_numbers(self, log: EventLog, expected: int) -> None:
        written(log, P1, 0, named("a"), renamed("b"))
        (result,) = log.append([writing(P1, expected, renamed("c"))])
        assert isinstance(result, WrongVersion)
        assert (result.stream, result.expected, result.actual) == (P1, expected, 2)
        assert names(everything(log)) == ["a", "b"]

    def test_what_rests_on_one_that_is_refused_is_refused_whatever_its_versions_say(self, log: EventLog) -> None:
        """Somebody else has written in the place of the first, so that the second finds the version that it expects."""
        written(log, P1, 0, named("a"), renamed("b"))
        results = log.append(
            [
                writing(P2, 0, named("before")),
                writing(P1, 1, renamed("c")),
                msgspec.structs.replace(writing(P1, 2, renamed("d")), rests_on=(0, 1)),
                msgspec.structs.replace(writing(P3, 0, named("e")), rests_on=(2,)),
                msgspec.structs.replace(writing(P2, 1, renamed("behind")), rests_on=(0,)),
            ]
        )
        assert [type(result) for result in results] == [tuple, WrongVersion, Unfounded, Unfounded, tuple]
        assert names(everything(log)) == ["a", "b", "before", "behind"]

    def test_a_new_stream_begins_at_version_one(self, log: EventLog) -> None:
        (result,) = log.append([writing(P1, 1, named())])
        assert isinstance(result, WrongVersion)
        assert (result.expected, result.actual) == (1, 0)

    def test_several_streams_are_written_as_one(self, log: EventLog) -> None:
        append = Append((Write(P1, 0, (named("a"),)), Write(P2, 0, (named("b"), renamed("c")))), metadata())
        (result,) = log.append([append])
        assert isinstance(result, tuple)
        assert [(r.stream, r.version, r.ordinal) for r in result] == [(P1, 1, 0), (P2, 1, 1), (P2, 2, 2)]

    @pytest.mark.parametrize("wrong_first", [True, False])
    def test_one_wrong_stream_leaves_all_unwritten(self, log: EventLog, wrong_first: bool) -> None:
        written(log, P1, 0, named("a"))
        writes = (Write(P1, 0, (renamed("b"),)), Write(P2, 0, (named("c"),)))
        (result,) = log.append([Append(writes if wrong_first else writes[::-1], metadata())])
        assert isinstance(result, WrongVersion)
        assert names(everything(log)) == ["a"]
        assert log.command("ann", "command-1") == ()

    def test_a_refused_command_id_can_still_be_used(self, log: EventLog) -> None:
        log.append([writing(P1, 7, named(), command_id="again")])
        written(log, P1, 0, named(), command_id="again")

    def test_a_stream_can_be_guarded_without_being_written(self, log: EventLog) -> None:
        written(log, P1, 0, named("a"))
        (refused,) = log.append([Append((Write(P2, 0, (named("b"),)), Write(P1, 0)), metadata("one"))])
        assert isinstance(refused, WrongVersion)
        assert (refused.stream, refused.expected, refused.actual) == (P1, 0, 1)
        (taken,) = log.append([Append((Write(P2, 0, (named("b"),)), Write(P1, 1)), metadata("two"))])
        assert isinstance(taken, tuple)
        assert [recorded.stream for recorded in taken] == [P2]

    def test_guards_alone_write_nothing_and_are_not_remembered(self, log: EventLog) -> None:
        written(log, P1, 0, named())
        head = log.head()
        assert log.append([Append((Write(P1, 1),), metadata("one"))]) == [()]
        assert isinstance(log.append([Append((Write(P1, 2),), metadata("one"))])[0], WrongVersion)
        assert log.head() == head
        written(log, P1, 1, renamed(), command_id="one")

    def test_in_a_batch_each_append_is_judged_after_those_before_it(self, log: EventLog) -> None:
        results = log.append(
            [
                writing(P1, 0, named("a"), command_id="1"),
                writing(P1, 0, named("lost"), command_id="2"),
                writing(P1, 1, renamed("b"), command_id="3"),
                writing(P2, 0, named("twice"), command_id="1"),
                writing(P2, 0, named("c"), command_id="4"),
            ]
        )
        assert [type(result) for result in results] == [tuple, WrongVersion, tuple, CommandRecorded, tuple]
        assert names(everything(log)) == ["a", "b", "c"]
        assert isinstance(results[1], WrongVersion)
        assert (results[1].expected, results[1].actual) == (0, 1)

    def test_an_empty_batch_is_nothing(self, log: EventLog) -> None:
        assert log.append([]) == []
        assert log.head() == 0


class TestCommandIds:
    def test_a_command_id_is_taken_once(self, log: EventLog) -> None:
        first = written(log, P1, 0, named("a"), renamed("b"), command_id="key")
        (result,) = log.append([writing(P1, 2, renamed("c"), command_id="key")])
        assert isinstance(result, CommandRecorded)
        assert log.command("ann", "key") == first
        assert len(everything(log)) == 2

    def test_a_command_id_belongs_to_its_caller(self, log: EventLog) -> None:
        anns = written(log, P1, 0, named("a"), command_id="key", actor=ANN)
        bobs = written(log, P2, 0, named("b"), command_id="key", actor=BOB)
        assert log.command("ann", "key") == anns
        assert log.command("bob", "key") == bobs
        assert log.command("eve", "key") == ()

    def test_a_repeated_command_is_told_before_a_wrong_version(self, log: EventLog) -> None:
        """Else a repeat, whose first sending moved the stream, would be mistaken for a conflict."""
        written(log, P1, 0, named(), command_id="key")
        assert isinstance(log.append([writing(P1, 0, named(), command_id="key")])[0], CommandRecorded)

    def test_events_of_a_command_over_streams_come_in_its_order(self, log: EventLog) -> None:
        writes = (Write(P2, 0, (named("a"),)), Write(P1, 0, (named("b"), renamed("c"))))
        log.append([Append(writes, metadata("key"))])
        assert names(log.command("ann", "key")) == ["a", "b", "c"]


@pytest.fixture
def filled(log: EventLog) -> EventLog:
    """Five events: three of P1, one of P2, one of P3, of two types."""
    written(log, P1, 0, named("a"))
    written(log, P2, 0, named("b"))
    written(log, P1, 1, renamed("c"), renamed("d"))
    written(log, P3, 0, named("e"))
    return log


class TestReading:
    def test_an_empty_log(self, log: EventLog) -> None:
        assert log.head() == 0
        page = log.read(0, 10)
        assert (page.events, page.position) == ((), 0)
        assert log.load({P1: 0}) == {P1: ()}

    def test_everything_in_order_of_position(self, filled: EventLog) -> None:
        page = filled.read(0, 10)
        assert names(page.events) == ["a", "b", "c", "d", "e"]
        positions = [recorded.position for recorded in page.events]
        assert positions == sorted(set(positions))
        assert filled.head() == page.position == positions[-1]

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
    def test_pages_join_without_gap_or_overlap(self, filled: EventLog, limit: int) -> None:
        seen: list[Recorded] = []
        position = 0
        while position < filled.head():
            page = filled.read(position, limit)
            assert 0 < len(page.events) <= limit
            seen += page.events
            assert page.position >= page.events[-1].position
            position = page.position
        assert seen == everything(filled)

    def test_at_the_head_nothing_follows(self, filled: EventLog) -> None:
        head = filled.head()
        assert filled.read(head, 10) == type(filled.read(0, 1))((), head)
        assert filled.read(head + 100, 10).position == head + 100

    def test_by_type(self, filled: EventLog) -> None:
        assert names(filled.read(0, 10, types=["PipelineCreated"]).events) == ["a", "b", "e"]
        assert names(filled.read(0, 10, types=["PipelineRevised", "PipelineCreated"]).events) == list("abcde")
        assert filled.read(0, 10, types=["Pipeline"]).events == ()

    def test_a_type_named_twice_is_read_once(self, filled: EventLog) -> None:
        assert names(filled.read(0, 10, types=["PipelineRevised", "PipelineRevised"]).events) == ["c", "d"]

    def test_a_type_is_of_any_schema(self, log: EventLog) -> None:
        log.restore([record(named(), 1), record(named(), 2, P2, schema=7), record(renamed(), 3, P3)])
        assert [r.schema for r in log.read(0, 10, types=["PipelineCreated"]).events] == [1, 7]

    def test_by_stream(self, filled: EventLog) -> None:
        assert names(filled.read(0, 10, stream=P1).events) == ["a", "c", "d"]
        assert names(filled.read(0, 10, stream=P1, types=["PipelineCreated"]).events) == ["a"]
        assert filled.read(0, 10, stream="pipeline-9").events == ()

    def test_until_a_position(self, filled: EventLog) -> None:
        third = everything(filled)[2].position
        page = filled.read(0, 10, until=third)
        assert (names(page.events), page.position) == (["a", "b", "c"], third)
        assert names(filled.read(0, 10, until=third, types=["PipelineCreated"]).events) == ["a", "b"]
        assert filled.read(0, 10, until=third, stream=P3).position == third

    def test_until_a_position_beyond_the_head_stops_at_the_head(self, filled: EventLog) -> None:
        page = filled.read(0, 10, until=filled.head() + 50)
        assert page.position == filled.head()

    @pytest.mark.parametrize(
        "asked", [{"types": ["ModelTrained"]}, {"stream": "pipeline-9"}, {"types": ["PipelineCreated"], "stream": P2}]
    )
    def test_a_filtered_page_reaches_the_head(self, filled: EventLog, asked: dict[str, Any]) -> None:
        """Else a reader of a rare type would read the whole log again at each turn."""
        assert filled.read(0, 10, **asked).position == filled.head()

    def test_a_full_filtered_page_goes_no_further_than_its_last_event(self, filled: EventLog) -> None:
        page = filled.read(0, 2, types=["PipelineCreated"])
        assert page.position == page.events[-1].position
        assert names(filled.read(page.position, 2, types=["PipelineCreated"]).events) == ["e"]

    def test_streams_are_loaded_above_a_version(self, filled: EventLog) -> None:
        loaded = filled.load({P1: 1, P2: 1, P3: 0, "pipeline-9": 0})
        assert {stream: names(events) for stream, events in loaded.items()} == {
            P1: ["c", "d"],
            P2: [],
            P3: ["e"],
            "pipeline-9": [],
        }


class TestTheMark:
    def test_it_stays_until_something_is_appended(self, owned_log: EventLog) -> None:
        mark = owned_log.mark()
        everything(owned_log)
        owned_log.load({P1: 0})
        assert owned_log.mark() is mark
        written(owned_log, P1, 0, named())
        assert owned_log.mark() is not mark

    def test_each_append_leaves_another_one_whichever_stream_it_was_for(self, log: EventLog) -> None:
        marks = [log.mark()]
        for version in range(20):
            written(log, P1 if version % 2 else P2, version // 2, renamed(str(version)))
            marks.append(log.mark())
        assert len(set(map(id, marks))) == len(marks)

    def test_what_was_restored_has_another_one(self, log: EventLog) -> None:
        mark = log.mark()
        log.restore([record(named())])
        assert log.mark() is not mark

    def test_what_was_read_under_a_mark_that_stayed_holds_while_others_append(self, log: EventLog) -> None:
        """Whoever reads after its mark, and still has it, knows every append that has returned."""
        returned, over, looked = [0], threading.Event(), threading.Semaphore(0)

        def write() -> None:
            for version in range(100):
                written(log, P1, version, renamed(str(version)))
                returned[0] = version + 1
                looked.acquire()
                looked.acquire()
            over.set()

        with ThreadPoolExecutor() as pool:
            writer = pool.submit(write)
            try:
                mark, known = log.mark(), len(log.load({P1: 0})[P1])
                while not over.is_set():
                    at_least = returned[0]
                    if log.mark() is mark:
                        assert known >= at_least
                    else:
                        mark, known = log.mark(), len(log.load({P1: 0})[P1])
                    looked.release()
            finally:
                looked.release(200)
            writer.result()


class TestManyAtOnce:
    def test_a_follower_sees_every_event_once_and_in_order(self, log: EventLog) -> None:
        writers, each = 8, 30
        done = threading.Event()
        followed: list[Recorded] = []

        def follow() -> None:
            position = 0
            while True:
                last = done.is_set()
                page = log.read(position, 7)
                assert all(position < recorded.position <= page.position for recorded in page.events)
                followed.extend(page.events)
                position = page.position
                if last and not page.events:
                    return

        def write(writer: int) -> None:
            for number in range(each):
                stream = f"pipeline-{writer}"
                written(log, stream, 2 * number, named(f"{writer}.{number}a"), renamed(f"{writer}.{number}b"))

        with ThreadPoolExecutor(writers + 1) as pool, interleaved():
            follower = pool.submit(follow)
            try:
                for future in [pool.submit(write, writer) for writer in range(writers)]:
                    future.result()
            finally:
                done.set()
            follower.result()
        assert followed == everything(log)
        positions = [recorded.position for recorded in followed]
        assert positions == sorted(set(positions))
        assert sorted(names(followed)) == sorted(
            f"{w}.{n}{p}" for w in range(writers) for n in range(each) for p in "ab"
        )

    def test_of_many_that_expect_the_same_version_one_wins(self, log: EventLog) -> None:
        """Versions are dense, whoever wins, and every loser is told."""
        rounds, rivals = 10, 8
        for version in range(rounds):
            start = threading.Barrier(rivals)

            def attempt(rival: int, version: int = version, start: threading.Barrier = start) -> object:
                start.wait()
                return log.append([writing(P1, version, named(f"{version} by {rival}"))])[0]

            with ThreadPoolExecutor(rivals) as pool, interleaved():
                results = list(pool.map(attempt, range(rivals)))
            assert sum(isinstance(result, tuple) for result in results) == 1
            assert sum(isinstance(result, WrongVersion) for result in results) == rivals - 1
        assert [recorded.version for recorded in everything(log)] == list(range(1, rounds + 1))

    def test_of_many_with_one_command_id_one_writes(self, log: EventLog) -> None:
        start = threading.Barrier(8)

        def attempt(number: int) -> object:
            start.wait()
            return log.append([writing(f"pipeline-{number}", 0, named(), command_id="key")])[0]

        with ThreadPoolExecutor(8) as pool, interleaved():
            results = list(pool.map(attempt, range(8)))
        assert sum(isinstance(result, tuple) for result in results) == 1
        assert sum(isinstance(result, CommandRecorded) for result in results) == 7


class interleaved:  # noqa: N801 - reads like contextlib's
    """Lets threads take turns far more often than they would, so that races show."""

    def __enter__(self) -> None:
        self.usual = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)

    def __exit__(self, *_: object) -> None:
        sys.setswitchinterval(self.usual)


EXPORTED = [
    record(named("a"), 3, P1, 1, metadata=full_metadata("one"), ordinal=0),
    record(renamed("b"), 4, P1, 2, metadata=full_metadata("one"), ordinal=1),
    record(named("c"), 90, P2, 1, metadata=metadata("two", recorded_at=NOW - timedelta(days=400))),
    record(renamed("d"), 1_000_000_007, P1, 3),
]
"""An export with gaps, and with a clock that jumped."""


class TestRestoring:
    def test_everything_is_kept(self, log: EventLog) -> None:
        assert log.restore(iter(EXPORTED)) == 4
        assert everything(log) == EXPORTED
        assert log.head() == 1_000_000_007
        assert log.load({P1: 1}) == {P1: (EXPORTED[1], EXPORTED[3])}
        assert log.command("ann", "one") == tuple(EXPORTED[:2])
        assert names(log.read(0, 10, types=["PipelineRevised"]).events) == ["b", "d"]

    def test_gaps_are_read_over(self, log: EventLog) -> None:
        log.restore(EXPORTED)
        assert names(log.read(4, 1).events) == ["c"]
        assert log.read(0, 10, until=50).position == 50

    def test_appends_go_above(self, log: EventLog) -> None:
        log.restore(EXPORTED)
        (recorded,) = written(log, P1, 3, renamed("e"))
        assert recorded.position > 1_000_000_007
        assert recorded.version == 4

    def test_command_ids_are_still_taken(self, log: EventLog) -> None:
        log.restore(EXPORTED)
        assert isinstance(log.append([writing(P3, 0, named(), command_id="one")])[0], CommandRecorded)

    def test_nothing_at_all_can_be_restored(self, log: EventLog) -> None:
        assert log.restore([]) == 0
        written(log, P1, 0, named())

    def test_a_log_that_is_not_empty_is_left_alone(self, log: EventLog) -> None:
        written(log, P3, 0, named("mine"))
        with pytest.raises(NotAllowed, match="not empty"):
            log.restore(EXPORTED)
        assert names(everything(log)) == ["mine"]

    @pytest.mark.parametrize(
        ("records", "said"),
        [
            ([record(named(), 5, P1), record(named(), 5, P2)], "position 5"),
            ([record(named(), 5, P1), record(named(), 4, P2)], "position 4"),
            ([record(named(), 0, P1)], "position 0"),
            ([record(named(), -3, P1)], "position -3"),
            ([record(named(), 1, P1, 2)], "continues with version 2, not 1"),
            ([record(named(), 1, P1, 1), record(named(), 2, P1, 3)], "continues with version 3, not 2"),
            ([record(named(), 1, P1, 1), record(named(), 2, P1, 1)], "continues with version 1, not 2"),
            ([record(named(), n, f"pipeline-{n}", metadata=full_metadata("one")) for n in (1, 2)], "position 2"),
        ],
    )
    def test_what_is_not_whole_is_refused(self, log: EventLog, records: list[Recorded], said: str) -> None:
        with pytest.raises(Damaged, match=said):
            log.restore(records)
        assert log.head() == 0
        assert everything(log) == []

    def test_it_is_all_or_nothing(self, log: EventLog) -> None:
        def torn() -> Iterator[Recorded]:
            yield from EXPORTED[:3]
            raise OSError("the file ended")

        with pytest.raises(OSError, match="the file ended"):
            log.restore(torn())
        assert log.head() == 0
        assert log.load({P1: 0}) == {P1: ()}
        assert log.command("ann", "one") == ()
        assert log.restore(EXPORTED) == 4


class TestWaking:
    def test_each_append_wakes_and_the_event_is_there_by_then(self, log: EventLog) -> None:
        heads: list[int] = []
        log.subscribe(lambda: heads.append(log.head()))
        (first,) = written(log, P1, 0, named())
        (second,) = written(log, P1, 1, renamed())
        assert heads == [first.position, second.position]

    def test_a_restore_wakes(self, log: EventLog) -> None:
        woken = threading.Event()
        log.subscribe(woken.set)
        log.restore(EXPORTED)
        assert woken.is_set()

    def test_who_unsubscribed_is_left_in_peace(self, log: EventLog) -> None:
        calls: dict[str, int] = defaultdict(int)

        def count(who: str) -> Callable[[], None]:
            def wake() -> None:
                calls[who] += 1

            return wake

        leave = log.subscribe(count("leaver"))
        log.subscribe(count("stayer"))
        written(log, P1, 0, named())
        leave()
        leave()
        written(log, P1, 1, renamed())
        assert calls == {"leaver": 1, "stayer": 2}


STREAMS = st.sampled_from([P1, P2, P3])
PLANNED_WRITE = st.tuples(st.sampled_from([0, 0, 0, 0, 1, -1]), st.integers(0, 3))
PLANNED_APPEND = st.tuples(
    st.sampled_from([ANN, BOB]),
    st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"]),
    st.dictionaries(STREAMS, PLANNED_WRITE, min_size=1),
)


class Model:
    """What a log does, in a few lines: names of events in streams, in the order written, and command ids."""

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = defaultdict(list)
        self.commands: dict[tuple[str, str], list[str]] = {}
        self.order: list[str] = []

    def append(self, append: Append) -> list[str] | tuple[str, int, int] | type[CommandRecorded]:
        key = (append.metadata.actor.id, append.metadata.command_id)
        if key in self.commands:
            return CommandRecorded
        for write in append.writes:
            if write.expected_version != len(self.streams[write.stream]):
                return (write.stream, write.expected_version, len(self.streams[write.stream]))
        new = []
        for write in append.writes:
            texts = [event.name for event in write.events if isinstance(event, PipelineCreated)]
            self.streams[write.stream] += texts
            new += texts
        self.order += new
        if new:
            self.commands[key] = new
        return new


@given(batches=st.lists(st.lists(PLANNED_APPEND, max_size=4), max_size=8))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_sequence_of_appends_does_what_a_simple_model_does(
    open_log: Callable[[], EventLog], batches: list[list[Any]]
) -> None:
    model, number = Model(), itertools.count()
    with closing(open_log()) as log:
        for batch in batches:
            appends, expected = [], []
            for actor, command_id, plan in batch:
                writes = tuple(
                    Write(
                        stream, len(model.streams[stream]) + off, tuple(named(f"{next(number)}") for _ in range(count))
                    )
                    for stream, (off, count) in plan.items()
                )
                appends.append(Append(writes, metadata(command_id, actor)))
                expected.append(model.append(appends[-1]))
            assert [told(result) for result in log.append(appends)] == expected
        found = everything(log)
        assert names(found) == model.order
        positions = [recorded.position for recorded in found]
        assert positions == sorted(set(positions))
        for stream, events in log.load(dict.fromkeys([P1, P2, P3], 0)).items():
            assert names(events) == model.streams[stream]
            assert [recorded.version for recorded in events] == list(range(1, len(events) + 1))
        for key, texts in model.commands.items():
            assert names(log.command(*key)) == texts


def told(result: AppendResult) -> object:
    """The result of an append as the model tells it."""
    if isinstance(result, tuple):
        return names(result)
    return (result.stream, result.expected, result.actual) if isinstance(result, WrongVersion) else type(result)


@given(
    name=st.text(),
    rows=st.integers(0, 2**53),
    skewness=st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    reason=st.text() | st.none(),
    at=st.datetimes(timezones=st.just(NOW.tzinfo)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_comes_back_as_it_was(
    open_log: Callable[[], EventLog], name: str, rows: int, skewness: float | None, reason: str | None, at: Any
) -> None:
    added = version_added(1, rows=rows)
    column = added.columns[0].model_copy(update={"name": name, "skewness": skewness})
    events = (dataset_created(name), added.model_copy(update={"columns": (column,)}))
    with closing(open_log()) as log:
        result = written(log, "dataset-1", 0, *events, reason=reason, recorded_at=at)
        stored = everything(log)
        assert tuple(stored) == result
        assert [decode(recorded) for recorded in stored] == list(events)
        assert stored[0].metadata.reason == reason
        assert stored[0].metadata.recorded_at == at
