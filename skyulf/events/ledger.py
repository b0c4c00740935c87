"""The Merkle tree over the log: what a leaf is, tiles, roots, and proofs with their verification. Pure.

Hashing is that of RFC 6962 §2.1, tiles are those of C2SP tlog-tiles, proofs are made by RFC 6962 §2.1.1 and §2.1.2 and
verified by RFC 9162 §2.1.3.2 and §2.1.4.2. A leaf is one stored event; docs/audit.md says which bytes stand for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from skyulf.events.base import Recorded
from skyulf.events.cloudevents import to_json

HASH = 32
"""Bytes of a hash."""

HEIGHT = 8
WIDTH = 1 << HEIGHT
"""Hashes of a whole tile, and the levels of the tree that one tile stands for."""

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

TileKey = tuple[int, int]
"""A tile's level and its number within it."""


class Tiles(Protocol):
    """Where the tiles of a tree are read."""

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, one after the other; those of one that is still growing are fewer than `WIDTH`."""
        ...


def canonical(recorded: Recorded) -> bytes:
    """The bytes that stand for an event in the tree: its line in an export, without the line's end.

    They hold all that is stored of it, before any upcaster, and the data byte for byte.
    """
    return to_json(recorded)


def leaf_of(recorded: Recorded) -> bytes:
    """The hash of an event's leaf."""
    return leaf_hash(canonical(recorded))


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf with this content."""
    return sha256(b"\x00" + content).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return sha256(b"\x01" + left + right).digest()


def hashes_in(tile: bytes) -> list[bytes]:
    """The hashes of a tile."""
    return [tile[at : at + HASH] for at in range(0, len(tile), HASH)]


def root_over(hashes: Sequence[bytes]) -> bytes:
    """The root of a tree over leaves, or over nodes of one height of which there is a power of two."""
    if not hashes:
        return EMPTY
    level = list(hashes)
    while len(level) > 1:
        alone = level[-1:] if len(level) % 2 else []  # goes up as it is, to where it meets another
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        level += alone
    return level[0]


class Peaks:
    """The root of a tree that grows leaf by leaf, in memory that grows with the logarithm of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Take the next leaf's hash."""
        self.size += 1
        done = self.size
        while not done & 1:
            leaf = node(self._peaks.pop(), leaf)
            done >>= 1
        self._peaks.append(leaf)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node(peak, root)
        return root


class GrowingTree:
    """A tree that leaves are added to, of which only the tiles at its right edge are in memory."""

    def __init__(self, tiles: Tiles, size: int = 0) -> None:
        self.size = size
        self._changed: dict[TileKey, bytes] = {}
        self._edge: list[bytearray] = []
        level = 0
        while size >> HEIGHT * level:
            width = (size >> HEIGHT * level) % WIDTH
            stored = tiles.tile(level, size >> HEIGHT * (level + 1)) if width else b""
            self._edge.append(bytearray(stored[: width * HASH]))
            level += 1

    def add(self, leaf: bytes) -> None:
        """Add the next leaf's hash."""
        self.size += 1
        level = 0
        while True:
            if level == len(self._edge):
                self._edge.append(bytearray())
            tile = self._edge[level]
            tile += leaf
            if len(tile) < WIDTH * HASH:
                return
            whole = bytes(tile)
            self._changed[level, (self.size >> HEIGHT * (level + 1)) - 1] = whole
            tile.clear()
            leaf = root_over(hashes_in(whole))
            level += 1

    def changed(self) -> dict[TileKey, bytes]:
        """The tiles that are new or have grown since this was last called."""
        growing = {
            (level, self.size >> HEIGHT * (level + 1)): bytes(tile) for level, tile in enumerate(self._edge) if tile
        }
        changed, self._changed = self._changed | growing, {}
        return changed

    def root(self) -> bytes:
        """The root over all leaves."""
        return root_at(self, self.size)

    def tile(self, level: int, number: int) -> bytes:
        """See `Tiles.tile`; only those at the right edge are here."""
        if number != self.size >> HEIGHT * (level + 1):
            raise KeyError(f"the tile {number} of level {level} is not at the edge")
        return bytes(self._edge[level])


# Roots and proofs


def root_at(tiles: Tiles, size: int) -> bytes:
    """The root of the tree as it was when it had ``size`` leaves."""
    return _range_root(tiles, 0, size) if size else EMPTY


def leaf_at(tiles: Tiles, index: int) -> bytes:
    """The hash of the leaf with this index, which counts from 0."""
    return _hash_at(tiles, 0, index)


def inclusion_proof(tiles: Tiles, index: int, size: int) -> list[bytes]:
    """What proves that a leaf is in the tree of ``size`` leaves: the path from it to the root."""
    path: list[bytes] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(_range_root(tiles, middle, last))
            last = middle
        else:
            path.append(_range_root(tiles, first, middle))
            first = middle
    return path[::-1]


def consistency_proof(tiles: Tiles, size: int, later: int) -> list[bytes]:
    """What proves that the tree of ``later`` leaves begins with those of the tree of ``size``, which is above 0."""
    path: list[bytes] = []
    first, last, whole = 0, later, True
    while size != last - first:
        middle = _split(last - first)
        if size <= middle:
            path.append(_range_root(tiles, first + middle, last))
            last = first + middle
        else:
            path.append(_range_root(tiles, first, first + middle))
            first, size, whole = first + middle, size - middle, False
    if not whole:
        path.append(_range_root(tiles, first, last))
    return path[::-1]


def _range_root(tiles: Tiles, first: int, last: int) -> bytes:
    """The root over the leaves from ``first`` up to but not ``last``, as the tree over all is cut."""
    count = last - first
    if count & (count - 1):
        middle = first + _split(count)
        return node(_range_root(tiles, first, middle), _range_root(tiles, middle, last))
    level, height = divmod(count.bit_length() - 1, HEIGHT)
    begin = first >> HEIGHT * level
    number, offset = divmod(begin, WIDTH)
    held = tiles.tile(level, number)[offset * HASH : (offset + (1 << height)) * HASH]
    return root_over(hashes_in(held))


def _hash_at(tiles: Tiles, level: int, index: int) -> bytes:
    number, offset = divmod(index, WIDTH)
    return tiles.tile(level, number)[offset * HASH : (offset + 1) * HASH]


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


# Verification


def includes(root: bytes, size: int, leaf: bytes, index: int, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the leaf's hash stands at ``index`` in the tree of that size and root."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(each, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, each)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def extends(size: int, root: bytes, later: int, later_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the tree of ``later`` leaves begins with all those of the tree of ``size``."""
    if not 0 < size <= later:
        return False
    if size == later:
        return not path and root == later_root
    steps = iter(path if size & (size - 1) else [root, *path])
    at, last = size - 1, later - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    begun = next(steps, None)
    if begun is None:
        return False
    old = new = begun
    for each in steps:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node(each, old), node(each, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node(new, each)
        at, last = at >> 1, last >> 1
    return last == 0 and old == root and new == later_root


# Tiles as C2SP tlog-tiles names them


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """A tile's path: ``tile/0/x001/x234/067``, with ``.p/5`` behind it when it has five hashes yet."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


class MemoryTiles:
    """Tiles in memory."""

    def __init__(self, tiles: Mapping[TileKey, bytes] | None = None) -> None:
        self._tiles = dict(tiles or {})

    def put(self, tiles: Mapping[TileKey, bytes]) -> None:
        """Keep tiles, in place of what was there under their keys."""
        self._tiles.update(tiles)

    def tile(self, level: int, number: int) -> bytes:
        """See `Tiles.tile`."""
        return self._tiles.get((level, number), b"")

    def __iter__(self) -> Iterator[TileKey]:
        return iter(self._tiles)
