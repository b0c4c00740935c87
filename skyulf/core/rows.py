"""Rows as callers send them → arrays as models take them. Without pandas."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from skyulf.core.block import Block
from skyulf.core.columns import ColumnType
from skyulf.core.frame import MICROSECONDS
from skyulf.core.predictions import Predictions as Predictions
from skyulf.core.state import InputColumn
from skyulf.errors import Fault, Invalid

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, Any]

Columns = Mapping[str, Array]
"""One array a column, all of one length: float64 with NaN for missing, or objects (str) with NaN for missing."""

Cells = Sequence[Any]
"""A column of cells as JSON has them."""

ABSENT = object()
"""Stands in a cell whose row has not the column."""

ABSENT_COLUMN = "this column is absent"

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


class Faults:
    """What is wrong with cells, up to `MAX_FAULTS`."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, row: int, column: InputColumn, found: str) -> None:
        """Note a cell that holds what it should not; raises `Invalid` once that is enough of them."""
        self._faults.append(Fault(f"rows.{row}.{column.name}", _expected(column, found)))
        if len(self._faults) >= MAX_FAULTS:
            self.settle()

    def settle(self) -> None:
        """Raise `Invalid` where there are any."""
        if self._faults:
            raise Invalid("the rows do not fit the model", self._faults)


class RowReader:
    """Turns cells as JSON has them into arrays, by a model's input schema. Safe to share between threads.

    What is as it should be is taken many cells at a time; each cell is looked at alone only where something is wrong.
    """

    def __init__(self, schema: Sequence[InputColumn]) -> None:
        self.schema = tuple(schema)
        ordered = sorted(self.schema, key=lambda column: _GROUPS[column.type])
        self._groups = [
            _Group(kind, tuple(columns)) for kind, columns in groupby(ordered, key=lambda column: _GROUPS[column.type])
        ]
        self._names = [column.name for column in ordered]
        self._cells = _cells_of(self._names)
        self._places = {column.name: at for at, column in enumerate(self.schema)}
        self.is_block = {group.kind for group in self._groups} == {"number"}
        """Whether every column holds numbers."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Read rows; columns that the model does not know are ignored.

        Raises:
            Invalid: a column is absent, or a cell has the wrong type or is null where the model takes none.

        """
        if self.is_block and (matrix := self._matrix(rows)) is not None:
            return self.block(matrix)
        try:
            cells: list[Cells] = list(zip(*map(self._cells, rows), strict=True))
        except KeyError:
            cells = [[row.get(name, ABSENT) for row in rows] for name in self._names]
        return self._read(cells or [()] * len(self._names), len(rows))

    def _matrix(self, rows: Sequence[Mapping[str, Any]]) -> Array | None:
        """Return all columns side by side where they are numbers; None where a cell may not be as it should."""
        try:
            flat = list(chain.from_iterable(map(self._cells, rows)))
        except KeyError:
            return None
        (group,) = self._groups
        matrix = group.matrix(flat, (len(rows), len(self.schema))) if rows else None
        return None if matrix is not None and group.mixed and np.isnan(matrix).any() else matrix

    def block(self, matrix: Array) -> Block:
        """Take a matrix (float64, rows by columns in the schema's order) for the columns."""
        return Block(self._places, matrix)

    def of_cells(self, cells: Mapping[str, Cells], rows: int) -> Columns:
        """Read columns of ``rows`` cells each, by name; raises as it does for rows, naming an absent column once."""
        faults = Faults()
        for column in self.schema:
            if column.name not in cells:
                faults.add(0, column, ABSENT_COLUMN)
        faults.settle()
        return self._read([cells[name] for name in self._names], rows)

    def _read(self, cells: Sequence[Cells], rows: int) -> Columns:
        """Read cells by column, in the order of the groups."""
        columns: dict[str, Array] = {}
        begin = 0
        for group in self._groups:
            end = begin + len(group.names)
            arrays = group.read(cells[begin:end], rows)
            if arrays is None:
                return self._read_each(dict(zip(self._names, cells, strict=True)))
            columns.update(zip(group.names, arrays, strict=True))
            begin = end
        return columns

    def _read_each(self, cells: Mapping[str, Cells]) -> Columns:
        """Read cell by cell, and say what is wrong where."""
        faults = Faults()
        columns: dict[str, Array] = {}
        for column in self.schema:
            read = _READERS[column.type]
            values: list[Any] = []
            for number, cell in enumerate(cells[column.name]):
                try:
                    values.append(read(cell) if cell is not None else _null(column))
                except Wrong as wrong:
                    faults.add(number, column, str(wrong))
            columns[column.name] = np.array(values, dtype=dtype_of(column))
        faults.settle()
        return columns


class _Group:
    """Columns that are read alike, all at once."""

    def __init__(self, kind: str, columns: Sequence[InputColumn]) -> None:
        self.names = [column.name for column in columns]
        self.kind = kind
        self._taken = _PLAIN[kind] | ({NoneType} if any(column.nullable for column in columns) else set())
        self._strict = [at for at, column in enumerate(columns) if not column.nullable]
        self.mixed = 0 < len(self._strict) < len(columns)

    def read(self, cells: Sequence[Cells], rows: int) -> Array | None:
        """Return an array for each column, or None where a cell is not as it should be, or may not be."""
        if self.mixed and any(None in cells[at] for at in self._strict):
            return None
        return self.matrix(list(chain.from_iterable(cells)), (len(cells), rows))

    def matrix(self, flat: list[Any], shape: tuple[int, int]) -> Array | None:
        """Return the cells in a shape, or None where one is not as it should be, or may not be."""
        kinds = set(map(type, flat))
        if not kinds <= self._taken:
            return None
        gaps = flat.count(None) if NoneType in kinds else 0
        if self.kind == "text":
            texts = [math.nan if cell is None else cell for cell in flat] if gaps else flat
            return np.array(texts, dtype=object).reshape(shape)
        try:
            if self.kind == "time":
                times = {cell: None if cell is None else _time(cell) for cell in set(flat)}
                flat = [times[cell] for cell in flat]
            matrix = np.array(flat, dtype=np.float64).reshape(shape)  # None becomes NaN
        except (OverflowError, Wrong):
            return None
        if self.kind == "number" and np.count_nonzero(np.isfinite(matrix)) != matrix.size - gaps:
            return None
        return matrix


def _cells_of(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Cells]:
    """Return what gets the cells of these columns from a row."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: [row[name] for name in names]


class Typed(Protocol):
    """A column with a name and a type: of an input schema, or of a dataset's facts."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def type(self) -> ColumnType:
        """What its cells are."""
        ...


def dtype_of(column: Typed) -> Any:
    """The type of a column's array: object for text, float64 for all else."""
    return object if column.type == "string" else np.float64


def sent(columns: Sequence[Typed], frame: "pd.DataFrame") -> Columns:
    """The columns of a frame, as ``read_frame`` gives it, as arrays that a model takes."""
    return {column.name: frame[column.name].to_numpy(dtype=dtype_of(column)) for column in columns}


class Wrong(Exception):
    """A cell is not what its column holds; the message says what it is."""


def _null(column: InputColumn) -> Any:
    if not column.nullable:
        raise Wrong("null")
    return math.nan


def _expected(column: InputColumn, found: str) -> str:
    if found == ABSENT_COLUMN:
        return found
    if found == "null":
        return f"expected {_WANTED[column.type]}; this model takes no null here"
    return f"expected {_WANTED[column.type]}, got {found}"


def _kind(cell: Any) -> str:
    if cell is ABSENT:
        return ABSENT_COLUMN
    return _TYPE_NAMES.get(type(cell), "something else")


def _number(cell: Any) -> float:
    if type(cell) is float or type(cell) is int:
        try:
            number = float(cell)
        except OverflowError:
            raise Wrong("a number too large") from None
        if math.isfinite(number):
            return number
        raise Wrong("a number that is not finite")
    raise Wrong(_kind(cell))


def _truth(cell: Any) -> float:
    if type(cell) is not bool:
        raise Wrong(_kind(cell))
    return float(cell)


def _text(cell: Any) -> str:
    if type(cell) is not str:
        raise Wrong(_kind(cell))
    return cell


def _time(cell: Any) -> float:
    try:
        moment = datetime.fromisoformat(_text(cell))
    except ValueError:
        raise Wrong("text that is no such date") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return since // timedelta(microseconds=1) / MICROSECONDS


_READERS: dict[str, Callable[[Any], Any]] = {
    "integer": _number, "number": _number, "boolean": _truth, "string": _text, "date": _time, "datetime": _time,
}  # fmt: skip
_GROUPS = {
    "integer": "number", "number": "number", "boolean": "truth", "string": "text", "date": "time", "datetime": "time",
}  # fmt: skip
_PLAIN: dict[str, set[type]] = {"number": {float, int}, "truth": {bool}, "text": {str}, "time": {str}}
