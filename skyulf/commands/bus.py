"""The bus: every command passes here, from load over decide to append, and gets its answer once that is durable.

One thread takes whatever commands are waiting, decides them one after the other, and appends the events of all of
them in one transaction (group commit): callers share the price of a disk flush. A command sees the events of those
before it in the same batch. If any append of the batch is refused, whatever rested on it is decided anew, alone.

Streams are remembered as they were when last seen, and a command is decided on that at first: if somebody else has
moved one on meanwhile, the append is refused, since it names every version that was read. Nobody is told no, nor that
there is nothing to do, by what is remembered: the streams are read then, and the command decided anew.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from typing import Any

import msgspec
from eventsourcing.application import LRUCache

from skyulf.commands.answers import Answer, Answers, Waiting, answer_of, same_answer
from skyulf.commands.base import Command, Context, Handler, Streams
from skyulf.commands.settled import Settled, tell
from skyulf.errors import CommandReused, PreconditionFailed, SkyulfError, Unavailable, WrongVersion
from skyulf.events.base import DomainEvent, Metadata, Recorded, noun_of
from skyulf.events.log import Append, AppendResult, CommandRecorded, EventLog, Unfounded, Write
from skyulf.events.registry import EVOLVE, replay

BATCH = 256
"""At most so many commands share a transaction."""

WAITING = 10_000
"""At most so many commands wait; one more is refused, to be sent again."""

CONFLICTS = 20
"""A command that loses so often to other writers is given back to its caller."""

CACHED_STREAMS = 4_096

logger = logging.getLogger(__name__)


class Folded(msgspec.Struct, frozen=True):
    """A stream's state, with the version and position of the last event in it."""

    state: Any = None
    version: int = 0
    position: int = 0


class Sent(msgspec.Struct):
    """A command on its way: ``answer`` is given once it is settled.

    ``creates`` tells that the bus has made its id, so that no stream has it yet; ``anew``, that its streams are to be
    read whatever is remembered of them.
    """

    command: Command
    context: Context
    handler: Handler
    fingerprint: str
    answer: Waiting
    begun: float
    creates: bool = False
    anew: bool = False
    conflicts: int = 0
    settled: bool = False

    @property
    def key(self) -> tuple[str, str] | None:
        """What the caller's command is known by: who sent it, under which id; None where it has none."""
        context = self.context
        return None if context.command_id is None else (context.actor.id, context.command_id)


@dataclass(slots=True)
class Batch:
    """The states that the commands of one batch have led to so far, and what they would write.

    ``unread`` are the streams that cannot be decoded: they stop the commands that read them, and no others.
    ``certain`` are the streams whose states hold if the batch is appended whole: they were read for it, or it writes
    them. ``writers`` are the numbers of the appends that write streams last. ``positions`` are those of the events that
    the batch appended, by stream and version.
    """

    streams: dict[str, Folded] = field(default_factory=dict)
    unread: dict[str, Exception] = field(default_factory=dict)
    certain: set[str] = field(default_factory=set)
    writers: dict[str, int] = field(default_factory=dict)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    commands: set[tuple[str, str]] = field(default_factory=set)
    appends: list[tuple[Sent, Append]] = field(default_factory=list)
    settled: list[tuple[Sent, Answer | Exception]] = field(default_factory=list)
    again: list[Sent] = field(default_factory=list)


class CommandBus:
    """Takes commands from any thread; ``now`` and ``new_id`` are the clock and the source of ids (UUIDv7).

    ``on_settled`` hears of every command that was taken, in the bus's thread, before its caller has the answer.
    """

    def __init__(
        self,
        log: EventLog,
        handlers: Mapping[type[Command], Handler],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        on_settled: Callable[[Settled], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._handlers = handlers
        self._now = now
        self._new_id = new_id
        self._on_settled = on_settled
        self._queue: SimpleQueue[Sent | None] = SimpleQueue()
        self._cache: LRUCache[str, Folded] = LRUCache(CACHED_STREAMS)
        self._answers = Answers()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="commands", daemon=True)
        self._thread.start()

    def send(self, command: Command, context: Context) -> Future[Answer]:
        """Hand in a command; its future has the answer, or a domain error, once that is certain.

        Raises `Unavailable` when too many commands wait, or the bus is closed.
        """
        answer: Future[Answer] = Future()
        self._hand_in(command, context, answer)
        return answer

    async def ask(self, command: Command, context: Context) -> Answer:
        """As `send`, for coroutines: the answer, or the error, without blocking the event loop."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._hand_in(command, context, answer)
        return await answer

    def earlier(self, command: Command, context: Context) -> Answer | None:
        """The answer to a command that was sent before, for who would do costly work to send it again; else None.

        Raises `CommandReused`. It reads the log, and so it blocks.
        """
        found = self._log.command(context.actor.id, context.command_id) if context.command_id is not None else ()
        return same_answer(command.fingerprint(context.reason), found) if found else None

    def close(self) -> None:
        """Settle what was handed in, and end."""
        with self._gate:
            self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _hand_in(self, command: Command, context: Context, answer: Waiting) -> None:
        handler = self._handlers[type(command)]
        fingerprint = command.fingerprint(context.reason)
        identified = self._identified(command)
        sent = Sent(identified, context, handler, fingerprint, answer, time.perf_counter(), identified is not command)
        with self._gate:
            if self._closed:
                raise Unavailable("the server is stopping; send the command again")
            if self._queue.qsize() >= WAITING:
                raise Unavailable("too many commands are waiting; send it again in a moment")
            self._queue.put(sent)

    def _identified(self, command: Command) -> Command:
        if command.CREATES is None or command.id:
            return command
        return command.model_copy(update={"id": f"{command.CREATES}-{self._new_id()}"})

    def _work(self) -> None:
        closing = False
        while not closing:
            batch, closing = self._take()
            while batch:
                batch = self._settle(batch)
                self._answers.deliver()

    def _take(self) -> tuple[list[Sent], bool]:
        """Wait for a command; take it and whatever else is waiting. The second is true at the end of all."""
        taken = [self._queue.get()]
        while len(taken) < BATCH and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return [sent for sent in taken if sent is not None], None in taken

    def _settle(self, commands: list[Sent]) -> list[Sent]:
        """Decide and append a batch; those that must be decided anew are returned, and go before all others."""
        try:
            return self._attempt(commands)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any fault, and each caller hear of it
            self._cache = LRUCache(CACHED_STREAMS)  # the library's clear() keeps what it should forget
            for sent in commands:
                self._resolve(sent, error)
            return []

    def _attempt(self, commands: list[Sent]) -> list[Sent]:
        batch = self._begin(commands)
        for sent in commands:
            self._decide_one(sent, batch)
        results = self._log.append([append for _, append in batch.appends]) if batch.appends else []
        if not self._keep(batch, results):
            # A refusal or an empty answer may rest on the state after an append that did not come to be.
            left = {id(sent) for sent in (*batch.again, *(sent for sent, _ in batch.settled))}
            return [sent for sent in commands if id(sent) in left]
        for sent, outcome in batch.settled:
            if isinstance(outcome, Answer):
                position = batch.positions.get((outcome.id, outcome.version), outcome.position)
                outcome = msgspec.structs.replace(outcome, position=position)
            self._resolve(sent, outcome)
        return batch.again

    def _begin(self, commands: Sequence[Sent]) -> Batch:
        """A batch with the streams that the commands read: as they are remembered, else as they are now."""
        batch, unknown = Batch(), set[str]()
        for sent in commands:
            for stream in sent.handler.reads(sent.command):
                folded = batch.streams.setdefault(stream, self._cached(stream))
                if sent.anew or (not folded.version and not (sent.creates and stream == sent.command.id)):
                    unknown.add(stream)
        self._read(unknown, batch)
        return batch

    def _read(self, streams: Set[str], batch: Batch) -> None:
        """Bring streams of the batch up to now."""
        if not streams:
            return
        batch.certain |= streams
        for stream, events in self._log.load({stream: batch.streams[stream].version for stream in streams}).items():
            try:
                batch.streams[stream] = fold(stream, batch.streams[stream], events)
            except Exception as error:  # noqa: BLE001 - whatever a stored event holds, other streams go on
                del batch.streams[stream]
                batch.unread[stream] = error

    def _cached(self, stream: str) -> Folded:
        try:
            return self._cache.get(stream)
        except KeyError:
            return Folded()

    def _decide_one(self, sent: Sent, batch: Batch) -> None:
        """Add the command's append to the batch, or what it is answered at once."""
        if sent.key is not None:
            if sent.key in batch.commands:
                batch.again.append(sent)
                return
            batch.commands.add(sent.key)
        outcome = self._outcome(sent, batch)
        if outcome is None:
            return
        if doubtful := set(sent.handler.reads(sent.command)) - batch.certain:
            try:
                self._read(doubtful, batch)
            except SkyulfError as error:
                outcome = error
            else:
                outcome = self._outcome(sent, batch)
        if outcome is not None:
            batch.settled.append((sent, self._first_answer(sent) or outcome))

    def _outcome(self, sent: Sent, batch: Batch) -> Answer | Exception | None:
        """What is answered at once; nothing where the command's append was added to the batch."""
        try:
            return self._decided(sent, batch)
        except Exception as error:  # noqa: BLE001 - one command's fault is not the batch's
            return error

    def _first_answer(self, sent: Sent) -> Answer | Exception | None:
        """The answer to a command that was sent before.

        Looked up only where it would be refused or has nothing to do: else the log says so when it is appended, and
        most commands are new.
        """
        try:
            earlier = self._log.command(*sent.key) if sent.key is not None else ()
            return same_answer(sent.fingerprint, earlier) if earlier else None
        except SkyulfError as error:
            return error

    def _decided(self, sent: Sent, batch: Batch) -> Answer | None:
        """Add the command's append to the batch; the answer where there is nothing to do."""
        command, context = sent.command, sent.context
        reads = sent.handler.reads(command)
        for stream in reads:
            if stream in batch.unread:
                raise batch.unread[stream]
        subject = batch.streams[command.id]
        if context.if_match is not None and context.if_match != subject.version:
            raise PreconditionFailed(command.id, context.if_match, subject.version)
        states = Streams({stream: batch.streams[stream].state for stream in reads})
        decided = sent.handler.decide(command, states)
        if not decided:
            return Answer(command.id, subject.version, subject.position)
        events: dict[str, list[DomainEvent]] = {}
        for stream, event in decided:
            events.setdefault(stream, []).append(event)
        for stream in reads:
            events.setdefault(stream, [])
        rests_on = tuple({batch.writers[stream] for stream in events if stream in batch.writers})
        writes = [Write(stream, batch.streams[stream].version, tuple(those)) for stream, those in events.items()]
        number = len(batch.appends)
        batch.appends.append((sent, Append(tuple(writes), self._metadata(sent), rests_on)))
        for stream, those in events.items():
            if those:
                batch.streams[stream] = ahead(stream, batch.streams[stream], those)
                batch.certain.add(stream)
                batch.writers[stream] = number
        return None

    def _metadata(self, sent: Sent) -> Metadata:
        context = sent.context
        command_id = context.command_id or self._new_id()
        return Metadata(
            actor=context.actor,
            command_id=command_id,
            fingerprint=sent.fingerprint,
            recorded_at=self._now(),
            correlation_id=context.correlation_id or command_id,
            causation_id=context.causation_id,
            reason=context.reason,
            traceparent=context.traceparent,
        )

    def _keep(self, batch: Batch, results: Sequence[AppendResult]) -> bool:
        """Answer what was appended; whether all of it was. Only then are the states known to be true, and kept."""
        whole = True
        for (sent, _), result in zip(batch.appends, results, strict=True):
            if not isinstance(result, tuple):
                whole = False
                self._refused(sent, result, batch)
                continue
            self._resolve(sent, answer_of(result), result)
            for recorded in result:
                batch.positions[recorded.stream, recorded.version] = recorded.position
        if whole:
            for stream, folded in batch.streams.items():
                if folded.version:
                    position = batch.positions.get((stream, folded.version), folded.position)
                    self._cache.put(stream, Folded(folded.state, folded.version, position))
        return whole

    def _refused(self, sent: Sent, why: WrongVersion | CommandRecorded | Unfounded, batch: Batch) -> None:
        sent.conflicts += 1
        sent.anew = True
        if isinstance(why, CommandRecorded) and sent.context.command_id is not None:
            try:
                self._resolve(sent, same_answer(sent.fingerprint, self._log.command(sent.context.actor.id, why.detail)))
            except CommandReused as error:
                self._resolve(sent, error)
        elif sent.conflicts > CONFLICTS:
            self._resolve(sent, Unavailable("others kept changing the same thing; send the command again"))
        else:
            batch.again.append(sent)

    def _resolve(self, sent: Sent, outcome: Answer | Exception, written: tuple[Recorded, ...] = ()) -> None:
        """Give the caller the outcome, unless it has one; ``written`` are the events that came of it just now."""
        if sent.settled:
            return
        sent.settled = True
        settled = Settled(sent.command, sent.context, outcome, written, time.perf_counter() - sent.begun)
        try:
            tell(settled)
            self._on_settled(settled)
        except Exception:
            logger.exception("what became of a command could not be told")
        self._answers.give(sent.answer, outcome)


def fold(stream: str, folded: Folded, events: Sequence[Recorded]) -> Folded:
    """The stream's state after ``events`` have been added to ``folded``."""
    if not events:
        return folded
    return Folded(replay(stream, folded.state, events), events[-1].version, events[-1].position)


def ahead(stream: str, folded: Folded, events: Sequence[DomainEvent]) -> Folded:
    """The stream's state once ``events`` are appended; their positions are not known yet."""
    state = folded.state
    for event in events:
        state = EVOLVE[noun_of(stream)](state, event)
    return Folded(state, folded.version + len(events), folded.position)
