"""The tables of histories in SQL, and how a list of the past is read from them: rows as they were, and spans."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    CompoundSelect,
    Index,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    func,
    select,
    true,
    union_all,
)

from skyulf.adapters.read_tables import TEXT, TYPES, Asked, ordered, table_of, wanted
from skyulf.projections.base import Projection

AT = bindparam("at", type_=BigInteger())
"""The position that is asked for."""

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
        listed = (*index, "key", "held_from", "held_to")  # all that is looked at: the table itself is not
        Index(f"{spans.name}_{at}", spans.c.node, *(spans.c[column] for column in listed))
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
def page_at(tables: HistoryTables, asked: Asked, bounded: bool, nodes: int, dialect: str) -> Select[tuple[str, str]]:
    """The statement for a page of rows as they were at a position.

    It takes the parameters of a list, ``at``, which is the position, and those of `node_parameters` for so many
    ``nodes``. ``bounded`` says that what is ordered by is a position, and so none beyond that one.
    """
    versions, spans = tables
    order = spans.c[asked.order]
    held = [spans.c.held_from <= AT, spans.c.held_to > AT, *wanted(spans, asked), *([order <= AT] if bounded else [])]
    of_node = select(spans.c.key, order).where(*held)
    found = (_lateral if dialect == "postgresql" else _united)(of_node, spans, asked, nodes).subquery()
    page = ordered(select(found), found, asked).subquery()
    row = (
        select(versions.c.row)
        .where(versions.c.key == page.c.key, versions.c.held_from <= AT)
        .order_by(versions.c.held_from.desc())
        .limit(1)
        .scalar_subquery()
    )
    return ordered(select(page.c.key, row.label("row")), page, asked)


def _lateral(of_node: Select[Any], spans: Table, asked: Asked, nodes: int) -> Select[Any]:  # noqa: ARG001 - as `_united`
    """The first rows under each node, in a form whose plan is as short for many nodes as for one."""
    each = func.unnest(bindparam("nodes", type_=ARRAY(BigInteger))).table_valued("node").render_derived(name="nodes")
    part = ordered(of_node.where(spans.c.node == each.c.node), spans, asked).lateral()
    return select(part).select_from(each.join(part, true()))


def _united(of_node: Select[Any], spans: Table, asked: Asked, nodes: int) -> CompoundSelect[Any]:
    """The same where a part of a query cannot refer to another."""
    numbers = (bindparam(f"node_{number}", type_=BigInteger()) for number in range(nodes))
    parts = [ordered(of_node.where(spans.c.node == number), spans, asked).subquery() for number in numbers]
    return union_all(*map(select, parts))


def node_parameters(nodes: Sequence[int], dialect: str) -> dict[str, Any]:
    """What a statement takes for its nodes."""
    if dialect == "postgresql":
        return {"nodes": list(nodes)}
    return {f"node_{number}": node for number, node in enumerate(nodes)}
