"""Leases in memory: right for one process, whose leases end when it does."""

import threading
import time

from skyulf.reactions.training import LEASE


class MemoryLeases:
    """`Leases` of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[tuple[str, int], float] = {}

    def take(self, job_id: str, attempt: int) -> None:
        """See `Leases.take`."""
        with self._lock:
            self._until[job_id, attempt] = time.monotonic() + LEASE

    def release(self, job_id: str, attempt: int) -> None:
        """See `Leases.release`."""
        with self._lock:
            self._until.pop((job_id, attempt), None)

    def held(self, job_id: str, attempt: int) -> bool:
        """See `Leases.held`."""
        with self._lock:
            return self._until.get((job_id, attempt), 0.0) > time.monotonic()
