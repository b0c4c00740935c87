"""CSV and tab-separated files: checked byte for byte, typed over the whole file, then read again as those types."""

import codecs
import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from skyulf.errors import Fault, Invalid
from skyulf.ingest.table import ARROW_TYPES, TypedTable, bare, check_names, infinite
from skyulf.ingest.text_types import MISSING, ColumnType, convert

BLOCK = 8 << 20
"""Bytes of the file that are in memory at a time; a row must fit in."""

_PIECE = 1 << 20
_BINARY = {b"PK\x03\x04": "a ZIP or Excel file", b"PAR1": "a Parquet file", b"\x1f\x8b": "gzip-compressed"}
_BINARY |= {codecs.BOM_UTF16_LE: "in UTF-16", codecs.BOM_UTF16_BE: "in UTF-16"}


@dataclass(frozen=True)
class _Checked:
    digest: str
    size: int
    start: int
    """Offset of the header, after a byte order mark and empty lines."""
    quotes_pair: bool


def open_csv(path: Path, delimiter: str, send: Callable[[Any], None]) -> tuple[str, TypedTable]:
    """Check and type the file; answer the digest of its bytes and the table. Raises Invalid."""
    checked = _check(path, send)
    names = _header(path, checked.start, delimiter)
    check_names(names)
    types = [ColumnType() for _ in names]
    rows, last = 0, None
    for batch, fraction in _text_batches(path, checked, names, delimiter):
        for column, values in zip(types, batch.columns, strict=True):
            column.see(values, rows)
        rows += batch.num_rows
        last = batch if batch.num_rows else last
        send({"stage": "typing", "fraction": fraction})
    if last is None:
        raise Invalid("the file has a header and no rows")
    if not checked.quotes_pair and "\n" in (last.columns[-1][-1].as_py() or ""):
        raise Invalid("the last row runs over several lines to the file's end: a quotation mark was left open")
    for name, column in zip(names, types, strict=True):
        if column.infinite_row is not None:
            raise infinite(name, column.infinite_row)
    decided = [column.decided for column in types]
    return checked.digest, TypedTable(names, decided, _typed(path, checked, names, delimiter, decided))


def _typed(
    path: Path, checked: _Checked, names: Sequence[str], delimiter: str, decided: Sequence[str]
) -> Iterator[tuple[Any, float]]:
    schema = pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in zip(names, decided, strict=True)])
    for batch, fraction in _text_batches(path, checked, names, delimiter):
        columns = [convert(values, kind) for values, kind in zip(batch.columns, decided, strict=True)]
        yield pa.record_batch(columns, schema=schema), fraction


def _check(path: Path, send: Callable[[Any], None]) -> _Checked:
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size, read, lines, quotes = path.stat().st_size, 0, 1, 0
    with path.open("rb") as file:
        head = file.read(_PIECE)
        for magic, what in _BINARY.items():
            if head.startswith(magic):
                raise Invalid(f"the file is {what}, not CSV as its name says; send CSV as UTF-8 text")
        file.seek(0)
        while piece := file.read(_PIECE):
            digest.update(piece)
            if b"\0" in piece:
                raise Invalid("the file is not text (it holds zero bytes), though its name says CSV")
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise _not_utf8(lines + piece[: max(error.start, 0)].count(b"\n")) from None
            lines += piece.count(b"\n")
            quotes += piece.count(b'"')
            read += len(piece)
            send({"stage": "checking", "fraction": read / size})
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _not_utf8(lines) from None
    text = head.removeprefix(codecs.BOM_UTF8)
    start = len(head) - len(text.lstrip(b"\r\n"))
    if start == size:
        raise Invalid("the file is empty")
    return _Checked(f"sha256:{digest.hexdigest()}", size, start, quotes % 2 == 0)


def _not_utf8(line: int) -> Invalid:
    fault = Fault(f"line {line}", "is not UTF-8; save the file as UTF-8")
    return Invalid("the file is not UTF-8 text", [fault])


def _header(path: Path, start: int, delimiter: str) -> list[str]:
    with path.open("rb") as file:
        file.seek(start)
        text = file.read(BLOCK).decode("utf-8", errors="ignore")
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = next(rows)
    except csv.Error:
        raise Invalid("the first line is not a header of column names") from None
    if "\n" not in text and "\r" not in text:
        raise Invalid("the file has a header and no rows")
    return header


def _text_batches(path: Path, checked: _Checked, names: Sequence[str], delimiter: str) -> Iterator[tuple[Any, float]]:
    ragged = []

    def refuse(row: Any) -> str:
        ragged.append((row.expected_columns, row.actual_columns))
        return "error"

    try:
        with pa.OSFile(str(path)) as file:
            file.seek(checked.start)
            reader = pyarrow.csv.open_csv(
                file,
                pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=BLOCK, column_names=names, skip_rows_after_names=1
                ),
                pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=MISSING,
                    strings_can_be_null=True,
                    check_utf8=False,
                ),
            )
            for batch in reader:
                yield batch, file.tell() / checked.size
    except pa.ArrowInvalid as error:
        if ragged:
            raise _ragged(path, delimiter, *ragged[0]) from None
        if "straddling" in str(error) or "out of sync" in str(error):
            raise Invalid(f"a row is longer than {BLOCK >> 20} MiB: a quotation mark may have been left open") from None
        raise Invalid(f"the file cannot be read as CSV ({bare(str(error))})") from None


def _ragged(path: Path, delimiter: str, expected: int, found: int) -> Invalid:
    message = f"has {found} fields where the header has {expected}"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=delimiter)
        try:
            place = next(f"line {rows.line_num}" for row in rows if row and len(row) != expected)
        except (StopIteration, csv.Error):
            place = ""  # the two readers see quotation marks differently
    return Invalid("the rows do not all have the header's number of fields", [Fault(place, message)])
