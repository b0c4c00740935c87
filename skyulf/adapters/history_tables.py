"""The tables of histories in SQL, and how a list of the past is read from them: rows as they were, and spans."""

from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Index, MetaData, Select, String, Table, bindparam, select, union_all

from skyulf.adapters.read_tables import TEXT, TYPES, Asked, ordered, table_of, wanted
from skyulf.projections.base import Projection

SPANS = "_spans"
"""What the name of a table ends in that tells from when to when."""


class HistoryTables(NamedTuple):
    """The tables of a build that is a history: its rows as each event left them, and what is listed from when to when.

    Most events change nothing that a list is filtered or ordered by. A span tells of which values the columns were,
    from and to which position, and stands there once for each of its `nodes_over`.
    """

    versions: Table
    spans: Table


@lru_cache(maxsize=256)
def _history(
    name: str, number: int, columns: tuple[tuple[str, str], ...], indexes: tuple[tuple[str, ...], ...]
) -> HistoryTables:
    metadata = MetaData()
    held_from = ("held_from", TYPES["position"])
    versions = Table(
        f"{name}_{number}",
        metadata,
        Column("key", TEXT, primary_key=True),
        Column(*held_from, primary_key=True, autoincrement=False),
        Column("row", String),
    )
    spans = Table(
        f"{name}_{number}{SPANS}",
        metadata,
        Column("node", BigInteger, primary_key=True, autoincrement=False),
        Column("key", TEXT, primary_key=True),
        Column(*held_from, primary_key=True, autoincrement=False),
        Column("held_to", TYPES["position"], nullable=False),
        *(Column(column, TYPES[kind]) for column, kind in columns),
    )
    for at, index in enumerate(indexes):
        Index(f"{spans.name}_{at}", spans.c.node, *(spans.c[column] for column in index), spans.c.key)
    return HistoryTables(versions, spans)


def history_tables(projection: Projection[Any], number: int) -> HistoryTables:
    """The tables of a build that is a history."""
    return _history(projection.name, number, tuple(projection.columns.items()), projection.indexes)


def tables_of(projection: Projection[Any], number: int) -> tuple[Table, ...]:
    """Every table of a build."""
    return history_tables(projection, number) if projection.history else (table_of(projection, number),)


def table_names(name: str, number: int) -> tuple[str, ...]:
    """The names that the tables of a build may have."""
    return f"{name}_{number}", f"{name}_{number}{SPANS}"


@lru_cache(maxsize=256)
def page_at(tables: HistoryTables, asked: Asked, bounded: bool, nodes: int) -> Select[tuple[str, str]]:
    """The statement for a page of rows as they were at a position.

    It takes the parameters of a list, ``at``, which is the position, and ``node_<n>`` for each of so many ``nodes``.
    Of each node the rows are read in the order of the list; ``bounded`` says that none of what is looked for comes
    after the position in it.
    """
    versions, spans = tables
    at = bindparam("at", type_=BigInteger())
    order = spans.c[asked.order]
    under_nodes = [
        select(
            ordered(
                select(spans.c.key, order)
                .where(spans.c.node == bindparam(f"node_{number}", type_=BigInteger()))
                .where(spans.c.held_from <= at, spans.c.held_to > at, *wanted(spans, asked))
                .where(*([order <= at] if bounded else [])),
                spans,
                asked,
            ).subquery()
        )
        for number in range(nodes)
    ]
    found = union_all(*under_nodes).subquery()
    page = ordered(select(found), found, asked).subquery()
    row = (
        select(versions.c.row)
        .where(versions.c.key == page.c.key, versions.c.held_from <= at)
        .order_by(versions.c.held_from.desc())
        .limit(1)
        .scalar_subquery()
    )
    return ordered(select(page.c.key, row.label("row")), page, asked)
