"""The tables of read models in SQL, and the statements that are run for every event.

A build's rows stand in a table of their own, ``<projection>_<number>``: the key, the indexed columns, and the row
as JSON text. ``skyulf_builds`` holds the checkpoint of each build and which one is live. To put a statement together
costs SQLAlchemy more than to run it, so that each is made once.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    any_,
    bindparam,
    delete,
    exists,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeDecorator, TypeEngine

from skyulf.projections.base import Projection
from skyulf.projections.store import Plain, Selection

S = TypeVar("S", bound=tuple[Any, ...])


class Words(TypeDecorator[str]):
    """Text where the database takes no NUL in text, ordered as everywhere else; the row has it as it was."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """See `TypeDecorator`."""
        return value.replace("\x00", "\ufffd") if value else value


class Moment(TypeDecorator[datetime]):
    """A moment in UTC as text, where the database knows no time zones."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """See `TypeDecorator`."""
        return value.astimezone(UTC).isoformat(timespec="microseconds") if value else None

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """See `TypeDecorator`."""
        return datetime.fromisoformat(value) if value else None


TEXT = String().with_variant(Words(collation="C"), "postgresql")

TYPES: Mapping[str, TypeEngine[Any]] = {
    "text": TEXT,
    "integer": BigInteger(),
    "position": BigInteger(),
    "boolean": Boolean(),
}

metadata = MetaData()

BUILDS = Table(
    "skyulf_builds",
    metadata,
    Column("projection", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("live", Boolean, nullable=False),
)

PARKED = Table(
    "skyulf_parked",
    metadata,
    Column("projection", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("key", String, nullable=False),
    Column("stream", String, nullable=False),
    Column("error", String),
    Column("attempts", Integer, nullable=False),
)

SKIPPED = Table(
    "skyulf_skipped",
    metadata,
    Column("projection", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("key", String, nullable=False),
)

HELD = Table(
    "skyulf_held",
    metadata,
    Column("projection", String, primary_key=True),
    Column("number", Integer, primary_key=True),
)

OF_A_BUILD = (BUILDS, PARKED, SKIPPED, HELD)
"""Tables in which rows belong to builds, by projection and number."""

MESSAGES = Table(
    "skyulf_parked_messages",
    metadata,
    Column("feed", String, primary_key=True),
    Column("place", String, primary_key=True),
    Column("error", String, nullable=False),
    Column("since", DateTime(timezone=True).with_variant(Moment(), "sqlite"), nullable=False),
)


@lru_cache(maxsize=256)
def _table(name: str, number: int, columns: tuple[tuple[str, str], ...], indexes: tuple[tuple[str, ...], ...]) -> Table:
    table_name = f"{name}_{number}"
    table = Table(
        table_name,
        MetaData(),
        Column("key", TEXT, primary_key=True),
        *(Column(column, TYPES[kind]) for column, kind in columns),
        Column("row", String, nullable=False),
    )
    for index in indexes:
        Index(f"{table_name}_{'_'.join(index)}", *(table.c[column] for column in index), table.c.key)
    return table


def table_of(projection: Projection[Any], number: int) -> Table:
    """The table of a build's rows."""
    return _table(projection.name, number, tuple(projection.columns.items()), projection.indexes)


def among(column: Column[str], dialect: str) -> ColumnElement[bool]:
    """That a column is one of ``keys``, as the database is asked quickest."""
    if dialect == "postgresql":
        return column == any_(bindparam("keys", type_=ARRAY(TEXT)))
    return column.in_(bindparam("keys", expanding=True))


class Inserts:
    """What writes rows of a table, put together once: doing so costs more than running it."""

    def __init__(self, table: Table, dialect: str) -> None:
        self.upsert = upsert(table, dialect)

    def add(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """Write rows whose keys are not in the table."""
        connection.execute(self.upsert, rows)


@lru_cache(maxsize=256)
def inserts_on(table: Table, dialect: str) -> Inserts:
    """What writes rows of a table; made once, for the dialect of the database that it is in."""
    if dialect == "postgresql":
        from skyulf.adapters.postgres_rows import PostgresInserts  # its driver is not loaded where it is not used

        return PostgresInserts(table)
    return Inserts(table, dialect)


class Statements:
    """The statements on the rows of a build that are run for every page of events, put together once."""

    def __init__(self, table: Table, dialect: str) -> None:
        self.rows = select(table.c.key, table.c.row).where(among(table.c.key, dialect))
        self.delete = delete(table).where(table.c.key == bindparam("gone"))
        inserts = inserts_on(table, dialect)
        self.upsert, self.add = inserts.upsert, inserts.add


@lru_cache(maxsize=256)
def statements_on(table: Table, dialect: str) -> Statements:
    """The statements on a table; made once, for the dialect of the database that it is in."""
    return Statements(table, dialect)


class Asked(NamedTuple):
    """The form of a list's statement: all of a selection but the values, which are its parameters."""

    order: str
    filters: tuple[str, ...]
    descending: bool
    goes_on: bool
    above: str | None

    @classmethod
    def of(cls, selection: Selection) -> Self:
        """The form of a selection."""
        above = selection.above[0] if selection.above is not None else None
        return cls(selection.order, tuple(selection.filters), selection.descending, selection.after is not None, above)


def parameters_of(selection: Selection) -> dict[str, Plain | None]:
    """The values of a selection, by the names that they have in a statement of its form."""
    last_value, last_key = selection.after or (None, None)
    parameters: dict[str, Plain | None] = {"last_value": last_value, "last_key": last_key, "most": selection.limit}
    if selection.above is not None:
        parameters["above"] = selection.above[1]
    return parameters | {f"is_{column}": value for column, value in selection.filters.items()}


@lru_cache(maxsize=256)
def page_of(table: Table, asked: Asked) -> Select[tuple[str, str]]:
    """The statement for a page of rows, in order of a column and then the key; it takes the parameters of a list."""
    return ordered(select(table.c.key, table.c.row).where(*wanted(table, asked)), table, asked)


def wanted(table: Table, asked: Asked) -> Iterator[ColumnElement[bool]]:
    """What rows must be to stand on a page."""
    column, key = table.c[asked.order], table.c.key
    yield from (table.c[name] == bindparam(f"is_{name}") for name in asked.filters)
    if asked.above is not None:
        yield table.c[asked.above] > bindparam("above")
    if asked.goes_on:
        place = tuple_(column, key)
        last = tuple_(bindparam("last_value", type_=column.type), bindparam("last_key", type_=key.type))
        yield place < last if asked.descending else place > last


def ordered(statement: Select[S], table: FromClause, asked: Asked) -> Select[S]:
    """The statement, in a page's order and of its length."""
    column, key = table.c[asked.order], table.c.key
    by = (column.desc(), key.desc()) if asked.descending else (column, key)
    return statement.order_by(*by).limit(bindparam("most", type_=Integer()))


def upsert(table: Table, dialect: str, *, keep: bool = False) -> Insert:
    """An insert that takes the place of the row of the same key, or leaves it as it is when that is to be kept.

    Only the dialect that is used is imported.
    """
    statement: Any = import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
    if keep:
        leaving: Insert = statement.on_conflict_do_nothing()
        return leaving
    keys = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    upserting: Insert = statement.on_conflict_do_update(index_elements=keys, set_=values)
    return upserting


MOVE = (
    update(BUILDS)
    .where(
        tuple_(BUILDS.c.projection, BUILDS.c.number).in_(bindparam("builds", expanding=True)),
        BUILDS.c.position == bindparam("before"),
    )
    .values(position=bindparam("after"))
)
"""Move the checkpoints of builds that are at one place, if they are there."""

BUILDS_AND_HOLDS = select(
    BUILDS, exists().where(HELD.c.projection == BUILDS.c.projection, HELD.c.number == BUILDS.c.number).label("held")
)

BUILDS_OF = BUILDS_AND_HOLDS.where(BUILDS.c.projection == bindparam("name")).order_by(BUILDS.c.number)
"""Every build of a projection."""

UNFINISHED = BUILDS_AND_HOLDS.where(BUILDS.c.live.is_(False)).order_by(BUILDS.c.projection, BUILDS.c.number)
"""Every build that is not live."""

LIVE = select(BUILDS).where(BUILDS.c.live).order_by(BUILDS.c.projection, BUILDS.c.version)
"""Every live build."""

LIVE_OF = select(BUILDS).where(
    BUILDS.c.projection == bindparam("name"), BUILDS.c.live, BUILDS.c.version == bindparam("made_by")
)
"""The live build of a projection, where the rows are of this version of its fold."""

BUILDS_AND_PARKS = select(
    BUILDS,
    exists().where(PARKED.c.projection == BUILDS.c.projection, PARKED.c.number == BUILDS.c.number).label("parks"),
)
"""Every build, and whether it has parked events."""
