"""Leases in memory: right for one process, whose leases end when it does."""

import threading
from collections.abc import Collection

from skyulf.reactions.leases import Work


class MemoryLeases:
    """`Leases` of one process; several share a ``table`` in tests, where each stands for a process."""

    def __init__(self, table: "dict[Work, MemoryLeases] | None" = None) -> None:
        self._lock = threading.Lock()
        self._table = {} if table is None else table

    def take(self, work: Work) -> bool:
        """See `Leases.take`."""
        with self._lock:
            return self._table.setdefault(work, self) is self

    def release(self, work: Work) -> None:
        """See `Leases.release`."""
        with self._lock:
            if self._table.get(work) is self:
                del self._table[work]

    def lapsed(self, asked: Collection[Work]) -> frozenset[Work]:
        """See `Leases.lapsed`."""
        with self._lock:
            return frozenset(asked) - self._table.keys()

    def close(self) -> None:
        """See `Leases.close`."""
        with self._lock:
            for work in [work for work, holder in self._table.items() if holder is self]:
                del self._table[work]
