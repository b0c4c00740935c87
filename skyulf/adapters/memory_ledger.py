"""The ledger in memory, for tests and for throw-away systems."""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from skyulf.events.ledger import WIDTH, MemoryTiles, TileKey
from skyulf.events.ledger_store import Kept, LedgerMoved, Sealed


class MemoryLedgerStore(MemoryTiles):
    """`LedgerStore` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._sealed = Sealed()
        self._positions: dict[int, tuple[int, ...]] = {}
        self._notes: dict[int, Kept] = {}

    def sealed(self) -> Sealed:
        """See `LedgerStore.sealed`."""
        return self._sealed

    def positions(self, number: int) -> tuple[int, ...]:
        """See `LedgerStore.positions`."""
        return self._positions.get(number, ())

    def index_of(self, position: int) -> int | None:
        """See `LedgerStore.index_of`."""
        for number, held in self._positions.items():
            if held and held[0] <= position <= held[-1]:
                at = bisect_left(held, position)
                return number * WIDTH + at if held[at] == position else None
        return None

    def extend(
        self, before: Sealed, after: Sealed, tiles: Mapping[TileKey, bytes], positions: Mapping[int, Sequence[int]]
    ) -> None:
        """See `LedgerStore.extend`."""
        with self._lock:
            if self._sealed != before:
                raise LedgerMoved(f"the ledger has {self._sealed.size} leaves, not {before.size}")
            self.put(tiles)
            self._positions.update({number: tuple(held) for number, held in positions.items()})
            self._sealed = after

    def keep_checkpoint(self, kept: Kept) -> None:
        """See `LedgerStore.keep_checkpoint`."""
        self._notes.setdefault(kept.size, kept)

    def checkpoint(self, size: int) -> Kept | None:
        """See `LedgerStore.checkpoint`."""
        return self._notes.get(size)

    def checkpoints(self, limit: int, below: int | None = None) -> tuple[Kept, ...]:
        """See `LedgerStore.checkpoints`."""
        sizes = sorted((size for size in self._notes if below is None or size < below), reverse=True)
        return tuple(self._notes[size] for size in sizes[:limit])

    def close(self) -> None:
        """See `LedgerStore.close`."""
