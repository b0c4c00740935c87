"""Answers get to whoever waits for them, in threads and in event loops, and an event loop is woken once for many."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing

import pytest
from builders import SPEC, Clock, context, everything, sequential_ids
from loops import CountingLoop

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS
from skyulf.commands.answers import Answer, Answers
from skyulf.commands.bus import CommandBus
from skyulf.commands.pipeline import CreatePipeline, RevisePipeline
from skyulf.commands.settled import Settled
from skyulf.errors import NotFound, Unavailable
from skyulf.events.log import Append, AppendResult

SOON = 20
"""Seconds within which an answer must be there; never reached unless something hangs."""


class HeldLog(MemoryEventLog):
    """A log that appends nothing while its door is shut."""

    def __init__(self) -> None:
        super().__init__(sequential_ids())
        self.knocked, self.door = threading.Event(), threading.Event()
        self.door.set()

    def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        self.knocked.set()
        assert self.door.wait(SOON)
        return super().append(appends)


@pytest.fixture
def log() -> HeldLog:
    return HeldLog()


@pytest.fixture
def heard() -> list[Settled]:
    return []


@pytest.fixture
def sut(log: HeldLog, heard: list[Settled]) -> Iterator[CommandBus]:
    with closing(CommandBus(log, COMMANDS, Clock(), sequential_ids(), heard.append)) as made:
        yield made


def create(name: str = "a") -> CreatePipeline:
    return CreatePipeline(name=name, spec=SPEC)


class TestAsking:
    def test_a_coroutine_has_the_answer_and_the_event(self, sut: CommandBus, log: HeldLog) -> None:
        made = asyncio.run(sut.ask(create(), context()))
        assert (made.version, made.position, made.events) == (1, log.head(), tuple(everything(log)))

    def test_a_coroutine_has_the_error(self, sut: CommandBus) -> None:
        with pytest.raises(NotFound, match="there is no pipeline pipeline-9"):
            asyncio.run(sut.ask(RevisePipeline(id="pipeline-9", name="b", spec=SPEC), context()))

    def test_a_bus_that_is_closed_says_so(self, sut: CommandBus) -> None:
        sut.close()
        with pytest.raises(Unavailable, match="stopping"):
            asyncio.run(sut.ask(create(), context()))

    def test_what_became_of_a_command_is_heard_before_its_caller_has_the_answer(
        self, sut: CommandBus, heard: list[Settled]
    ) -> None:
        async def asked(name: str) -> bool:
            answer = await sut.ask(create(name), context())
            return any(settled.answer == answer for settled in heard)

        async def many() -> list[bool]:
            return await asyncio.gather(*(asked(str(number)) for number in range(20)))

        assert all(asyncio.run(many()))

    def test_threads_and_coroutines_of_several_loops_have_each_their_own_answers(self, sut: CommandBus) -> None:
        async def several(first: int) -> list[Answer]:
            return await asyncio.gather(*(sut.ask(create(str(n)), context()) for n in range(first, first + 10)))

        found: list[Answer] = []
        threads = [threading.Thread(target=lambda at=at: found.extend(asyncio.run(several(at)))) for at in (0, 10, 20)]
        for thread in threads:
            thread.start()
        found += [future.result(SOON) for future in [sut.send(create(str(n)), context()) for n in range(30, 40)]]
        for thread in threads:
            thread.join(SOON)
        names = [answer.events[0].data for answer in found]
        assert len({answer.id for answer in found}) == len(set(names)) == 40

    def test_a_coroutine_that_has_left_harms_nobody(self, sut: CommandBus, log: HeldLog) -> None:
        async def leave() -> Answer:
            log.door.clear()
            tasks = [asyncio.create_task(sut.ask(create(name), context())) for name in ("gone", "stays")]
            await asyncio.sleep(0)
            tasks[0].cancel()
            log.door.set()
            return await tasks[1]

        assert asyncio.run(leave()).version == 1
        assert len(everything(log)) == 2  # what was handed in is recorded, whoever waits for it

    def test_a_loop_that_has_ended_harms_nobody(self, sut: CommandBus, log: HeldLog) -> None:
        log.door.clear()
        loop = asyncio.new_event_loop()
        asked = loop.create_task(sut.ask(create("gone"), context()))
        loop.run_until_complete(asyncio.sleep(0))
        assert log.knocked.wait(SOON)
        asked.cancel()
        loop.run_until_complete(asyncio.gather(asked, return_exceptions=True))
        loop.close()
        log.door.set()
        assert sut.send(create(), context()).result(SOON).version == 1


def test_a_loop_is_woken_once_for_all_that_was_given() -> None:
    """And each has its own, an error where that is what became of it."""
    with closing(CountingLoop()) as loop:
        answers, waiting = Answers(), [loop.create_future() for _ in range(3)]
        in_thread: Future[Answer] = Future()
        outcomes = [Answer("pipeline-1", 1, 1), NotFound("there is none"), Answer("pipeline-2", 1, 2)]
        for one, outcome in zip(waiting, outcomes, strict=True):
            answers.give(one, outcome)
        answers.give(in_thread, outcomes[2])
        assert in_thread.result(0) == outcomes[2]
        answers.deliver()
        answers.deliver()
        assert loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True)) == outcomes
        assert loop.woken == 1
