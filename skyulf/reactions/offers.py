"""Which jobs a worker's free slots try: those that it was woken for, and the oldest that wait."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

OFFERS = 32
"""So many waiting jobs are looked at, at a time; of those that a worker was woken for, so many are remembered."""

TICK = 1.0
"""Seconds between two looks at the queue of a worker that has nothing to do."""


@dataclass(frozen=True, slots=True)
class Running:
    """A job that runs, as far as the queue knows, and its attempt."""

    job_id: str
    attempt: int


class JobQueue(Protocol):
    """Jobs by status, the oldest first; it may lag behind the log."""

    def waiting(self, limit: int) -> tuple[str, ...]:
        """Ids of the oldest jobs that wait to be claimed, in the order in which to try them."""
        ...

    def running(self, limit: int) -> tuple[Running, ...]:
        """Jobs that run."""
        ...


class Offers:
    """Hands jobs to slots that are free; nothing is kept for those that are not, since the queue knows it.

    A job may be handed out twice, or be somebody's already: only a claim decides. Safe from any thread.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._changed = threading.Condition()
        self._named: OrderedDict[str, None] = OrderedDict()
        self._ask_at = 0.0
        self._closed = False

    def name(self, job_id: str) -> None:
        """A job began to wait: a slot that is free tries it at once."""
        with self._changed:
            self._named[job_id] = None
            if len(self._named) > OFFERS:
                self._named.popitem(last=False)
            self._changed.notify()

    def next(self) -> tuple[str, ...]:
        """Jobs to try one after the other until one can be claimed; none after a while, or once this is closed."""
        with self._changed:
            now = time.monotonic()
            asking = now >= self._ask_at
            if asking:
                self._ask_at = now + TICK
        if asking and (waiting := self._queue.waiting(OFFERS)):
            return waiting
        with self._changed:
            until_next_look = max(0.0, self._ask_at - time.monotonic())
            self._changed.wait_for(lambda: self._named or self._closed, until_next_look)
            if self._closed or not self._named:
                return ()
            return (self._named.popitem(last=False)[0],)

    def worked(self) -> None:
        """A slot is free again: more may have come to wait meanwhile than it was woken for."""
        with self._changed:
            self._ask_at = 0.0

    def any_named(self) -> bool:
        """Whether there is a job that this worker was woken for and has not tried."""
        return bool(self._named)

    def close(self) -> None:
        """Hand out nothing more, and let go whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
