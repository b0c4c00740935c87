"""Rows as callers send them → arrays as models take them, and what models say of rows. Without pandas."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from skyulf.core.evaluation import finite
from skyulf.core.frame import MICROSECONDS
from skyulf.core.state import InputColumn, Label
from skyulf.errors import Fault, Invalid

Array = np.ndarray[Any, Any]

Columns = dict[str, Array]
"""One array a column, all of one length: float64 with NaN for missing, or objects (str) with NaN for missing."""

MAX_FAULTS = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TYPE_NAMES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}
_WANTED = {
    "integer": "a number", "number": "a number", "boolean": "true or false", "string": "text",
    "date": "a date as ISO 8601 text", "datetime": "a time as ISO 8601 text",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One prediction a row.

    ``values`` are positions in ``classes`` (integers) of a classifier, the numbers themselves (float64) of a
    regressor, whose ``classes`` and ``chances`` are None. ``chances`` are float64, rows by classes.
    """

    values: Array
    classes: Sequence[Label] | None = None
    chances: Array | None = None

    @classmethod
    def of_chances(cls, classes: Sequence[Label], chances: Array) -> "Predictions":
        """Take the likeliest class of each row, the first of those that are equally likely."""
        return cls(chances.argmax(axis=1), classes, chances)

    @property
    def predictions(self) -> list[Label | None]:
        """Each of the target's JSON type (regression: a number, None where it is not finite)."""
        if self.classes is None:
            return [finite(value) for value in self.values.tolist()]
        classes = self.classes
        return [classes[at] for at in self.values.tolist()]

    @property
    def probabilities(self) -> list[dict[str, float]] | None:
        """Of a classifier: one number per class and row, by the class as text."""
        if self.classes is None or self.chances is None:
            return None
        keys = [class_key(label) for label in self.classes]
        return [dict(zip(keys, row, strict=True)) for row in self.chances.tolist()]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Predictions):
            return NotImplemented
        return self.predictions == other.predictions and self.probabilities == other.probabilities

    __hash__ = None  # type: ignore[assignment]


def class_key(label: Label) -> str:
    """Return a class as a key of JSON: true, 1, 1.0 or the text itself."""
    return str(label).lower() if isinstance(label, bool) else str(label)


class RowReader:
    """Turns JSON rows into arrays by a model's input schema. Safe to share between threads."""

    def __init__(self, schema: Sequence[InputColumn]) -> None:
        self.schema = tuple(schema)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Turn JSON rows into arrays, one a column; columns that the model does not know are ignored.

        Raises:
            Invalid: a column is absent, or a cell has the wrong type or is null where the model takes none.

        """
        faults: list[Fault] = []
        columns: Columns = {}
        for column in self.schema:
            read = _READERS[column.type]
            values: list[Any] = []
            for number, row in enumerate(rows):
                try:
                    cell = row[column.name]
                    values.append(read(cell) if cell is not None else _null(column))
                except KeyError:
                    faults.append(Fault(f"rows.{number}.{column.name}", "this column is absent"))
                except _Wrong as wrong:
                    faults.append(Fault(f"rows.{number}.{column.name}", _expected(column, wrong)))
                if len(faults) >= MAX_FAULTS:
                    raise Invalid("the rows do not fit the model", faults)
            columns[column.name] = np.array(values, dtype=dtype_of(column))
        if faults:
            raise Invalid("the rows do not fit the model", faults)
        return columns


def dtype_of(column: InputColumn) -> Any:
    """The type of a column's array: object for text, float64 for all else."""
    return object if column.type == "string" else np.float64


class _Wrong(Exception):
    """A cell is not what its column holds; the message says what it is."""


def _null(column: InputColumn) -> Any:
    if not column.nullable:
        raise _Wrong("null")
    return math.nan


def _expected(column: InputColumn, wrong: _Wrong) -> str:
    if str(wrong) == "null":
        return f"expected {_WANTED[column.type]}; this model takes no null here"
    return f"expected {_WANTED[column.type]}, got {wrong}"


def _kind(cell: Any) -> str:
    return _TYPE_NAMES.get(type(cell), "something else")


def _number(cell: Any) -> float:
    if type(cell) is float or type(cell) is int:
        try:
            number = float(cell)
        except OverflowError:
            raise _Wrong("a number too large") from None
        if math.isfinite(number):
            return number
        raise _Wrong("a number that is not finite")
    raise _Wrong(_kind(cell))


def _truth(cell: Any) -> float:
    if type(cell) is not bool:
        raise _Wrong(_kind(cell))
    return float(cell)


def _text(cell: Any) -> str:
    if type(cell) is not str:
        raise _Wrong(_kind(cell))
    return cell


def _time(cell: Any) -> float:
    try:
        moment = datetime.fromisoformat(_text(cell))
    except ValueError:
        raise _Wrong("text that is no such date") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return since // timedelta(microseconds=1) / MICROSECONDS


_READERS: dict[str, Callable[[Any], Any]] = {
    "integer": _number, "number": _number, "boolean": _truth, "string": _text, "date": _time, "datetime": _time,
}  # fmt: skip
