"""Read models in a SQL database, SQLite or Postgres, through SQLAlchemy Core.

A build's rows stand in a table of their own, ``<projection>_<number>``: the key, the indexed columns, and the row
as JSON text. ``skyulf_builds`` holds the checkpoint of each build and which one is live: the pointer that is moved
when a rebuild has caught up, read in the same transaction as the rows.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import DatabaseError

from skyulf.adapters.history_batch import SqlHistoryBatch
from skyulf.adapters.history_tables import history_tables, node_parameters, page_at, tables_of
from skyulf.adapters.read_batch import SqlBatch, SqlTransaction, build_of, read_parked, read_skipped
from skyulf.adapters.read_engines import Transactions, again, engine_for, lead_for, refused
from skyulf.adapters.read_tables import (
    BUILDS,
    BUILDS_OF,
    HELD,
    LIVE,
    LIVE_OF,
    MESSAGES,
    OF_A_BUILD,
    UNFINISHED,
    Asked,
    metadata,
    page_of,
    parameters_of,
    table_of,
    upsert,
)
from skyulf.errors import Damaged
from skyulf.projections.base import Projection, Row
from skyulf.projections.spans import nodes_at
from skyulf.projections.store import Build, CheckpointMoved, Found, NotBuilt, Parked, ParkedMessage, Plain, Selection

R = TypeVar("R", bound=Row)


class SqlReadStore:
    """`ReadStore` in the database that ``url`` names; raises `Damaged` where that is none."""

    def __init__(self, url: str) -> None:
        writer = engine_for(url, writes=True, pool_size=2)
        self._writer = Transactions(writer)
        self._writer_apart = Transactions(engine_for(url, writes=True, pool_size=2, apart=True))
        self._reader = Transactions(engine_for(url, writes=False, pool_size=8))
        self._lead = lead_for(url)
        try:
            with writer.begin() as connection:
                metadata.create_all(connection)
                connection.execute(LIVE)
        except DatabaseError as error:
            self._writer.dispose()
            way_out = "; skyulf migrate --role lets its user have them" if refused(error) else ""
            raise Damaged(f"the read models cannot be opened: {error.orig}{way_out}") from error

    def builds(self, projection: str) -> tuple[Build, ...]:
        """See `ReadStore.builds`."""
        with self._reader.single() as connection:
            return tuple(build_of(row) for row in connection.execute(BUILDS_OF, {"name": projection}))

    def _writer_of(self, projection: Projection[Any]) -> Transactions:
        return self._writer_apart if projection.apart else self._writer

    def create_build(self, projection: Projection[Any]) -> Build:
        """See `ReadStore.create_build`."""
        with self._writer_of(projection).begin() as connection:
            statement = select(func.max(BUILDS.c.number), func.count()).where(BUILDS.c.projection == projection.name)
            highest, count = connection.execute(statement).one()
            build = Build(projection.name, (highest or 0) + 1, projection.version, 0, live=count == 0)
            for table in tables_of(projection, build.number):
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
        with self._writer_of(projection).begin() as connection:
            builds = [
                build_of(row)
                for row in connection.execute(select(BUILDS).where(BUILDS.c.projection == projection.name))
            ]
            position = next((other.position for other in builds if other.number == build.number), None)
            if position is None:
                raise CheckpointMoved(f"build {build.number} of {projection.name} is gone")
            of_its_version = [other for other in builds if other.version == build.version]
            if any(other.live and other.position > position for other in of_its_version):
                return False
            for other in of_its_version:
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
        with self._writer_of(projection).begin() as connection:
            self._drop(connection, projection, number)

    @staticmethod
    def _drop(connection: Connection, projection: Projection[Any], number: int) -> None:
        for table in tables_of(projection, number):
            table.drop(connection, checkfirst=True)
        for table in OF_A_BUILD:
            connection.execute(delete(table).where(table.c.projection == projection.name, table.c.number == number))

    def hold(self, build: Build, *, held: bool) -> None:
        """See `ReadStore.hold`."""
        its = {"projection": build.projection, "number": build.number}
        with self._writer.begin() as connection:
            if held:
                connection.execute(upsert(HELD, connection.dialect.name, keep=True), [its])
            else:
                connection.execute(delete(HELD).where(*(HELD.c[name] == value for name, value in its.items())))

    def unfinished(self) -> tuple[Build, ...]:
        """See `ReadStore.unfinished`."""
        with self._reader.single() as connection:
            return tuple(build_of(row) for row in connection.execute(UNFINISHED))

    def live(self) -> tuple[Build, ...]:
        """See `ReadStore.live`."""
        with self._reader.single() as connection:
            return tuple(build_of(row) for row in connection.execute(LIVE))

    def leads(self, projections: Sequence[Projection[Any]]) -> frozenset[str]:
        """See `ReadStore.leads`."""
        held = self._lead.held(tuple(projection.code for projection in projections))
        return frozenset(projection.name for projection in projections if projection.code in held)

    def resign(self) -> None:
        """See `ReadStore.resign`."""
        self._lead.give_up()

    @contextmanager
    def transaction(self, *, apart: bool = False) -> Iterator[SqlTransaction]:
        """See `ReadStore.transaction`."""
        with (self._writer_apart if apart else self._writer).begin() as connection:
            transaction = SqlTransaction(connection, batch_of)
            yield transaction
            transaction.finish()

    @staticmethod
    def _live(connection: Connection, projection: Projection[Any]) -> Build:
        row = connection.execute(LIVE_OF, {"name": projection.name, "made_by": projection.version}).one_or_none()
        if row is None:
            raise NotBuilt(f"{projection.name} is being built")
        return build_of(row)

    def position(self, projection: Projection[Any]) -> int:
        """See `ReadStore.position`."""
        with self._reader.single() as connection:
            return self._live(connection, projection).position

    @again
    def get(self, projection: Projection[R], keys: Sequence[str]) -> Found[R]:
        """See `ReadStore.get`."""
        with self._reader.begin() as connection:
            build = self._live(connection, projection)
            table = table_of(projection, build.number)
            statement = select(table.c.key, table.c.row).where(table.c.key.in_(list(keys)))
            decoder = msgspec.json.Decoder(projection.row)
            rows = {key: decoder.decode(text) for key, text in connection.execute(statement)}
        return Found(tuple((key, rows[key]) for key in keys if key in rows), build.position, build.version)

    @again
    def select(self, projection: Projection[Any], selection: Selection) -> Found[str]:
        """See `ReadStore.select`."""
        with self._reader.begin() as connection:
            build = self._live(connection, projection)
            table = table_of(projection, build.number)
            statement = page_of(table, Asked.of(selection))
            rows = tuple([(row.key, row.row) for row in connection.execute(statement, parameters_of(selection))])
        return Found(rows, build.position, build.version)

    @again
    def select_at(self, history: Projection[Any], selection: Selection, position: int) -> Found[str]:
        """See `ReadStore.select_at`."""
        with self._reader.begin() as connection:
            build = self._live(connection, history)
            tables = history_tables(history, build.number)
            nodes = nodes_at(position, build.position)
            bounded = history.columns[selection.order] == "position"
            dialect = connection.dialect.name
            statement = page_at(tables, Asked.of(selection), bounded, len(nodes), dialect)
            parameters = {**parameters_of(selection), **node_parameters(nodes, dialect), "at": position}
            found = connection.execute(statement, parameters)
            rows = tuple([(row.key, row.row) for row in found])
        return Found(rows, build.position, build.version)

    def parked(self, projection: Projection[Any]) -> tuple[Parked, ...]:
        """See `ReadStore.parked`."""
        with self._reader.begin() as connection:
            return read_parked(connection, self._live(connection, projection))

    def skipped(self, projection: Projection[Any]) -> tuple[int, ...]:
        """See `ReadStore.skipped`."""
        with self._reader.begin() as connection:
            return read_skipped(connection, self._live(connection, projection))

    @again
    def count(self, projection: Projection[Any], filters: Mapping[str, Plain], most: int) -> int:
        """See `ReadStore.count`."""
        with self._reader.begin() as connection:
            table = table_of(projection, self._live(connection, projection).number)
            found = select(table.c.key).where(*(table.c[column] == value for column, value in filters.items()))
            return connection.execute(select(func.count()).select_from(found.limit(most).subquery())).scalar_one()

    @again
    def shares(self, projection: Projection[Any], column: str) -> dict[Plain, int]:
        """See `ReadStore.shares`."""
        with self._reader.begin() as connection:
            table = table_of(projection, self._live(connection, projection).number)
            counted = select(table.c[column], func.count()).group_by(table.c[column])
            return {row[0]: row[1] for row in connection.execute(counted)}

    def park_messages(self, messages: Sequence[ParkedMessage], most: int) -> None:
        """See `ReadStore.park_messages`."""
        with self._writer.begin() as connection:
            statement = upsert(MESSAGES, connection.dialect.name, keep=True)
            connection.execute(statement, [dataclasses.asdict(message) for message in messages])
            for feed in {message.feed for message in messages}:
                newest = select(MESSAGES.c.place).where(MESSAGES.c.feed == feed)
                newest = newest.order_by(MESSAGES.c.since.desc(), MESSAGES.c.place).limit(most)
                connection.execute(delete(MESSAGES).where(MESSAGES.c.feed == feed, MESSAGES.c.place.not_in(newest)))

    def parked_messages(self, feed: str) -> tuple[ParkedMessage, ...]:
        """See `ReadStore.parked_messages`."""
        with self._reader.begin() as connection:
            statement = select(MESSAGES).where(MESSAGES.c.feed == feed).order_by(MESSAGES.c.since, MESSAGES.c.place)
            return tuple(ParkedMessage(*row) for row in connection.execute(statement))

    def forget_messages(self, feed: str, places: Sequence[str] | None = None) -> int:
        """See `ReadStore.forget_messages`."""
        wanted = delete(MESSAGES).where(MESSAGES.c.feed == feed)
        with self._writer.begin() as connection:
            return connection.execute(wanted if places is None else wanted.where(MESSAGES.c.place.in_(places))).rowcount

    def close(self) -> None:
        """See `ReadStore.close`."""
        self._lead.give_up()
        for transactions in (self._writer, self._writer_apart, self._reader):
            transactions.dispose()


def batch_of(projection: Projection[Any]) -> type[SqlBatch]:
    """How builds of a projection are written."""
    return SqlHistoryBatch if projection.history else SqlBatch
