"""Columns of values that have a type already, as JSON and spreadsheets give them: one type for each column."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

from skyulf.ingest.table import ARROW_TYPES
from skyulf.ingest.text_types import ColumnType

_LARGEST = 2**63
_KINDS: dict[frozenset[str], str] = {
    frozenset({"integer"}): "integer",
    frozenset({"number"}): "number",
    frozenset({"integer", "number"}): "number",
    frozenset({"boolean"}): "boolean",
    frozenset({"date"}): "date",
    frozenset({"datetime"}): "datetime",
    frozenset({"date", "datetime"}): "datetime",
}
_KIND_OF: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dt.datetime: "datetime",
    dt.date: "date",
}


class ValueColumn:
    """The kinds of a column's values so far; values of several kinds make it a column of text.

    Text is taken as it is, even if it looks like numbers; only where all of it is ISO dates or timestamps does it
    become that, since JSON has none.
    """

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._text = ColumnType()

    def see(self, values: Sequence[Any]) -> None:
        """Take the next values into account."""
        kinds = {_KIND_OF.get(kind, "string") for kind in set(map(type, values)) - {type(None)}}
        if kinds == {"string"} and self._kinds <= kinds:
            self._text.see(pa.array([value or None for value in values], pa.string()), 0)
        if "integer" in kinds and any(type(value) is int and not -_LARGEST <= value < _LARGEST for value in values):
            kinds = kinds - {"integer"} | {"number"}
        if "datetime" in kinds and all(_is_midnight(value) for value in values if type(value) is dt.datetime):
            kinds = kinds - {"datetime"} | {"date"}
        self._kinds |= kinds

    @property
    def kind(self) -> str:
        """The type of the column."""
        if self._kinds == {"string"}:
            reading = self._text.decide(None)
            return reading.kind if reading.kind in ("date", "datetime") and reading.form is None else "string"
        return _KINDS.get(frozenset(self._kinds), "string")

    def array(self, values: Sequence[Any]) -> Any:
        """An Arrow array of the column's type."""
        kind = self.kind
        if self._kinds == {"string"} or kind == "string":
            text = pa.array([None if value is None else _text(value) for value in values], pa.string())
            return self._text.decide(None)(text) if kind in ("date", "datetime") else text
        if kind == "number":
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        if kind == "date":
            return pa.array([value.date() if type(value) is dt.datetime else value for value in values], pa.date32())
        if kind == "datetime":
            return pa.array([_moment(value) for value in values], ARROW_TYPES[kind])
        return pa.array(values, ARROW_TYPES[kind])


def _is_midnight(value: dt.datetime) -> bool:
    return value.time() == dt.time()


def _moment(value: dt.date | None) -> dt.datetime | None:
    if value is None or isinstance(value, dt.datetime):
        return value if value is None or value.tzinfo else value.replace(tzinfo=dt.UTC)
    return dt.datetime.combine(value, dt.time(), dt.UTC)


def _text(value: Any) -> str:
    if type(value) in (bool, float):
        return orjson.dumps(value).decode()
    return value.isoformat(" ") if type(value) is dt.datetime else str(value)
