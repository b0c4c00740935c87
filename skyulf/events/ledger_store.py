"""The LedgerStore port: where the tree over the log is kept, with the positions of its leaves and the checkpoints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from skyulf.errors import SkyulfError
from skyulf.events.ledger import TileKey, hashes_in


class LedgerMoved(SkyulfError):
    """Another sealer has taken the tree further meanwhile; nothing was written."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """How far the tree goes: so many leaves, the last of which is the event at ``position``."""

    size: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A signed checkpoint as it is kept: over how many events, its note, and the public key that it was signed with."""

    size: int
    note: str
    key: str


class LedgerStore(Protocol):
    """A tree that only grows: tiles (`ledger.Tiles`), for each leaf its event's position, and signed checkpoints.

    Safe from any thread. Any method raises `Unavailable` when the store cannot be used now.
    """

    def sealed(self) -> Sealed:
        """How far the tree goes."""
        ...

    def tile(self, level: int, number: int) -> bytes:
        """See `Tiles.tile`; nothing where there is no such tile."""
        ...

    def positions(self, number: int) -> tuple[int, ...]:
        """The positions of the events whose leaves stand in a tile of level 0."""
        ...

    def index_of(self, position: int) -> int | None:
        """The index of the leaf of the event at a position, or None where there is none."""
        ...

    def extend(
        self, before: Sealed, after: Sealed, tiles: Mapping[TileKey, bytes], positions: Mapping[int, Sequence[int]]
    ) -> None:
        """Keep tiles that are new or have grown, in one durable transaction; raises `LedgerMoved`."""
        ...

    def keep_checkpoint(self, kept: Kept) -> None:
        """Keep a signed checkpoint; one that is kept for the same size stays."""
        ...

    def checkpoint(self, size: int) -> Kept | None:
        """The checkpoint over so many events, or None."""
        ...

    def checkpoints(self, limit: int, below: int | None = None) -> tuple[Kept, ...]:
        """The newest checkpoints, or the newest below a size, the newest first."""
        ...

    def close(self) -> None:
        """Release what the store holds."""
        ...


def leaves_of(store: LedgerStore) -> Iterator[tuple[int, bytes]]:
    """Every leaf with the position of its event, as the store has them."""
    number = 0
    while positions := store.positions(number):
        yield from zip(positions, hashes_in(store.tile(0, number)), strict=False)
        number += 1
