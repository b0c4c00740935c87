"""How many jobs wait, and whether one more may."""

import asyncio
import time

from skyulf.errors import Unavailable
from skyulf.projections.job import JOBS
from skyulf.projections.store import NotBuilt, ReadStore

LOOK = 1.0
"""Seconds for which a count is good; what this process has let in since is added to it."""

AGAIN = 10
"""Seconds after which who was turned away may ask again."""


class QueueLimit:
    """Lets no more than ``limit`` jobs wait; belongs to the server's event loop.

    The count is that of the rows, which lag a little, and of each process: under many at once, some more may get in.
    Where it cannot be had, nobody is turned away: it protects the queue, and is no promise.
    """

    def __init__(self, store: ReadStore, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._waiting = 0
        self._until = 0.0

    async def let_in(self) -> bool:
        """Whether one more may wait; counts anew once a second, by an index and up to the limit only."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + LOOK  # at once: others need not count meanwhile
            self._waiting = await asyncio.to_thread(self._count)
        if self._waiting >= self._limit:
            return False
        self._waiting += 1
        return True

    def give_back(self) -> None:
        """Note that who was let in does not wait after all."""
        self._waiting -= 1

    def refusal(self) -> Unavailable:
        """What is told to who must wait."""
        return Unavailable(
            f"{self._limit} jobs or more are waiting, which is all that may (SKYULF_QUEUE_LENGTH): send it again "
            "later, or start more workers",
            retry_after=AGAIN,
        )

    def _count(self) -> int:
        try:
            return self._store.count(JOBS, {"status": "created"}, self._limit)
        except (NotBuilt, Unavailable):
            return 0
