"""Applies a trained model to rows: JSON rows to arrays, arrays to predictions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.evaluation import finite
from skyulf.core.formats import LoadedModel
from skyulf.core.frame import MICROSECONDS
from skyulf.core.state import FittedState, InputColumn, Label
from skyulf.core.walk import Walk
from skyulf.errors import Fault, Invalid

Columns = dict[str, np.ndarray[Any, Any]]

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


@dataclass(frozen=True, slots=True)
class Predictions:
    """One prediction a row, of the target's JSON type (regression: a number, null where it is not finite).

    ``probabilities`` of a classifier hold one number per class and row, by the class as text.
    """

    predictions: list[Label | None]
    probabilities: list[dict[str, float]] | None


class Applier:
    """A loaded model made ready to predict. Safe to share between threads: it keeps nothing of a call."""

    def __init__(self, model: LoadedModel | FittedState) -> None:
        self._schema = model.input_schema
        self._target_type = model.target_type
        self._walk = Walk(model.pipeline, model.pipeline_inputs)
        self._classes = model.classes
        self._keys = None if model.classes is None else [class_key(label) for label in model.classes]

    def validate(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Turn JSON rows into arrays, one a column; columns that the model does not know are ignored.

        Raises:
            Invalid: a column is absent, or a cell has the wrong type or is null where the model takes none.

        """
        faults: list[Fault] = []
        columns: Columns = {}
        for column in self._schema:
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
            columns[column.name] = np.array(values, dtype=_DTYPES.get(column.type, object))
        if faults:
            raise Invalid("the rows do not fit the model", faults)
        return columns

    def columns_of_frame(self, frame: pd.DataFrame) -> Columns:
        """Take the arrays of a frame as ``read_frame`` gives it, which has every column of the schema."""
        return {
            column.name: frame[column.name].to_numpy(dtype=_DTYPES.get(column.type, object)) for column in self._schema
        }

    def predict(self, columns: Columns) -> Predictions:
        """Predict each row of ``columns`` (arrays of one length, as ``validate`` gives them)."""
        if not len(next(iter(columns.values()))):
            return Predictions([], None if self._keys is None else [])
        if self._classes is None or self._keys is None:
            return Predictions([finite(value) for value in self._walk.predict(columns)], None)
        chances = self._walk.chances(columns)
        labels: list[Label | None] = [self._classes[at] for at in chances.argmax(axis=1)]
        keys = self._keys
        return Predictions(labels, [dict(zip(keys, row, strict=True)) for row in chances.tolist()])


def class_key(label: Label) -> str:
    """Return a class as a key of JSON: true, 1, 1.0 or the text itself."""
    return str(label).lower() if isinstance(label, bool) else str(label)


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
_DTYPES: dict[str, Any] = {name: np.float64 for name in _READERS if name != "string"}
