"""Read models in a SQL database, SQLite or Postgres, through SQLAlchemy Core.

A build's rows stand in a table of their own, ``<projection>_<number>``: the key, the indexed columns, and the row
as JSON text. ``skyulf_builds`` holds the checkpoint of each build and which one is live: the pointer that is moved
when a rebuild has caught up, read in the same transaction as the rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    Select,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import DatabaseError

from skyulf.adapters.read_tables import (
    BUILDS,
    BUILDS_AND_PARKS,
    BUILDS_OF,
    LIVE,
    LIVE_OF,
    MOVE,
    PARKED,
    Statements,
    metadata,
    statements_on,
    table_of,
    upsert,
)
from skyulf.errors import Damaged
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import Build, CheckpointMoved, Found, NotBuilt, Parked, Selection

R = TypeVar("R", bound=Row)

LOCK_TIMEOUT = 10
"""Seconds to wait for another writer's transaction on SQLite."""

PAGE_SIZE = 8_192
"""Bytes of a page in a new SQLite file: of a job's rows, 2 KB each, one of 4 KB holds one and wastes the rest."""


def _build(row: Any) -> Build:
    return Build(row.projection, row.number, row.version, row.position, row.live)


class SqlBatch:
    """`BuildBatch` in a database transaction."""

    def __init__(self, connection: Connection, projection: Projection[Any], build: Build, parks: bool) -> None:
        self._connection = connection
        self._projection = projection
        self._build = build
        self._parks = parks
        self.advanced_to: int | None = None

    @cached_property
    def _statements(self) -> Statements:
        return statements_on(table_of(self._projection, self._build.number), self._connection.dialect.name)

    @property
    def position(self) -> int:
        """See `BuildBatch.position`."""
        return self._build.position

    def rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """See `BuildBatch.rows`."""
        found = self._connection.execute(self._statements.rows, {"keys": list(keys)})
        decoder = msgspec.json.Decoder(self._projection.row)
        return {key: decoder.decode(text) for key, text in found}

    def parked(self) -> tuple[Parked, ...]:
        """See `BuildBatch.parked`."""
        return read_parked(self._connection, self._build) if self._parks else ()

    def save(self, rows: Mapping[str, Row | None]) -> None:
        """See `BuildBatch.save`."""
        columns = tuple(self._projection.columns)
        written, gone = [], []
        for key, row in rows.items():
            if row is None:
                gone.append({"gone": key})
                continue
            values = {column: getattr(row, column) for column in columns}
            values["key"] = key
            values["row"] = msgspec.json.encode(row).decode()
            written.append(values)
        if written:
            self._connection.execute(self._statements.upsert, written)
        if gone:
            self._connection.execute(self._statements.delete, gone)

    def park(self, events: Iterable[Parked]) -> None:
        """See `BuildBatch.park`."""
        rows = [
            {
                "projection": self._build.projection,
                "number": self._build.number,
                "position": parked.position,
                "key": parked.key,
                "stream": parked.stream,
                "error": parked.error,
                "attempts": parked.attempts,
            }
            for parked in events
        ]
        self._connection.execute(upsert(PARKED, self._connection.dialect.name), rows)
        self._parks = True

    def unpark(self, positions: Iterable[int]) -> None:
        """See `BuildBatch.unpark`."""
        gone = [{"gone": position} for position in positions]
        if gone:
            statement = delete(PARKED).where(
                PARKED.c.projection == self._build.projection,
                PARKED.c.number == self._build.number,
                PARKED.c.position == bindparam("gone"),
            )
            self._connection.execute(statement, gone)

    def advance(self, position: int) -> None:
        """See `BuildBatch.advance`."""
        self.advanced_to = position

    def move(self) -> dict[str, Any] | None:
        """From where to where the checkpoint is to be moved, if it is."""
        if self.advanced_to is None:
            return None
        build = self._build
        return {"name": build.projection, "build": build.number, "before": build.position, "after": self.advanced_to}


class SqlTransaction:
    """`ReadTransaction` in a database transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        found = [(_build(row), bool(row.parks)) for row in connection.execute(BUILDS_AND_PARKS)]
        self._builds = {(build.projection, build.number): (build, parks) for build, parks in found}
        self._batches: list[SqlBatch] = []

    def batch(self, projection: Projection[Any], number: int) -> SqlBatch:
        """See `ReadTransaction.batch`."""
        key = (projection.name, number)
        if key not in self._builds:
            raise CheckpointMoved(f"build {number} of {projection.name} is gone")
        self._batches.append(SqlBatch(self._connection, projection, *self._builds[key]))
        return self._batches[-1]

    def finish(self) -> None:
        """Move the checkpoints, all or none."""
        moves = [move for batch in self._batches if (move := batch.move()) is not None]
        if moves and self._connection.execute(MOVE, moves).rowcount != len(moves):
            names = ", ".join(move["name"] for move in moves)
            raise CheckpointMoved(f"another projector has taken one of {names} further")


def read_parked(connection: Connection, build: Build) -> tuple[Parked, ...]:
    """The parked events of a build, in order of position."""
    found = connection.execute(
        select(PARKED.c.position, PARKED.c.key, PARKED.c.stream, PARKED.c.error, PARKED.c.attempts)
        .where(PARKED.c.projection == build.projection, PARKED.c.number == build.number)
        .order_by(PARKED.c.position)
    )
    return tuple(Parked(*row) for row in found)


class SqlReadStore:
    """`ReadStore` in the database that ``url`` names; raises `Damaged` where that is none."""

    def __init__(self, url: str) -> None:
        self._writer = engine_for(url, begin="BEGIN IMMEDIATE", pool_size=2)
        self._reader = engine_for(url, begin="BEGIN", pool_size=8)
        try:
            with self._writer.begin() as connection:
                metadata.create_all(connection)
        except DatabaseError as error:
            raise Damaged(f"the read models cannot be opened: {error.orig}") from error

    def builds(self, projection: str) -> tuple[Build, ...]:
        """See `ReadStore.builds`."""
        with self._reader.begin() as connection:
            return tuple(_build(row) for row in connection.execute(BUILDS_OF, {"name": projection}))

    def create_build(self, projection: Projection[Any]) -> Build:
        """See `ReadStore.create_build`."""
        with self._writer.begin() as connection:
            statement = select(func.max(BUILDS.c.number), func.count()).where(BUILDS.c.projection == projection.name)
            highest, count = connection.execute(statement).one()
            build = Build(projection.name, (highest or 0) + 1, projection.version, 0, live=count == 0)
            table = table_of(projection, build.number)
            table.drop(connection, checkfirst=True)
            table.create(connection)
            connection.execute(
                insert(BUILDS).values(
                    projection=build.projection,
                    number=build.number,
                    version=build.version,
                    position=0,
                    live=build.live,
                )
            )
        return build

    def promote(self, projection: Projection[Any], build: Build) -> bool:
        """See `ReadStore.promote`."""
        with self._writer.begin() as connection:
            builds = [
                _build(row) for row in connection.execute(select(BUILDS).where(BUILDS.c.projection == projection.name))
            ]
            position = next(other.position for other in builds if other.number == build.number)
            if any(other.live and other.position > position for other in builds):
                return False
            for other in builds:
                if other.number != build.number:
                    self._drop(connection, projection, other.number)
            connection.execute(
                update(BUILDS)
                .where(BUILDS.c.projection == projection.name, BUILDS.c.number == build.number)
                .values(live=True)
            )
        return True

    def drop_build(self, projection: Projection[Any], number: int) -> None:
        """See `ReadStore.drop_build`."""
        with self._writer.begin() as connection:
            self._drop(connection, projection, number)

    @staticmethod
    def _drop(connection: Connection, projection: Projection[Any], number: int) -> None:
        table_of(projection, number).drop(connection, checkfirst=True)
        for table in (BUILDS, PARKED):
            connection.execute(delete(table).where(table.c.projection == projection.name, table.c.number == number))

    def live(self) -> tuple[Build, ...]:
        """See `ReadStore.live`."""
        with self._reader.begin() as connection:
            return tuple(_build(row) for row in connection.execute(LIVE))

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        """See `ReadStore.transaction`."""
        with self._writer.begin() as connection:
            transaction = SqlTransaction(connection)
            yield transaction
            transaction.finish()

    @staticmethod
    def _live(connection: Connection, projection: Projection[Any]) -> Build:
        row = connection.execute(LIVE_OF, {"name": projection.name, "made_by": projection.version}).one_or_none()
        if row is None:
            raise NotBuilt(f"{projection.name} is being built")
        return _build(row)

    def position(self, projection: Projection[Any]) -> int:
        """See `ReadStore.position`."""
        with self._reader.begin() as connection:
            return self._live(connection, projection).position

    def get(self, projection: Projection[R], keys: Sequence[str]) -> Found[R]:
        """See `ReadStore.get`."""
        with self._reader.begin() as connection:
            build = self._live(connection, projection)
            table = table_of(projection, build.number)
            statement = select(table.c.key, table.c.row).where(table.c.key.in_(list(keys)))
            rows = dict(self._decoded(connection, projection, statement))
        return Found(tuple((key, rows[key]) for key in keys if key in rows), build.position, build.version)

    def select(self, projection: Projection[R], selection: Selection) -> Found[R]:
        """See `ReadStore.select`."""
        with self._reader.begin() as connection:
            build = self._live(connection, projection)
            table = table_of(projection, build.number)
            order = table.c[selection.order]
            statement = select(table.c.key, table.c.row).limit(selection.limit)
            for column, value in selection.filters.items():
                statement = statement.where(table.c[column] == value)
            if selection.after is not None:
                place = tuple_(order, table.c.key)
                last = tuple_(*selection.after)
                statement = statement.where(place < last if selection.descending else place > last)
            if selection.descending:
                statement = statement.order_by(order.desc(), table.c.key.desc())
            else:
                statement = statement.order_by(order, table.c.key)
            rows = self._decoded(connection, projection, statement)
        return Found(tuple(rows), build.position, build.version)

    @staticmethod
    def _decoded(
        connection: Connection, projection: Projection[R], statement: Select[tuple[Any, Any]]
    ) -> list[tuple[str, R]]:
        decoder = msgspec.json.Decoder(projection.row)
        return [(key, decoder.decode(text)) for key, text in connection.execute(statement)]

    def parked(self, projection: Projection[Any]) -> tuple[Parked, ...]:
        """See `ReadStore.parked`."""
        with self._reader.begin() as connection:
            return read_parked(connection, self._live(connection, projection))

    def close(self) -> None:
        """See `ReadStore.close`."""
        self._writer.dispose()
        self._reader.dispose()


def engine_for(url: str, *, begin: str, pool_size: int) -> Engine:
    """An engine for the database; on SQLite, transactions begin with ``begin``.

    Writers take the write lock at their beginning: a transaction that reads first and writes then would fail at
    once beside another writer. The log is the truth, so that read models need not survive a power cut
    (``synchronous=NORMAL``): rows and checkpoint are lost together and folded again.
    """
    engine = create_engine(url, pool_size=pool_size, max_overflow=32)
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _: Any) -> None:
        dbapi_connection.isolation_level = None
        dbapi_connection.execute(f"PRAGMA busy_timeout={LOCK_TIMEOUT * 1000}")
        dbapi_connection.execute(f"PRAGMA page_size={PAGE_SIZE}")  # of a new file; before it is turned to WAL
        dbapi_connection.execute("PRAGMA journal_mode=WAL")
        dbapi_connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
