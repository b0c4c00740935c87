"""The ledger in a SQL database, SQLite or Postgres, through SQLAlchemy Core.

A tile is a row, and the tiles of the lowest level have the positions of their leaves beside the hashes, 8 bytes each.
On Postgres the tables are made by ``skyulf migrate``; a SQLite file gets them when it is opened to be written.
"""

import struct
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from skyulf.adapters.durable_tables import DurableTables
from skyulf.adapters.read_tables import upsert
from skyulf.events.ledger import WIDTH, TileKey
from skyulf.events.ledger_store import Kept, LedgerMoved, Sealed

metadata = MetaData()

LEDGER = Table(
    "skyulf_ledger",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
)
"""One row: how far the tree goes."""

TILES = Table(
    "skyulf_ledger_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    Column("positions", LargeBinary),
    Column("first", BigInteger),
)
Index("skyulf_ledger_first", TILES.c.first)

CHECKPOINTS = Table(
    "skyulf_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", String, nullable=False),
    Column("key", String, nullable=False),
)

ONE = 1
"""The number of the only row of `LEDGER`."""


class SqlLedgerStore:
    """`LedgerStore` in the database that ``url`` names; ``writing`` makes what a SQLite file lacks.

    Raises `Damaged` where a file is none of SQLite.
    """

    def __init__(self, url: str, *, writing: bool = True) -> None:
        self._tables = DurableTables(url, metadata, "the ledger", writing=writing)
        self._begin = self._tables.begin

    def sealed(self) -> Sealed:
        """See `LedgerStore.sealed`."""
        with self._begin() as connection:
            found = connection.execute(select(LEDGER.c.size, LEDGER.c.position)).first()
        return Sealed(*found) if found else Sealed()

    def tile(self, level: int, number: int) -> bytes:
        """See `LedgerStore.tile`."""
        with self._begin() as connection:
            wanted = select(TILES.c.hashes).where(TILES.c.level == level, TILES.c.number == number)
            return bytes(connection.execute(wanted).scalar() or b"")

    def positions(self, number: int) -> tuple[int, ...]:
        """See `LedgerStore.positions`."""
        with self._begin() as connection:
            wanted = select(TILES.c.positions).where(TILES.c.level == 0, TILES.c.number == number)
            return unpacked(connection.execute(wanted).scalar() or b"")

    def index_of(self, position: int) -> int | None:
        """See `LedgerStore.index_of`."""
        wanted = (
            select(TILES.c.number, TILES.c.positions)
            .where(TILES.c.level == 0, TILES.c.first <= position)
            .order_by(TILES.c.first.desc())
            .limit(1)
        )
        with self._begin() as connection:
            found = connection.execute(wanted).first()
        if found is None:
            return None
        held = unpacked(found.positions)
        at = bisect_left(held, position)
        return found.number * WIDTH + at if at < len(held) and held[at] == position else None

    def extend(
        self, before: Sealed, after: Sealed, tiles: Mapping[TileKey, bytes], positions: Mapping[int, Sequence[int]]
    ) -> None:
        """See `LedgerStore.extend`. The row of the ledger is changed first, and so locked to the end."""
        with self._begin() as connection:
            self._move(connection, before, after)
            rows = []
            for (level, number), hashes in tiles.items():
                held = positions[number] if level == 0 else ()
                rows.append(
                    {
                        "level": level,
                        "number": number,
                        "hashes": hashes,
                        "positions": packed(held) if held else None,
                        "first": held[0] if held else None,
                    }
                )
            if rows:
                connection.execute(upsert(TILES, connection.dialect.name), rows)

    @staticmethod
    def _move(connection: Connection, before: Sealed, after: Sealed) -> None:
        moved = connection.execute(
            update(LEDGER)
            .where(LEDGER.c.number == ONE, LEDGER.c.size == before.size, LEDGER.c.position == before.position)
            .values(size=after.size, position=after.position)
        )
        if moved.rowcount == 1:
            return
        if before.size:
            raise LedgerMoved(f"the ledger no longer has {before.size} leaves")
        try:
            connection.execute(insert(LEDGER).values(number=ONE, size=after.size, position=after.position))
        except IntegrityError as error:
            raise LedgerMoved("the ledger has leaves already") from error

    def keep_checkpoint(self, kept: Kept) -> None:
        """See `LedgerStore.keep_checkpoint`."""
        with self._begin() as connection:
            statement = upsert(CHECKPOINTS, connection.dialect.name, keep=True)
            connection.execute(statement, {"size": kept.size, "note": kept.note, "key": kept.key})

    def checkpoint(self, size: int) -> Kept | None:
        """See `LedgerStore.checkpoint`."""
        with self._begin() as connection:
            found = connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.size == size)).first()
        return Kept(*found) if found else None

    def checkpoints(self, limit: int, below: int | None = None) -> tuple[Kept, ...]:
        """See `LedgerStore.checkpoints`."""
        wanted = select(CHECKPOINTS).order_by(CHECKPOINTS.c.size.desc()).limit(limit)
        if below is not None:
            wanted = wanted.where(CHECKPOINTS.c.size < below)
        with self._begin() as connection:
            return tuple(Kept(*row) for row in connection.execute(wanted))

    def close(self) -> None:
        """See `LedgerStore.close`."""
        self._tables.dispose()


def packed(positions: Sequence[int]) -> bytes:
    """Positions as bytes, 8 for each."""
    return struct.pack(f">{len(positions)}q", *positions)


def unpacked(held: bytes) -> tuple[int, ...]:
    """The positions that `packed` made bytes of."""
    count = len(held) // 8
    return struct.unpack(f">{count}q", held[: 8 * count])
