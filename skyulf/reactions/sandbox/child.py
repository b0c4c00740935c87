"""One child process, seen by its owner."""

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from skyulf.reactions.sandbox import plain, wire
from skyulf.reactions.sandbox.fork_server import REPORT
from skyulf.reactions.sandbox.outcomes import (
    ChildCancelled,
    ChildDied,
    ChildTimedOut,
    Limits,
)
from skyulf.reactions.sandbox.wire import Frame, FrameReader, Kind, Task

T = TypeVar("T")

_REAPED_WITHIN = 5.0
_PIECE = 1 << 18


class Child:
    """A warm process waiting for its one task; made by ``SandboxServer.fork``.

    Safe to use from threads: one calls ``run`` and blocks, any other may call ``kill``.
    """

    def __init__(self, pid: int, connection: socket.socket, lifeline: int, reports: int) -> None:
        self.pid = pid
        self.connection = connection
        self.reports = reports
        self._lifeline = lifeline
        self._lock = threading.Lock()
        self._exit: tuple[int | None] | None = None
        self._killed = False
        self._busy = False
        self._used = False
        self._closed = False

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return not self._closed and self.ended() is None

    @property
    def killed(self) -> bool:
        """Whether its owner killed it."""
        return self._killed

    def run(
        self,
        function: Callable[..., T],
        *args: object,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        on_message: Callable[[Any], None] | None = None,
    ) -> T:
        """Call ``function(send, *args)`` in the child, wait, and answer what it returns: plain values.

        ``function`` stands at the top of a module and is imported by its name. Each ``send(message)`` in the
        child calls ``on_message(message)`` here, in this thread; what that raises ends the child. When this
        returns or raises, the child's whole process group has been killed. Raises ChildFailed, ChildDied,
        ChildTimedOut, ChildCancelled; ValueError for a function that cannot be imported by name.
        """
        self.begin()
        try:
            result: T = self._converse(self.task(function, args, limits, serves=False), limits, on_message)
            self._signal()
            return result  # without waiting for the reaping, which a large child takes a while for
        except BaseException:
            self._signal()
            self._wait_ended(_REAPED_WITHIN)
            raise
        finally:
            with self._lock:
                self._busy = False
            self.close()

    def prepare(self, function: Callable[..., None], *args: object) -> None:
        """Have the child call a function before its task comes, and do not wait; nothing is told of its outcome.

        ``function`` stands at the top of a module. A task that comes meanwhile waits for it.
        """
        module, name = wire.name_of(function)
        packed = plain.encode(args)
        with contextlib.suppress(OSError):  # the child is gone, as its owner will see
            self.connection.sendall(wire.pack_task(Task(module, name, packed, False, None, None, prepares=True)))

    def task(self, function: Callable[..., Any], args: tuple[object, ...], limits: Limits, *, serves: bool) -> bytes:
        """Frame the task that calls ``function``."""
        module, name = wire.name_of(function)
        packed = plain.encode(args)
        return wire.pack_task(Task(module, name, packed, serves, limits.memory_bytes, limits.threads))

    def begin(self) -> None:
        """Take the child for its one task; RuntimeError when it has had one, ChildCancelled when killed."""
        with self._lock:
            if self._killed:
                raise ChildCancelled
            if self._used:
                raise RuntimeError("a child takes one task; fork another")
            self._used = self._busy = True

    def kill(self) -> None:
        """Kill the child and everything it started, from any thread, and wait until it is reaped."""
        with self._lock:
            if self._closed:
                return
            self._killed = True
        self._signal()
        self._wait_ended(_REAPED_WITHIN)
        self.close()

    def mark_killed(self) -> None:
        """Note that the owner ends this child by other means."""
        self._killed = True

    def close(self) -> None:
        """Give the descriptors back, unless ``run`` is using them; this ends a child that still lives."""
        with self._lock:
            if self._busy or self._closed:
                return
            self._closed = True
            self._drop_lifeline()
            self.connection.close()
            os.close(self.reports)

    def ended(self) -> tuple[int | None] | None:
        """Tell the exit code in a tuple of one, (None,) when nobody saw the end, or None: it lives."""
        with self._lock:
            if self._exit is None and not self._closed and _readable(self.reports, 0):
                data = os.read(self.reports, REPORT.size)
                self._exit = (REPORT.unpack(data)[0],) if data else (None,)
                if not data:  # the fork server is gone, and with it who would have killed the group
                    self._drop_lifeline()
                    _kill_group(self.pid)
            return self._exit

    def end_as_exception(self) -> ChildCancelled | ChildDied:
        """Say why the child is gone, once it is or is about to be."""
        self._wait_ended(_REAPED_WITHIN)
        return self.why_ended()

    def why_ended(self) -> ChildCancelled | ChildDied:
        """Say why the child is gone, as far as is known now."""
        return ChildCancelled() if self._killed else ChildDied((self.ended() or (None,))[0])

    def release(self) -> None:
        """Kill the group at once, without waiting, and give the descriptors back; never blocks."""
        self._signal()
        with self._lock:
            self._busy = False
        self.close()

    def _signal(self) -> None:
        if self.ended() is None:
            with self._lock:
                if not self._closed:
                    _kill_group(self.pid)
                    self._drop_lifeline()

    def _drop_lifeline(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _wait_ended(self, seconds: float) -> None:
        with self._lock:
            if self._exit is not None or self._closed:
                return
            reports = os.dup(self.reports)  # the thread in run() may close its own meanwhile
        try:
            _readable(reports, seconds)
        finally:
            os.close(reports)
        self.ended()

    def _converse(self, task: bytes, limits: Limits, on_message: Callable[[Any], None] | None) -> Any:
        deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        last_message: Any = None
        for frame in self._frames(task, deadline, limits.seconds):
            if frame.kind is Kind.MESSAGE:
                last_message = wire.unpack_plain(frame.payload)
                if on_message is not None:
                    on_message(last_message)
            elif frame.kind is Kind.RESULT:
                return wire.unpack_plain(frame.payload)
            else:
                failure = wire.unpack_failure(frame.payload)
                failure.last_message = last_message
                raise failure
        raise self.end_as_exception()

    def _frames(self, task: bytes, deadline: float | None, seconds: float | None) -> Iterator[Frame]:
        """Send the task and yield what comes back, to the child's end; its time is up at ``deadline``."""
        unsent = memoryview(task)
        reader = FrameReader()
        self.connection.setblocking(False)
        while True:
            poller = select.poll()
            poller.register(self.connection, select.POLLIN | (select.POLLOUT if unsent else 0))
            poller.register(self.reports, select.POLLIN)
            remaining = None if deadline is None else (deadline - time.monotonic()) * 1000
            ready = dict(poller.poll(None if remaining is None else max(0.0, remaining)))
            if not ready:
                raise ChildTimedOut(seconds or 0.0)
            # A grandchild may hold the socket open after the child: the reports tell of the end for sure.
            ended = self.reports in ready
            try:
                if unsent and ready.get(self.connection.fileno(), 0) & select.POLLOUT:
                    unsent = unsent[self.connection.send(unsent) :]
                while data := self.connection.recv(_PIECE):
                    yield from reader.feed(data)
                    if not ended and len(data) < _PIECE:
                        break
                else:
                    return
            except BlockingIOError:
                if ended:
                    return
            except (BrokenPipeError, ConnectionResetError):
                return


def _readable(descriptor: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
