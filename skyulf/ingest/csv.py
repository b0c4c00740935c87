"""CSV and tab-separated files: checked byte for byte, typed over the whole file, then read again as those types."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from skyulf.core.columns import MISSING
from skyulf.errors import Fault, Invalid
from skyulf.ingest import Asked, Found
from skyulf.ingest.asked_types import AskedType
from skyulf.ingest.dialect import SAMPLE, find_delimiter
from skyulf.ingest.encoding import Text, open_text
from skyulf.ingest.table import ARROW_TYPES, TypedTable, bare, check_asked, check_names, infinite
from skyulf.ingest.text_types import ColumnType, Reading

BLOCK = 1 << 20
"""Bytes that are parsed at a time; a row must fit in. Arrow reads up to 32 of them ahead, whatever is asked of it."""


@dataclass(frozen=True)
class _Csv:
    """A checked file, and how its rows are parted."""

    text: Text
    delimiter: str
    header: bool
    names: Sequence[str]


def open_csv(
    path: Path, scratch: Path, preferred: str, asked: Asked, send: Callable[[Any], None]
) -> tuple[str, TypedTable, Found]:
    """Check and type the file; answer the digest of its bytes, the table and what was inferred. Raises Invalid.

    ``preferred`` is the delimiter where the file does not tell; ``scratch`` is where it may be written as UTF-8.
    """
    text = open_text(path, scratch, "CSV", send)
    delimiter = asked.delimiter or _delimiter(text, preferred)
    file = _Csv(text, delimiter, asked.header, _names(text, delimiter, asked.header))
    check_names(file.names)
    check_asked(asked.types, file.names)
    types = [
        AskedType(name, asked.types[name], asked.lenient) if name in asked.types else ColumnType()
        for name in file.names
    ]
    rows, last = 0, None
    for batch, fraction in _text_batches(file):
        for column, values in zip(types, batch.columns, strict=True):
            column.see(values, rows)
        rows += batch.num_rows
        last = batch if batch.num_rows else last
        send({"stage": "typing", "fraction": fraction})
    if last is None:
        raise Invalid("the file has a header and no rows")
    if not text.quotes_pair and "\n" in (last.columns[-1][-1].as_py() or ""):
        raise Invalid("the last row runs over several lines to the file's end: a quotation mark was left open")
    mark = asked.decimal or _mark(types)
    settling = None if (mark, delimiter, asked.decimal) == (",", ",", None) else mark
    readings = [column.decide(settling, asked=asked.decimal is not None) for column in types]
    for name, column, reading in zip(file.names, types, readings, strict=True):
        if (row := column.infinite_row(reading)) is not None:
            raise infinite(name, row)
    unfit = {
        name: column.unfit(reading)
        for name, column, reading in zip(file.names, types, readings, strict=True)
        if isinstance(column, AskedType)
    }
    table = TypedTable(file.names, [reading.kind for reading in readings], _typed(file, readings), unfit)
    return text.digest, table, Found(text.encoding, delimiter, mark)


def _mark(types: Sequence[ColumnType | AskedType]) -> str | None:
    """The decimal mark of the file: the one that columns tell, where they do not contradict each other."""
    marks = {column.mark for column in types} - {None}
    return marks.pop() if len(marks) == 1 else None


def _typed(file: _Csv, readings: Sequence[Reading]) -> Iterator[tuple[Any, float]]:
    fields = [pa.field(name, ARROW_TYPES[reading.kind]) for name, reading in zip(file.names, readings, strict=True)]
    schema = pa.schema(fields)
    for batch, fraction in _text_batches(file):
        columns = [reading(values) for values, reading in zip(batch.columns, readings, strict=True)]
        yield pa.record_batch(columns, schema=schema), fraction


def _delimiter(text: Text, preferred: str) -> str:
    with text.path.open("rb") as file:
        file.seek(text.start)
        sample = file.read(SAMPLE)
    whole = text.start + len(sample) == text.size
    return find_delimiter(sample.decode("utf-8", errors="ignore"), whole, preferred)


def _names(text: Text, delimiter: str, header: bool) -> list[str]:
    with text.path.open("rb") as file:
        file.seek(text.start)
        sample = file.read(BLOCK).decode("utf-8", errors="ignore")
    try:
        first = next(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter))
    except csv.Error:
        raise Invalid("the first line is not a header of column names") from None
    if not header:
        return [f"column_{number}" for number in range(1, len(first) + 1)]
    if "\n" not in sample and "\r" not in sample:
        raise Invalid("the file has a header and no rows")
    return first


def _text_batches(file: _Csv) -> Iterator[tuple[Any, float]]:
    ragged = []

    def refuse(row: Any) -> str:
        ragged.append((row.expected_columns, row.actual_columns))
        return "error"

    try:
        with pa.OSFile(str(file.text.path)) as source:
            source.seek(file.text.start)
            reader = pyarrow.csv.open_csv(
                source,
                pyarrow.csv.ReadOptions(
                    use_threads=False,
                    block_size=BLOCK,
                    column_names=file.names,
                    skip_rows_after_names=1 if file.header else 0,
                ),
                pyarrow.csv.ParseOptions(delimiter=file.delimiter, newlines_in_values=True, invalid_row_handler=refuse),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(file.names, pa.string()),
                    null_values=MISSING,
                    strings_can_be_null=True,
                    check_utf8=False,
                ),
            )
            for batch in reader:
                yield batch, source.tell() / file.text.size
    except pa.ArrowInvalid as error:
        if ragged:
            raise _ragged(file, *ragged[0]) from None
        if "straddling" in str(error) or "out of sync" in str(error):
            raise Invalid(f"a row is longer than {BLOCK >> 20} MiB: a quotation mark may have been left open") from None
        raise Invalid(f"the file cannot be read as CSV ({bare(str(error))})") from None


def _ragged(csv_file: _Csv, expected: int, found: int) -> Invalid:
    message = f"has {found} fields where the first row has {expected}"
    if csv_file.header:
        message = f"has {found} fields where the header has {expected}"
    with csv_file.text.path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=csv_file.delimiter)
        try:
            place = next(f"line {rows.line_num}" for row in rows if row and len(row) != expected)
        except (StopIteration, csv.Error):
            place = ""  # the two readers see quotation marks differently
    return Invalid("the rows do not all have the header's number of fields", [Fault(place, message)])
