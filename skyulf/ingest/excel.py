"""Excel workbooks (.xlsx): the first sheet, its first row the names, its cells with the types that they have.

Sheets are read row by row; the texts that a workbook shares between its cells are held in memory, as the format
asks for.
"""

import datetime as dt
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
import pyarrow as pa
from openpyxl.utils.exceptions import InvalidFileException

from skyulf.errors import Fault, Invalid
from skyulf.ingest import Asked
from skyulf.ingest.asked_types import retyped
from skyulf.ingest.table import ARROW_TYPES, TypedTable, check_names
from skyulf.ingest.values import ValueColumn

_CELLS = 1 << 18
_ERRORS = frozenset({"#N/A", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!"})
"""What stands in a cell whose formula failed: a missing value."""

_DAMAGED = (
    zipfile.BadZipFile,
    InvalidFileException,
    ParseError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
)
"""What the library raises for a workbook that is none."""


def open_excel(path: Path, asked: Asked, send: Callable[[Any], None]) -> TypedTable:
    """Check and type the first sheet; answer the table. Raises Invalid."""
    rows = _rows(path)
    names = next(rows, ([], 0.0))[0]
    if not names:
        raise Invalid("the first sheet is empty")
    head = [_name(cell) for cell in names[0]]
    check_names(head)
    columns = [ValueColumn() for _ in head]
    seen = 0
    for batch, fraction in rows:
        for place, column in enumerate(columns):
            column.see([row[place] for row in batch])
        seen += len(batch)
        send({"stage": "typing", "fraction": fraction})
    if not seen:
        raise Invalid("the first sheet has a row of names and no more")
    return retyped(lambda: _table(path, head, columns), asked)


def _table(path: Path, names: Sequence[str], columns: Sequence[ValueColumn]) -> TypedTable:
    kinds = [column.kind for column in columns]
    return TypedTable(names, kinds, _typed(path, names, kinds, columns))


def _typed(
    path: Path, names: Sequence[str], kinds: Sequence[str], columns: Sequence[ValueColumn]
) -> Iterator[tuple[Any, float]]:
    schema = pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in zip(names, kinds, strict=True)])
    rows = _rows(path)
    next(rows)
    for batch, fraction in rows:
        arrays = [column.array([row[place] for row in batch]) for place, column in enumerate(columns)]
        yield pa.record_batch(arrays, schema=schema), fraction


def _rows(path: Path) -> Iterator[tuple[list[list[Any]], float]]:
    """The row of names as a batch of its own, then the others; all as long as it is, and none empty."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of decorations that the library leaves out
            yield from _batches(path)
    except _DAMAGED:
        raise Invalid("the file is damaged, cut short, or not an Excel workbook (.xlsx) as its name says") from None


def _batches(path: Path) -> Iterator[tuple[list[list[Any]], float]]:
    with path.open("rb") as file:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        if not book.worksheets:
            raise Invalid("the workbook has no sheet of cells")
        sheet = book.worksheets[0]
        total = max(1, sheet.max_row or 1)
        sheet.reset_dimensions()  # what is written of them is often wrong
        width, batch = 0, []
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            row = [_value(cell) for cell in cells]
            while row and row[-1] is None and (len(row) > width or not width):
                row.pop()
            if all(cell is None for cell in row):
                continue
            if not width:
                width = len(row)
                yield [row], 0.0
                continue
            if len(row) > width:
                fault = Fault(f"row {number}", f"has {len(row)} cells where the row of names has {width}")
                raise Invalid("the rows do not all have as many cells as there are names", [fault])
            batch.append(row + [None] * (width - len(row)))
            if len(batch) * width >= _CELLS:
                yield batch, min(1.0, number / total)
                batch = []
        if batch:
            yield batch, 1.0


def _value(cell: Any) -> Any:
    if isinstance(cell, str):
        return None if cell in _ERRORS or not cell else cell
    if isinstance(cell, dt.time | dt.timedelta):
        return str(cell)
    return cell


def _name(cell: Any) -> str:
    return "" if cell is None else str(cell)
