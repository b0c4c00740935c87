"""Where folds of trials are scored: in this process, and once that is worth it, in one more for each other core.

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

from skyulf.core.cluster import Cluster
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


@dataclass(eq=False)
class _Worker:
    """A process of ours, what it was given and has not answered, and whether it has started."""

    process: Process
    given: deque[Order]
    ready: bool = False


class Runners:
    """Scores folds, the first to be ordered first; ``threads`` is how many cores there are to use.

    This process scores too: it need not wait for others to start, which takes long beside other work.
    """

    def __init__(self, bench: Bench, threads: int) -> None:
        self._bench = bench
        self._others = threads - 1
        self.width = threads
        """How many folds are scored at a time, as far as one can plan."""
        self._waiting: deque[Order] = deque()
        self._workers: dict[Connection, _Worker] = {}
        self._spent, self._done = 0.0, 0

    def order(self, order: Order) -> None:
        """Have a fold scored."""
        self._waiting.append(order)

    @property
    def ordered(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._waiting or any(worker.given for worker in self._workers.values()))

    def next(self, left: int) -> tuple[Order, FoldScore]:
        """Wait for an answer; ``left`` is how many folds are still to be scored at most, by which one plans."""
        if self._others and self._done and self._spent / self._done * left > WORTH_IT:
            self.start(self._others)
            self._others = 0
        while True:
            self._hand_out()
            for connection in wait(list(self._workers), 0 if self._waiting else None):
                assert isinstance(connection, Connection)
                answer = self._heard(connection)
                if answer is not None:
                    return answer
            if self._waiting:
                return self._scored_here(self._waiting.popleft())

    def _scored_here(self, order: Order) -> tuple[Order, FoldScore]:
        score = self._bench.score(order.parameters, order.share, order.fold)
        self._spent += score.seconds
        self._done += 1
        return order, score

    def _hand_out(self) -> None:
        """Give each process a fold, and one more while it works, if one is left for this process."""
        for most, kept in ((1, 0), (2, 1)):
            for connection, worker in self._workers.items():
                while worker.ready and len(worker.given) < most and len(self._waiting) > kept:
                    order = self._waiting.popleft()
                    worker.given.append(order)
                    with contextlib.suppress(OSError):  # it is dead, as will be seen when its answer is waited for
                        connection.send((order.parameters, order.share, order.fold))

    def _heard(self, connection: Connection) -> tuple[Order, FoldScore] | None:
        """Take what a process says: that it is ready, or a score; or see that it died."""
        worker = self._workers[connection]
        try:
            score: FoldScore | None = connection.recv()
        except (EOFError, OSError):
            self._end(connection)
            if not worker.given:
                return None  # it could not even start
            died, *others = worker.given
            self._waiting.extendleft(reversed(others))
            self.start(1)
            return died, FoldScore(None, 0.0, DIED)
        worker.ready = True
        return None if score is None else (worker.given.popleft(), score)

    def start(self, count: int) -> None:
        """Start so many processes, and do not wait for them."""
        context = multiprocessing.get_context("spawn")
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_attend, args=(theirs, self._bench), daemon=True)
            process.start()
            theirs.close()
            self._workers[ours] = _Worker(process, deque())

    def _end(self, connection: Connection) -> None:
        connection.close()
        process = self._workers.pop(connection).process
        process.kill()
        process.join()

    def close(self) -> None:
        """End every process."""
        for connection in tuple(self._workers):
            self._end(connection)


@contextmanager
def runners(bench: Bench, threads: int, cluster: Cluster | None = None) -> Iterator[Runners]:
    """Runners on this machine's cores, or on a cluster, that are gone at the end."""
    if cluster is None:
        made = Runners(bench, threads)
    else:
        from skyulf.core.cluster_runners import ClusterRunners  # it builds on this module

        made = ClusterRunners(bench, threads, cluster)
    try:
        yield made
    finally:
        made.close()


def _attend(connection: Connection, bench: Bench) -> None:
    """Score what is asked for, on one core, until the other side closes."""
    import sklearn.linear_model  # noqa: F401  a limit of threads holds for the libraries that are loaded by then
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    with contextlib.suppress(EOFError, OSError):
        connection.send(None)
        while True:
            parameters, share, fold = connection.recv()
            connection.send(bench.score(parameters, share, fold))
