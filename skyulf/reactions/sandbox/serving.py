"""A long-lived child that answers many requests, used from asyncio."""

import asyncio
import itertools
import signal
from collections.abc import Callable
from typing import cast

from skyulf.reactions.sandbox import wire
from skyulf.reactions.sandbox.child import Child
from skyulf.reactions.sandbox.outcomes import ChildCancelled, ChildDied, ChildTimedOut, Limits, SandboxError
from skyulf.reactions.sandbox.wire import Frame, FrameReader, Kind

Handler = Callable[[bytes], bytes]

_READY = 0
_DRAINED_WITHIN = 0.02
_TOLD_WITHIN = 1.0


class AsyncChild(asyncio.Protocol):
    """A child that made a handler once and answers requests with it, in order; several may be in flight.

    Belongs to the event loop that started it: call its methods there. Nothing here blocks that loop.
    """

    def __init__(self, child: Child) -> None:
        self.child = child
        self._reader = FrameReader()
        self._numbers = itertools.count(_READY + 1)
        self._pending: dict[int, asyncio.Future[bytes]] = {}
        self._ended: SandboxError | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def start(
        cls,
        child: Child,
        factory: Callable[..., Handler],
        *args: object,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
    ) -> "AsyncChild":
        """Have ``child`` call ``factory(*args)`` for its handler and wait until it has, ``limits.seconds`` at most.

        ``factory`` stands at the top of a module. Raises what ``Child.run`` raises; the child is gone then.
        """
        child.begin()
        self = cls(child)
        try:
            task = child.task(factory, args, limits, serves=True)
            child.connection.setblocking(False)
            await self._loop.create_unix_connection(lambda: self, sock=child.connection)
        except BaseException:
            child.release()
            raise
        self._loop.add_reader(child.reports, self._on_end)
        try:
            await self._ask(_READY, task, limits.seconds)
        except BaseException as error:
            self._end(error if isinstance(error, SandboxError) else ChildCancelled())
            raise
        return self

    @property
    def alive(self) -> bool:
        """Whether requests can still be answered."""
        return self._ended is None and self._transport is not None and not self._transport.is_closing()

    async def request(self, payload: bytes, seconds: float | None = None) -> bytes:
        """Answer what the handler returns for ``payload``.

        Raises ChildFailed for what the handler raised (the child lives on); ChildTimedOut after ``seconds``, and
        the child is killed; ChildDied or ChildCancelled when it is gone, for every request in flight.
        """
        if self._ended is not None:
            raise self._ended
        number = next(self._numbers)
        return await self._ask(number, wire.pack(Kind.REQUEST, number, payload), seconds)

    def kill(self) -> None:
        """Kill the child and everything it started; requests in flight raise ChildCancelled. Never blocks."""
        self.child.mark_killed()
        self._end(ChildCancelled())

    async def _ask(self, number: int, data: bytes, seconds: float | None) -> bytes:
        assert self._transport is not None
        if self._transport.is_closing():  # the child has closed its end, and why is not known yet
            raise ChildDied(None)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._pending[number] = answer
        self._transport.write(data)
        overdue = None if seconds is None else self._loop.call_later(seconds, self._expire, answer, seconds)
        try:
            return await answer
        finally:
            self._pending.pop(number, None)
            if overdue is not None:
                overdue.cancel()

    def _expire(self, answer: asyncio.Future[bytes], seconds: float) -> None:
        if not answer.done():
            answer.set_exception(ChildTimedOut(seconds))
            self._end(ChildDied(-signal.SIGKILL))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of another class

    def data_received(self, data: bytes) -> None:
        """Hand answers to those who wait for them (asyncio calls this)."""
        for frame in self._reader.feed(data):
            self._settle(frame)

    def _settle(self, frame: Frame) -> None:
        answer = self._pending.get(frame.request)
        if answer is None or answer.done():  # who asked was cancelled
            return
        if frame.kind is Kind.RESULT:
            answer.set_result(frame.payload)
        else:
            answer.set_exception(wire.unpack_failure(frame.payload))

    def connection_lost(self, _: Exception | None) -> None:
        """The child closed its end, so it is about to be gone (asyncio calls this)."""
        if self._ended is None:
            self._loop.call_later(_TOLD_WITHIN, self._finish)

    def _on_end(self) -> None:
        self._loop.remove_reader(self.child.reports)
        # Answers sent before the end may still be in the socket; a grandchild may keep it open for ever.
        self._loop.call_later(_DRAINED_WITHIN, self._finish)

    def _finish(self) -> None:
        self._end(self.child.why_ended())

    def _end(self, reason: SandboxError) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        self._loop.remove_reader(self.child.reports)
        if self._transport is not None:
            self._transport.abort()
        self.child.release()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(reason)
