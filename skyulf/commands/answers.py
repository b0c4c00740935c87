"""What a command is answered, and how answers get from the bus's thread to whoever waits for them."""

import asyncio
from concurrent.futures import Future
from contextlib import suppress

import msgspec

from skyulf.errors import CommandReused
from skyulf.events.base import Recorded


class Answer(msgspec.Struct, frozen=True):
    """What became of a command: the thing's id, its stream's version, and the position to read from.

    ``events`` are what it wrote, now or when the same command was sent first; none when there was nothing to do.
    """

    id: str
    version: int
    position: int
    events: tuple[Recorded, ...] = ()


Waiting = Future[Answer] | asyncio.Future[Answer]
"""Who waits for an answer: a thread, or a coroutine."""


class Answers:
    """Answers on their way; of one thread alone.

    An event loop is woken once for all that were given to its coroutines since the last time: a wake-up for each costs
    it more than all else that a command costs there.
    """

    def __init__(self) -> None:
        self._given: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | Exception]]] = {}

    def give(self, waiting: Waiting, outcome: Answer | Exception) -> None:
        """Give an outcome, at once to a thread, with the next `deliver` to a coroutine; not to one that has left."""
        if isinstance(waiting, asyncio.Future):
            self._given.setdefault(waiting.get_loop(), []).append((waiting, outcome))
        elif not waiting.done() and waiting.set_running_or_notify_cancel():
            _settle(waiting, outcome)

    def deliver(self) -> None:
        """Wake each loop that has something to be given; one that has ended has nobody left who waits."""
        for loop, given in self._given.items():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_hand_out, given)
        self._given.clear()


def _hand_out(given: list[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    for waiting, outcome in given:
        if not waiting.done():
            _settle(waiting, outcome)


def _settle(waiting: Waiting, outcome: Answer | Exception) -> None:
    if isinstance(outcome, Answer):
        waiting.set_result(outcome)
    else:
        waiting.set_exception(outcome)


def answer_of(events: tuple[Recorded, ...]) -> Answer:
    """The answer to a command from the events that it wrote: nothing else is needed to give it again."""
    stream, version, position = events[0].stream, 0, 0
    for recorded in events:
        position = max(position, recorded.position)
        if recorded.stream == stream:
            version = max(version, recorded.version)
    return Answer(stream, version, position, events)


def same_answer(fingerprint: str, events: tuple[Recorded, ...]) -> Answer:
    """The first answer to a command that was sent before; raises `CommandReused` when it is another one."""
    if events[0].metadata.fingerprint != fingerprint:
        raise CommandReused("this Idempotency-Key was used before for another request; use a new one")
    return answer_of(events)
