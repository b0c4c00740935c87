"""Where folds of trials are scored: in this process, and once that is worth it, in one process for each core.

The processes are spawned, not forked: after a fit, a fork of this one would hang in its own. They stand in the
sandbox's process group and end with it. What is asked of them is the same wherever it is done, and so is the answer.
"""

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from skyulf.core.trial import Bench, FoldScore

WORTH_IT = 8.0
"""Seconds of work still to be done, from which on processes are started; that takes two seconds."""

DIED = "the process that scored it died, perhaps for lack of memory"


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A fold of a trial that is to be scored."""

    trial: int
    parameters: Mapping[str, Any]
    share: float
    fold: int


class Process(Protocol):
    """What is used of a process."""

    def start(self) -> None:
        """Begin."""

    def kill(self) -> None:
        """End it."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""


class Runners:
    """Scores folds, the first to be ordered first; ``threads`` is how many cores there are to use."""

    def __init__(self, bench: Bench, threads: int) -> None:
        self._bench = bench
        self._threads = threads
        self._waiting: deque[Order] = deque()
        self._busy: dict[Connection, Order] = {}
        self._idle: list[Connection] = []
        self._processes: dict[Connection, Process] = {}
        self._spent, self._done = 0.0, 0

    def order(self, order: Order) -> None:
        """Have a fold scored."""
        self._waiting.append(order)

    @property
    def ordered(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._waiting or self._busy)

    def next(self, left: int) -> tuple[Order, FoldScore]:
        """Wait for an answer; ``left`` is how many folds are still to be scored at most, by which one plans."""
        if not self._processes and self._threads > 1 and self._done and self._seconds(left) > WORTH_IT:
            self._idle = [self._started() for _ in range(self._threads)]
        if not self._processes:
            order = self._waiting.popleft()
            score = self._bench.score(order.parameters, order.share, order.fold)
            self._spent += score.seconds
            self._done += 1
            return order, score
        self._hand_out()
        connection = wait(list(self._busy))[0]
        assert isinstance(connection, Connection)
        order = self._busy.pop(connection)
        try:
            score = connection.recv()
            self._idle.append(connection)
        except (EOFError, OSError):
            self._end(connection)
            self._idle.append(self._started())
            score = FoldScore(None, 0.0, DIED)
        return order, score

    def _seconds(self, folds: int) -> float:
        return self._spent / self._done * folds

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            connection, order = self._idle.pop(), self._waiting.popleft()
            with contextlib.suppress(OSError):  # it is dead, as will be seen when its answer is waited for
                connection.send((order.parameters, order.share, order.fold))
            self._busy[connection] = order

    def _started(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_attend, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        with contextlib.suppress(OSError):
            ours.send(self._bench)
        return ours

    def _end(self, connection: Connection) -> None:
        connection.close()
        process = self._processes.pop(connection)
        process.kill()
        process.join()

    def close(self) -> None:
        """End every process."""
        for connection in tuple(self._processes):
            self._end(connection)


@contextmanager
def runners(bench: Bench, threads: int) -> Iterator[Runners]:
    """Runners that are gone at the end."""
    made = Runners(bench, threads)
    try:
        yield made
    finally:
        made.close()


def _attend(connection: Connection) -> None:
    """Score what is asked for, on one core, until the other side closes."""
    import sklearn.linear_model  # noqa: F401  a limit of threads holds for the libraries that are loaded by then
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    with contextlib.suppress(EOFError, OSError):
        bench: Bench = connection.recv()
        while True:
            parameters, share, fold = connection.recv()
            connection.send(bench.score(parameters, share, fold))
