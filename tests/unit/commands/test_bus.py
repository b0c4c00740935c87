"""What callers of the bus can rely on, whoever else calls, writes or fails."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from typing import Any

import pytest
from builders import BOB, NOW, SPEC, Clock, context, everything, record, registered, sequential_ids, written

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS, bus
from skyulf.commands.answers import Answer
from skyulf.commands.base import Command, Context, Decided, Handler, Streams, own_stream
from skyulf.commands.bus import CommandBus
from skyulf.commands.deployment import Deploy
from skyulf.commands.model import RetireModelVersion, SetModelAlias
from skyulf.commands.pipeline import ArchivePipeline, CreatePipeline, RevisePipeline
from skyulf.errors import CommandReused, NotAllowed, NotFound, PreconditionFailed, Unavailable, WrongVersion
from skyulf.events.log import Append, AppendResult
from skyulf.events.model import ModelAliasSet
from skyulf.events.pipeline import PipelineArchived, PipelineCreated, PipelineRevised
from skyulf.events.registry import Undecodable

SOON = 20
"""Seconds within which an answer must be there; never reached unless something hangs."""


class WatchedLog(MemoryEventLog):
    """A log that counts its transactions, and does once, before the next ones, what it is told to."""

    def __init__(self) -> None:
        super().__init__(sequential_ids())
        self.appended: list[Sequence[Append]] = []
        self.first: list[Callable[[], None]] = []
        self.afterwards: list[Callable[[], None]] = []

    def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        self.appended.append(appends)
        if self.first:
            self.first.pop(0)()
        results = super().append(appends)
        if self.afterwards:
            self.afterwards.pop(0)()
        return results

    def write_as_another(self, stream: str, *events: Any) -> None:
        """Write what another process would, unseen by the bus."""
        version = len(self._streams[stream])
        (result,) = super().append([Append((bus.Write(stream, version, events),), _other())])
        assert isinstance(result, tuple)


_others = sequential_ids()


def _other() -> Any:
    from builders import metadata

    return metadata(_others(), BOB)


class Trouble(Command):
    """A command whose handling is broken."""


def go_wrong(command: Trouble, streams: Streams) -> Decided:
    raise ZeroDivisionError("a bug")


@pytest.fixture
def log() -> WatchedLog:
    return WatchedLog()


def make_bus(log: MemoryEventLog) -> CommandBus:
    handlers = {**COMMANDS, Trouble: Handler(own_stream, go_wrong)}
    return CommandBus(log, handlers, Clock(), sequential_ids())


@pytest.fixture
def sut(log: WatchedLog) -> Iterator[CommandBus]:
    with closing(make_bus(log)) as made:
        yield made


def ask(sut: CommandBus, command: Command, given: Context | None = None) -> Answer:
    return sut.send(command, given or context()).result(SOON)


def create(name: str = "a", **fields: Any) -> CreatePipeline:
    return CreatePipeline(name=name, spec=SPEC, **fields)


def revise(name: str, stream: str = "pipeline-1") -> RevisePipeline:
    return RevisePipeline(id=stream, name=name, spec=SPEC)


@contextmanager
def one_batch(sut: CommandBus, log: WatchedLog) -> Iterator[None]:
    """Whatever is sent inside is still waiting at the end, and is then taken at once."""
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert leave.wait(SOON)

    log.first.append(hold)
    plug = sut.send(create("plug"), context())
    assert entered.wait(SOON)
    try:
        yield
    finally:
        leave.set()
    plug.result(SOON)


def outcomes(futures: Sequence[Future[Answer]]) -> list[Any]:
    """The answers or errors, as they are."""
    wait(futures, SOON)
    return [future.exception(0) or future.result(0) for future in futures]


def at_once(count: int, call: Callable[[int], Answer]) -> list[Any]:
    """The outcomes of so many threads that call at the same moment."""
    start = threading.Barrier(count)

    def run(number: int) -> Any:
        start.wait()
        try:
            return call(number)
        except Exception as error:  # noqa: BLE001 - the outcome is what is looked at
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def names(log: MemoryEventLog) -> list[str]:
    return [recorded.type for recorded in everything(log)]


class TestAnswers:
    def test_an_answer_tells_the_id_the_version_and_the_position(self, sut: CommandBus, log: WatchedLog) -> None:
        made = ask(sut, create())
        assert made.id.startswith("pipeline-")
        assert (made.version, made.position) == (1, log.head())
        again = ask(sut, revise("b", made.id))
        assert (again.id, again.version, again.position) == (made.id, 2, log.head())
        assert made.events + again.events == tuple(everything(log))

    def test_what_changed_nothing_is_answered_as_of_then(self, sut: CommandBus, log: WatchedLog) -> None:
        """Its version and its position belong together, whatever its batch writes before and behind it."""
        made = ask(sut, create(id="pipeline-1"))
        with one_batch(sut, log):
            sent = [sut.send(revise(name), context()) for name in ("a", "b", "b", "c", "c")]
        same, second, idle, third, last = outcomes(sent)
        assert (same.version, same.position) == (1, made.position)
        assert (idle.version, idle.position) == (second.version, second.position) == (2, idle.position)
        assert (last.version, last.position) == (third.version, third.position)
        after = ask(sut, revise("c"))
        assert (after.version, after.position) == (third.version, third.position)

    def test_an_id_that_is_given_is_kept(self, sut: CommandBus) -> None:
        assert ask(sut, create(id="pipeline-mine")).id == "pipeline-mine"

    def test_the_version_is_of_the_stream_that_the_command_is_about(self, sut: CommandBus, log: WatchedLog) -> None:
        log.write_as_another("model-irises", registered(1), registered(2), registered(3))
        answer = ask(sut, Deploy(id="deployment-shop", model="irises", model_version=3))
        assert (answer.id, answer.version) == ("deployment-shop", 2)

    def test_circumstances_are_recorded(self, sut: CommandBus, log: WatchedLog) -> None:
        given = context("key", correlation_id="c", causation_id="d", reason="because", traceparent="00-1-2-01")
        ask(sut, create(), given)
        stored = everything(log)[0].metadata
        assert (stored.actor, stored.command_id, stored.recorded_at) == (given.actor, "key", NOW)
        assert (stored.correlation_id, stored.causation_id) == ("c", "d")
        assert (stored.reason, stored.traceparent) == ("because", "00-1-2-01")

    def test_commands_without_a_key_get_ids_of_their_own(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create())
        ask(sut, create())
        first, second = (recorded.metadata for recorded in everything(log))
        assert first.command_id != second.command_id
        assert first.correlation_id == first.command_id

    def test_nothing_to_do_answers_with_where_things_are(self, sut: CommandBus, log: WatchedLog) -> None:
        made = ask(sut, create())
        ask(sut, create("another"))
        answer = ask(sut, revise("a", made.id))
        assert answer == Answer(made.id, 1, made.position)
        assert len(everything(log)) == 2

    def test_nothing_to_do_after_a_command_of_the_same_batch(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create(id="pipeline-1"))
        with one_batch(sut, log):
            did, nothing = sut.send(revise("b"), context()), sut.send(revise("b"), context())
        first, second = outcomes([did, nothing])
        assert second == Answer("pipeline-1", 2, first.position)

    def test_a_caller_that_has_gone_away_harms_nobody(self, sut: CommandBus, log: WatchedLog) -> None:
        with one_batch(sut, log):
            gone, stays = sut.send(create("gone"), context()), sut.send(create("stays"), context())
            assert gone.cancel()
        assert stays.result(SOON).version == 1
        assert ask(sut, create()).version == 1


class TestIdempotency:
    def test_the_same_command_again_has_the_same_answer_and_writes_nothing(
        self, sut: CommandBus, log: WatchedLog
    ) -> None:
        first = ask(sut, create(), context("key"))
        ask(sut, revise("b", first.id))
        assert ask(sut, create(), context("key")) == first
        assert names(log) == ["PipelineCreated", "PipelineRevised"]

    def test_years_and_restarts_later_too(self, sut: CommandBus, log: WatchedLog) -> None:
        first = ask(sut, create(), context("key"))
        with closing(make_bus(log)) as later:
            assert ask(later, create(), context("key")) == first

    def test_twenty_at_once_have_one_effect_and_one_answer(self, sut: CommandBus, log: WatchedLog) -> None:
        answers = at_once(20, lambda _: ask(sut, create(), context("key")))
        assert len(everything(log)) == 1
        assert all(answer == answers[0] for answer in answers)
        assert answers[0].events == tuple(everything(log))

    def test_twenty_in_one_batch_too(self, sut: CommandBus, log: WatchedLog) -> None:
        with one_batch(sut, log):
            futures = [sut.send(create(), context("key")) for _ in range(20)]
        answers = outcomes(futures)
        assert len(everything(log)) == 1 + 1
        assert all(answer == answers[0] for answer in answers)

    def test_twenty_over_two_servers_too(self, sut: CommandBus, log: WatchedLog) -> None:
        with closing(make_bus(log)) as other:
            answers = at_once(20, lambda number: ask((sut, other)[number % 2], create(), context("key")))
        assert len(everything(log)) == 1
        assert all(answer == answers[0] for answer in answers)

    @pytest.mark.parametrize("together", [True, False])
    def test_another_request_under_the_same_key_is_refused(
        self, sut: CommandBus, log: WatchedLog, together: bool
    ) -> None:
        if together:
            with one_batch(sut, log):
                futures = [sut.send(create(name), context("key")) for name in "ab"]
            first, second = outcomes(futures)
        else:
            first = ask(sut, create("a"), context("key"))
            second = sut.send(create("b"), context("key")).exception(SOON)
        assert isinstance(first, Answer)
        assert isinstance(second, CommandReused)

    def test_another_reason_is_another_request(self, sut: CommandBus) -> None:
        ask(sut, create(), context("key", reason="x"))
        with pytest.raises(CommandReused):
            ask(sut, create(), context("key", reason="y"))

    def test_another_caller_is_free_to_use_the_key(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a"), context("key"))
        ask(sut, create("b"), context("key", BOB))
        assert len(everything(log)) == 2

    def test_a_command_that_was_refused_is_not_remembered(self, sut: CommandBus) -> None:
        with pytest.raises(NotFound):
            ask(sut, revise("b"), context("key"))
        ask(sut, create(id="pipeline-1"))
        assert ask(sut, revise("b"), context("key")).version == 2

    def test_a_command_that_had_nothing_to_do_is_not_remembered(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        ask(sut, revise("a"), context("key"))
        ask(sut, revise("b"))
        assert ask(sut, revise("a"), context("key")).version == 3

    def test_in_one_batch_a_refused_command_leaves_its_key_to_the_next(self, sut: CommandBus, log: WatchedLog) -> None:
        with one_batch(sut, log):
            futures = [sut.send(revise("b"), context("key")), sut.send(create(), context("key"))]
        refused, made = outcomes(futures)
        assert isinstance(refused, NotFound)
        assert isinstance(made, Answer)

    def test_a_repeat_is_answered_whatever_if_match_says_by_now(self, sut: CommandBus) -> None:
        ask(sut, create(id="pipeline-1"))
        first = ask(sut, revise("b"), context("key", if_match=1))
        assert ask(sut, revise("b"), context("key", if_match=1)) == first


class TestIfMatch:
    def test_the_version_that_was_seen(self, sut: CommandBus) -> None:
        ask(sut, create(id="pipeline-1"))
        assert ask(sut, revise("b"), context(if_match=1)).version == 2

    @pytest.mark.parametrize("seen", [0, 2, 9])
    def test_another_version_is_refused_with_the_present_one(self, sut: CommandBus, log: WatchedLog, seen: int) -> None:
        ask(sut, create(id="pipeline-1"))
        error = sut.send(revise("b"), context(if_match=seen)).exception(SOON)
        assert isinstance(error, PreconditionFailed)
        assert error.current_version == 1
        assert len(everything(log)) == 1

    def test_version_zero_means_that_there_must_be_nothing(self, sut: CommandBus) -> None:
        assert ask(sut, create(id="pipeline-1"), context(if_match=0)).version == 1

    @pytest.mark.parametrize("together", [True, False])
    def test_of_twenty_with_one_version_one_wins(self, sut: CommandBus, log: WatchedLog, together: bool) -> None:
        ask(sut, create(id="pipeline-1"))
        if together:
            with one_batch(sut, log):
                futures = [sut.send(revise(f"b{number}"), context(if_match=1)) for number in range(20)]
            results = outcomes(futures)
        else:
            results = at_once(20, lambda number: ask(sut, revise(f"b{number}"), context(if_match=1)))
        assert sum(isinstance(result, Answer) for result in results) == 1
        refused = [result for result in results if isinstance(result, PreconditionFailed)]
        assert [error.current_version for error in refused] == [2] * 19

    def test_of_twenty_over_two_servers_one_wins(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create(id="pipeline-1"))
        with closing(make_bus(log)) as other:
            results = at_once(
                20, lambda number: ask((sut, other)[number % 2], revise(f"b{number}"), context(if_match=1))
            )
        assert sum(isinstance(result, Answer) for result in results) == 1
        assert sum(isinstance(result, PreconditionFailed) for result in results) == 19

    def test_a_conflict_is_not_retried_on_the_callers_behalf(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create(id="pipeline-1"))
        log.first.append(lambda: log.write_as_another("pipeline-1", PipelineRevised(name="theirs", spec=SPEC)))
        error = sut.send(revise("ours"), context(if_match=1)).exception(SOON)
        assert isinstance(error, PreconditionFailed)
        assert error.current_version == 2


class TestOtherWriters:
    def test_a_conflict_is_decided_anew(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create(id="pipeline-1"))
        log.first.append(lambda: log.write_as_another("pipeline-1", PipelineRevised(name="theirs", spec=SPEC)))
        assert ask(sut, revise("ours")).version == 3

    def test_it_is_decided_from_what_the_other_wrote(self, sut: CommandBus, log: WatchedLog) -> None:
        """An alias set elsewhere, between our look and our write, still keeps the version from being retired."""
        log.write_as_another("model-irises", registered(1))
        log.first.append(
            lambda: log.write_as_another("model-irises", ModelAliasSet(alias="best", before=None, after=1))
        )
        with pytest.raises(NotAllowed, match="alias best"):
            ask(sut, RetireModelVersion(id="model-irises", model_version=1))
        assert names(log) == ["ModelVersionRegistered", "ModelAliasSet"]

    def test_streams_that_are_only_read_are_guarded_too(self, sut: CommandBus, log: WatchedLog) -> None:
        """A version retired elsewhere, between our look and our write, is not deployed."""
        from skyulf.events.model import ModelVersionRetired

        log.write_as_another("model-irises", registered(1))
        log.first.append(lambda: log.write_as_another("model-irises", ModelVersionRetired(model_version=1)))
        with pytest.raises(NotAllowed, match="retired"):
            ask(sut, Deploy(id="deployment-shop", model="irises", model_version=1))

    def test_what_rested_on_an_append_that_failed_is_decided_anew(self, sut: CommandBus, log: WatchedLog) -> None:
        """A refusal, and a command with nothing to do, that saw an archiving which did not come to be."""
        ask(sut, create("a", id="pipeline-1"))
        with one_batch(sut, log):
            log.first.append(lambda: log.write_as_another("pipeline-1", PipelineRevised(name="theirs", spec=SPEC)))
            futures = [
                sut.send(ArchivePipeline(id="pipeline-1"), context(if_match=1)),
                sut.send(revise("ours"), context()),
                sut.send(ArchivePipeline(id="pipeline-1"), context()),
            ]
        archived, revised, again = outcomes(futures)
        assert isinstance(archived, PreconditionFailed)
        assert (revised.version, again.version) == (3, 4)
        assert names(log)[-2:] == ["PipelineRevised", "PipelineArchived"]

    def test_a_state_that_did_not_come_to_be_is_not_kept(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        log.first.append(lambda: log.write_as_another("pipeline-1", PipelineRevised(name="theirs", spec=SPEC)))
        sut.send(ArchivePipeline(id="pipeline-1"), context(if_match=1)).exception(SOON)
        assert ask(sut, revise("ours")).version == 3

    def test_who_always_loses_is_told_to_try_again(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        interfere = [
            lambda n=n: log.write_as_another("pipeline-1", PipelineRevised(name=f"theirs {n}", spec=SPEC))
            for n in range(bus.CONFLICTS + 1)
        ]
        log.first += interfere
        with pytest.raises(Unavailable, match="send the command again"):
            ask(sut, revise("ours"))
        assert ask(sut, revise("ours")).version == 1 + len(interfere) + 1

    def test_two_servers_on_one_log_lose_nothing(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        with closing(make_bus(log)) as other:
            answers = at_once(40, lambda number: ask((sut, other)[number % 2], revise(f"b{number}")))
        assert sorted(answer.version for answer in answers) == list(range(2, 42))
        assert [recorded.version for recorded in everything(log)] == list(range(1, 42))


class TestFaults:
    def test_one_commands_bug_does_not_harm_its_batch(self, sut: CommandBus, log: WatchedLog) -> None:
        with one_batch(sut, log):
            futures = [sut.send(create(), context()), sut.send(Trouble(), context()), sut.send(create(), context())]
        before, bug, after = outcomes(futures)
        assert isinstance(bug, ZeroDivisionError)
        assert isinstance(before, Answer)
        assert isinstance(after, Answer)

    def test_a_stream_that_cannot_be_read_does_not_harm_its_batch(self, sut: CommandBus, log: WatchedLog) -> None:
        """An event that a newer version of the code wrote stops commands to its stream, and no others."""
        log.restore([record(PipelineCreated(name="x", spec={}), 5, "pipeline-new", schema=99)])
        with one_batch(sut, log):
            futures = [
                sut.send(create(), context()),
                sut.send(revise("b", "pipeline-new"), context()),
                sut.send(create(), context()),
            ]
        before, unread, after = outcomes(futures)
        assert isinstance(unread, Undecodable)
        assert isinstance(before, Answer)
        assert isinstance(after, Answer)

    def test_when_the_log_fails_every_caller_hears_and_the_bus_goes_on(self, sut: CommandBus, log: WatchedLog) -> None:
        def fail() -> None:
            raise Unavailable("the disk is full")

        with one_batch(sut, log):
            log.first.append(fail)
            futures = [sut.send(create(), context()) for _ in range(5)]
        assert [str(outcome) for outcome in outcomes(futures)] == ["the disk is full"] * 5
        assert names(log) == ["PipelineCreated"]
        assert ask(sut, create()).version == 1

    def test_a_lost_acknowledgement_is_settled_by_the_command_id(self, sut: CommandBus, log: WatchedLog) -> None:
        def fail() -> None:
            raise Unavailable("the connection was lost")

        ask(sut, create("a", id="pipeline-1"))
        log.afterwards.append(fail)
        with pytest.raises(Unavailable, match="connection was lost"):
            ask(sut, revise("b"), context("key"))
        assert ask(sut, revise("b"), context("key")).version == 2
        assert ask(sut, revise("c")).version == 3

    def test_a_log_that_cannot_be_read_is_told_to_the_caller(self, sut: CommandBus, log: WatchedLog) -> None:
        def fail(after: object) -> Any:
            del log.load
            raise Unavailable("no connection")

        log.load = fail  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="no connection"):
            ask(sut, create(id="pipeline-1"))
        assert ask(sut, create(id="pipeline-1")).version == 1


class TestWhatIsRemembered:
    """Streams that the bus has seen are not read again, and yet nobody is misled when others have moved them on."""

    @pytest.fixture
    def loads(self, log: WatchedLog, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
        """The streams of each read of the log."""
        loads: list[set[str]] = []
        load = log.load

        def counted(after: Mapping[str, int]) -> Any:
            loads.append(set(after))
            return load(after)

        monkeypatch.setattr(log, "load", counted)
        return loads

    def test_what_it_has_made_or_seen_is_not_read(self, sut: CommandBus, loads: list[set[str]]) -> None:
        made = ask(sut, create())
        assert ask(sut, revise("b", made.id)).version == 2
        assert ask(sut, revise("c", made.id)).version == 3
        assert loads == []

    def test_what_it_has_not_seen_is_read_once(self, sut: CommandBus, log: WatchedLog, loads: list[set[str]]) -> None:
        written(log, "pipeline-1", 0, PipelineCreated(name="a", spec=SPEC))
        ask(sut, revise("b"))
        ask(sut, revise("c"))
        assert loads == [{"pipeline-1"}]

    def test_nobody_is_told_that_there_is_nothing_to_do_by_it(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        log.write_as_another("pipeline-1", PipelineRevised(name="b", spec=SPEC))
        assert ask(sut, revise("a")).version == 3
        assert [recorded.type for recorded in everything(log)][-1] == "PipelineRevised"

    def test_nobody_is_refused_by_it(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        log.write_as_another("pipeline-1", PipelineRevised(name="b", spec=SPEC))
        assert ask(sut, revise("c"), context(if_match=2)).version == 3

    def test_a_version_that_is_past_does_not_match_by_it(self, sut: CommandBus, log: WatchedLog) -> None:
        ask(sut, create("a", id="pipeline-1"))
        log.write_as_another("pipeline-1", PipelineRevised(name="b", spec=SPEC))
        with pytest.raises(PreconditionFailed):
            ask(sut, revise("c"), context(if_match=1))

    def test_commands_of_one_batch_keep_their_order(self, sut: CommandBus, log: WatchedLog) -> None:
        """The first has nothing to do, by what is remembered; it must not be decided behind the second for that."""
        ask(sut, create("a", id="pipeline-1"))
        with one_batch(sut, log):
            futures = [sut.send(revise(name), context()) for name in ("a", "b")]
        assert [outcome.version for outcome in outcomes(futures)] == [1, 2]

    def test_what_is_read_anew_in_the_middle_of_a_batch_is_judged_as_of_one_moment(
        self, sut: CommandBus, log: WatchedLog
    ) -> None:
        ask(sut, create("a", id="pipeline-1"))
        with one_batch(sut, log):
            log.write_as_another("pipeline-1", PipelineRevised(name="b", spec=SPEC))
            futures = [sut.send(revise(name), context()) for name in ("c", "c", "d")]
        assert [outcome.version for outcome in outcomes(futures)] == [3, 3, 4]
        assert [recorded.version for recorded in everything(log) if recorded.stream == "pipeline-1"] == [1, 2, 3, 4]


class TestGroupCommit:
    def test_callers_that_wait_share_one_transaction(self, sut: CommandBus, log: WatchedLog) -> None:
        with ThreadPoolExecutor(64) as pool:
            with one_batch(sut, log):
                asked = [pool.submit(ask, sut, create()) for _ in range(64)]
                until(lambda: sut._queue.qsize() == 64)
            assert all(isinstance(outcome, Answer) for outcome in outcomes(asked))
        assert len(everything(log)) == 65
        assert [len(appends) for appends in log.appended] == [1, 64]

    def test_under_load_there_are_far_fewer_transactions_than_commands(self, sut: CommandBus, log: WatchedLog) -> None:
        """With a log as slow as a disk, and callers that wait for each answer."""
        log.first = [lambda: time.sleep(0.002)] * 1_000

        def call(number: int) -> Answer:
            return [ask(sut, create()) for _ in range(5)][-1]

        assert all(isinstance(answer, Answer) for answer in at_once(64, call))
        assert len(everything(log)) == 64 * 5
        assert len(log.appended) < 64 * 5 / 4

    def test_commands_of_a_batch_see_those_before_them(self, sut: CommandBus, log: WatchedLog) -> None:
        log.write_as_another("model-irises", registered(1))
        with one_batch(sut, log):
            futures = [
                sut.send(create(id="pipeline-1"), context()),
                sut.send(revise("b"), context()),
                sut.send(SetModelAlias(id="model-irises", alias="best", model_version=1), context()),
                sut.send(Deploy(id="deployment-shop", model="irises", alias="best"), context()),
                sut.send(RetireModelVersion(id="model-irises", model_version=1), context()),
            ]
        *done, refused = outcomes(futures)
        assert [answer.version for answer in done] == [1, 2, 2, 2]
        assert isinstance(refused, NotAllowed)
        assert len(log.appended) == 2

    def test_a_batch_has_its_limit(self, log: WatchedLog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bus, "BATCH", 10)
        with closing(make_bus(log)) as sut:
            with one_batch(sut, log):
                futures = [sut.send(create(), context()) for _ in range(25)]
            outcomes(futures)
        assert [len(appends) for appends in log.appended] == [1, 10, 10, 5]

    def test_too_many_that_wait_are_told_so(self, log: WatchedLog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bus, "WAITING", 3)
        with closing(make_bus(log)) as sut:
            with one_batch(sut, log):
                futures = [sut.send(create(), context()) for _ in range(3)]
                with pytest.raises(Unavailable, match="too many"):
                    sut.send(create(), context())
            assert all(isinstance(outcome, Answer) for outcome in outcomes(futures))
            assert ask(sut, create()).version == 1


class TestClosing:
    def test_what_was_handed_in_is_settled_and_later_commands_are_refused(self, log: WatchedLog) -> None:
        sut = make_bus(log)
        with ThreadPoolExecutor(1) as pool:
            with one_batch(sut, log):
                futures = [sut.send(create(), context()) for _ in range(10)]
                closed = pool.submit(sut.close)
                until(lambda: sut._closed)
                with pytest.raises(Unavailable, match="stopping"):
                    sut.send(create(), context())
            closed.result(SOON)
        assert all(future.done() for future in futures)
        assert all(isinstance(outcome, Answer) for outcome in outcomes(futures))
        assert not sut._thread.is_alive()

    def test_what_must_be_decided_anew_is_settled_too(self, log: WatchedLog) -> None:
        written(log, "pipeline-1", 0, PipelineCreated(name="a", spec=SPEC))
        sut = make_bus(log)
        with ThreadPoolExecutor(1) as pool:
            with one_batch(sut, log):
                log.first.append(lambda: log.write_as_another("pipeline-1", PipelineArchived()))
                future = sut.send(revise("b"), context())
                closed = pool.submit(sut.close)
            closed.result(SOON)
        assert isinstance(future.exception(0), NotAllowed)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that is certain to come."""
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_wrong_version_never_reaches_a_caller(sut: CommandBus, log: WatchedLog) -> None:
    ask(sut, create("a", id="pipeline-1"))
    log.first.append(lambda: log.write_as_another("pipeline-1", PipelineArchived()))
    assert not isinstance(sut.send(revise("b"), context()).exception(SOON), WrongVersion)
