"""JSON lines: an object of plain values on every line; a column for each key that occurs, in order of appearance."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from skyulf.errors import Fault, Invalid
from skyulf.ingest import Asked, Found
from skyulf.ingest.asked_types import retyped
from skyulf.ingest.encoding import Text, open_text
from skyulf.ingest.table import ARROW_TYPES, MOST_COLUMNS, TypedTable, check_names
from skyulf.ingest.values import ValueColumn

BLOCK = 4 << 20
"""Bytes of the file that are in memory at a time; a line must fit in."""

CELLS = 1 << 18
"""Cells that are in memory at a time, those of keys that a line leaves out included."""


def open_jsonl(path: Path, scratch: Path, asked: Asked, send: Callable[[Any], None]) -> tuple[str, TypedTable, Found]:
    """Check and type the file; answer the digest of its bytes, the table and its encoding. Raises Invalid."""
    text = open_text(path, scratch, "JSON lines", send)
    columns = _columns(text, send)
    return text.digest, retyped(lambda: _table(text, columns), asked), Found(encoding=text.encoding)


def _table(text: Text, columns: dict[str, ValueColumn]) -> TypedTable:
    kinds = [column.kind for column in columns.values()]
    return TypedTable([*columns], kinds, _typed(text, columns, kinds))


def _typed(text: Text, columns: dict[str, ValueColumn], kinds: list[str]) -> Iterator[tuple[Any, float]]:
    schema = pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in zip(columns, kinds, strict=True)])
    for rows, fraction in _rows(text):
        arrays = [column.array([row.get(name) for row in rows]) for name, column in columns.items()]
        yield pa.record_batch(arrays, schema=schema), fraction


def _columns(text: Text, send: Callable[[Any], None]) -> dict[str, ValueColumn]:
    columns: dict[str, ValueColumn] = {}
    for rows, fraction in _rows(text):
        for row in rows:
            for name in row:
                columns.setdefault(name, ValueColumn())
        if len(columns) > MOST_COLUMNS:
            raise Invalid(
                f"the lines have {len(columns):,} keys and more; {MOST_COLUMNS:,} are the most that are taken"
            )
        for name, column in columns.items():
            column.see([row.get(name) for row in rows])
        send({"stage": "typing", "fraction": fraction})
    if not columns:
        raise Invalid("the objects in the file have no keys")
    check_names([*columns])
    return columns


def _rows(text: Text) -> Iterator[tuple[list[dict[str, Any]], float]]:
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    number = held = 0
    with text.path.open("rb") as file:
        while line := file.readline(BLOCK + 1):
            number += 1
            if len(line) > BLOCK:
                raise Invalid("the lines are too long", [Fault(f"line {number}", f"is longer than {BLOCK >> 20} MiB")])
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not line:
                continue
            row = _row(line, number)
            rows.append(row)
            held += len(line)
            names.update(row)
            if held >= BLOCK or len(rows) * len(names) >= CELLS:
                yield rows, min(1.0, file.tell() / text.size)
                rows, held = [], 0
    if rows:
        yield rows, 1.0


def _row(line: bytes, number: int) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        fault = Fault(f"line {number}", "is not JSON; every line holds one object")
        raise Invalid("the file is not JSON lines as its name says", [fault]) from None
    if not isinstance(row, dict):
        fault = Fault(f"line {number}", "is not an object of names and values")
        raise Invalid("every line holds one object", [fault])
    nested = [name for name, value in row.items() if isinstance(value, dict | list)]
    if nested:
        faults = [
            Fault(name, f"line {number} holds a list or an object; only plain values are taken") for name in nested
        ]
        raise Invalid("the values are nested", faults)
    return row
