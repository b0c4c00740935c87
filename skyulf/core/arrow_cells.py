"""Arrow cells → arrays as models take them, and predictions → Arrow columns: for requests and for whole tables."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from skyulf.core.predictions import BOUNDS, Predictions, names_by_class
from skyulf.core.rows import ABSENT_COLUMN, Array, Columns, Faults, RowReader, dtype_of
from skyulf.core.state import InputColumn

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

SECONDS_OF_A_DAY = 86_400


def columns_of(table: Any, reader: RowReader) -> Columns:
    """Arrays of a table's cells, as the model takes them. Raises `Invalid`, naming row and column."""
    faults = Faults()
    columns: dict[str, Array] = {}
    rows = table.num_rows
    found = dict(zip(table.column_names, table.columns, strict=True))
    for column in reader.schema:
        cells = found.get(column.name)
        if cells is None:
            faults.add(0, column, ABSENT_COLUMN)
            continue
        if cells.type.id == _DICTIONARY and cells.type.value_type.id in _DECODED:
            chunks = [chunk.dictionary_decode() for chunk in cells.chunks]
            cells = pa.chunked_array(chunks, cells.type.value_type)
        kind = _KINDS.get(cells.type.id, "something else")
        if cells.null_count == rows:
            columns[column.name] = np.full(rows, math.nan, dtype_of(column))
        elif column.type in _READ_AS[kind]:
            columns[column.name] = _array(column, cells, kind)
        else:
            faults.add(_first_filled(cells), column, kind)
    faults.settle()
    _check(columns, reader.schema)
    return columns


def _first_filled(cells: Any) -> int:
    """The first row with a value; 0 where pyarrow cannot show a value of such a type."""
    try:
        return next(row for row, cell in enumerate(cells) if cell.is_valid)
    except KeyError:
        return 0


_READ_AS = {
    "a number": ("integer", "number"),
    "true or false": ("boolean",),
    "text": ("string", "date", "datetime"),
    "a date": ("date", "datetime"),
    "a time": ("date", "datetime"),
    "a list": (),
    "an object": (),
    "something else": (),
}
"""What a kind of Arrow type may be sent as; text that is a date is ISO 8601, as in JSON."""


_EXAMPLES = {
    "a number": [
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.decimal128(1), pa.decimal256(1)),
    ],
    "true or false": [pa.bool_()],
    "text": [pa.string(), pa.large_string(), pa.string_view()],
    "a date": [pa.date32(), pa.date64()],
    "a time": [pa.timestamp("us")],
    "a list": [pa.list_(pa.null()), pa.large_list(pa.null()), pa.list_(pa.null(), 1)],
    "an object": [pa.struct([]), pa.map_(pa.int8(), pa.int8())],
}
_KINDS = {example.id: kind for kind, examples in _EXAMPLES.items() for example in examples}
"""What cells of an Arrow type are, by the type's id, in the words that faults say it in."""

_DICTIONARY = pa.dictionary(pa.int8(), pa.null()).id

_DECODED = _KINDS.keys() | {pa.null().id}
"""Types of values that are taken out of dictionaries; of others pyarrow may have no class, and raise KeyError."""


def _array(column: InputColumn, cells: Any, found: str) -> Array:
    """The cells as the model takes them; missing ones are NaN, and so is a NaN (as in files that are trained on)."""
    if found == "text" and column.type != "string":
        return RowReader([column]).of_cells({column.name: cells.to_pylist()}, len(cells))[column.name]
    values: Array = cells.to_numpy()
    if found in ("a date", "a time"):
        return _seconds(values)
    if found == "text":
        return np.array([math.nan if text is None else text for text in values], dtype=object)
    return np.asarray(values, dtype=np.float64)


def _seconds(moments: Array) -> Array:
    """Seconds since 1970 of datetime64, to the microsecond; a time without a zone counts as UTC."""
    unit, _ = np.datetime_data(moments.dtype)
    whole = moments.astype(np.int64)
    if unit == "D":
        seconds = whole * float(SECONDS_OF_A_DAY)
    elif unit == "ns":
        seconds = whole // 1_000 / 1e6
    else:
        seconds = whole / float(UNITS[unit])
    seconds[np.isnat(moments)] = math.nan
    return seconds


def _check(columns: Columns, schema: Sequence[InputColumn]) -> None:
    """Raise `Invalid` for infinite numbers, and for missing cells where the model takes none."""
    numbers = [array for array in columns.values() if array.dtype != object]
    if np.isfinite(numbers).all() and all(column.nullable for column in schema if column.type == "string"):
        return
    faults = Faults()
    for column in schema:
        array = columns[column.name]
        if array.dtype != object:
            for row in np.flatnonzero(np.isinf(array)):
                faults.add(int(row), column, "a number that is not finite")
        if not column.nullable:
            for row in np.flatnonzero(array != array):
                faults.add(int(row), column, "null")
    faults.settle()


def prediction_columns(predictions: Predictions) -> tuple[tuple[str, ...], list[Any]]:
    """Predictions as columns, and their names.

    ``prediction`` is of the target's type (a regressor's a float64, null where it is not finite); of a classifier
    ``probability_<class>`` follows for each class, in order (of clusters that have none, ``distance_<cluster>``); of a
    regressor with intervals ``lower`` and ``upper``.
    """
    columns = [_said(predictions)]
    if predictions.by_class is not None:
        columns += [pa.array(np.ascontiguousarray(numbers)) for numbers in predictions.by_class.T]
    names: tuple[str, ...] = ("prediction", *names_by_class(predictions))
    if predictions.intervals is not None:
        columns += [_numbers(ends) for ends in predictions.intervals.around(predictions.values)]
        names = (*names, *BOUNDS)
    return names, columns


def _numbers(values: Array) -> Any:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _said(predictions: Predictions) -> Any:
    values, classes = predictions.values, predictions.classes
    if classes is None:
        return _numbers(values)
    if all(type(label) is str for label in classes):
        return pa.array(predictions.predictions, pa.string())
    return pa.array(np.array(classes)[values])
