"""Changes to a build that is a history, in one transaction: each row as an event left it, and spans of its columns."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete, select

from skyulf.adapters.history_tables import HistoryTables, history_tables
from skyulf.adapters.read_batch import SqlBatch
from skyulf.adapters.read_tables import Inserts, among, inserts_on
from skyulf.projections.base import Row
from skyulf.projections.spans import FOR_EVER, OPEN, nodes_over
from skyulf.projections.store import Change


class Span(NamedTuple):
    """The values that a row's columns have from a position on."""

    begin: int
    values: dict[str, Any]


class HistoryStatements:
    """The statements on the tables of a history, put together once."""

    def __init__(self, tables: HistoryTables, dialect: str) -> None:
        versions, spans = tables
        newest = (
            select(versions.c.row)
            .where(versions.c.key == spans.c.key)
            .order_by(versions.c.held_from.desc())
            .limit(1)
            .scalar_subquery()
        )
        open_ones = (spans.c.node == OPEN, among(spans.c.key, dialect))
        self.holding = select(spans.c.key, spans.c.held_from, newest).where(*open_ones)
        self.closed = delete(spans).where(*open_ones)
        self.versions: Inserts = inserts_on(versions, dialect)
        self.spans: Inserts = inserts_on(spans, dialect)


@lru_cache(maxsize=256)
def history_statements(tables: HistoryTables, dialect: str) -> HistoryStatements:
    """The statements on the tables; made once, for the dialect of the database that they are in."""
    return HistoryStatements(tables, dialect)


class SqlHistoryBatch(SqlBatch):
    """`BuildBatch` of a history: rows are only ever added, and a span moves once, when it has an end."""

    @cached_property
    def _history(self) -> HistoryStatements:
        tables = history_tables(self._projection, self._build.number)
        return history_statements(tables, self._connection.dialect.name)

    def rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """See `BuildBatch.rows`."""
        decoder = msgspec.json.Decoder(self._projection.row)
        rows: dict[str, Row] = {}
        for key, begin, text in self._connection.execute(self._history.holding, {"keys": list(keys)}):
            rows[key] = row = decoder.decode(text)
            self._holding[key] = Span(begin, self._values(row))
        return rows

    @cached_property
    def _holding(self) -> dict[str, Span]:
        """The spans without an end in the table, of the keys whose rows were read."""
        return {}

    def _values(self, row: Row) -> dict[str, Any]:
        return {column: getattr(row, column) for column in self._projection.columns}

    def save(self, rows: Mapping[str, Row | None], changes: Sequence[Change] = ()) -> None:  # noqa: ARG002 - a history is made of the changes
        """See `BuildBatch.save`."""
        versions: list[dict[str, Any]] = []
        ended: list[dict[str, Any]] = []
        before = {change.key: self._holding.get(change.key) for change in changes}
        holding = dict(before)
        for key, position, row in changes:
            text = None if row is None else msgspec.json.encode(row).decode()
            versions.append({"key": key, "held_from": position, "row": text})
            values, span = None if row is None else self._values(row), holding[key]
            if span is not None and span.values == values:
                continue
            if span is not None:
                ended += [kept(node, key, span, position) for node in nodes_over(span.begin, position)]
            holding[key] = None if values is None else Span(position, values)
        moved = [key for key, span in holding.items() if span is not before[key]]
        begun = [kept(OPEN, key, span, FOR_EVER) for key in moved if (span := holding[key]) is not None]
        if versions:
            self._history.versions.add(self._connection, versions)
        if gone := [key for key in moved if before[key] is not None]:
            self._connection.execute(self._history.closed, {"keys": gone})
        if spans := ended + begun:
            self._history.spans.add(self._connection, spans)


def kept(node: int, key: str, span: Span, end: int) -> dict[str, Any]:
    """A span as it stands in the table under a node."""
    return {"node": node, "key": key, "held_from": span.begin, "held_to": end, **span.values}
