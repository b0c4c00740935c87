"""Parquet files: their column types mapped to ours, refused by name where there is none."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from skyulf.errors import Fault, Invalid
from skyulf.ingest.table import ARROW_TYPES, TypedTable, bare, check_names, infinite

_PIECE = 1 << 20
_CELLS = 1 << 20

_KINDS: tuple[tuple[str, tuple[Callable[[Any], bool], ...]], ...] = (
    ("integer", (types.is_integer,)),
    ("number", (types.is_floating, types.is_decimal)),
    ("boolean", (types.is_boolean,)),
    ("string", (types.is_string, types.is_large_string, types.is_string_view, types.is_null)),
    ("date", (types.is_date,)),
    ("datetime", (types.is_timestamp,)),
)


def open_parquet(path: Path) -> TypedTable:
    """Check the file; answer the table. Raises Invalid, while being read too."""
    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_PIECE)
    except (pa.ArrowException, OSError):
        raise Invalid("the file is damaged, cut short, or not Parquet as its name says") from None
    schema = file.schema_arrow
    check_names(schema.names)
    kinds = _kinds(schema)
    if not file.metadata.num_rows:
        raise Invalid("the file has columns and no rows")
    return TypedTable(schema.names, kinds, _typed(file, schema.names, kinds))


def _kinds(schema: Any) -> list[str]:
    kinds = {field.name: _kind(field.type) for field in schema}
    faults = [
        Fault(field.name, f"is of type {bare(str(field.type))}, which is not taken; convert or drop the column")
        for field in schema
        if kinds[field.name] is None
    ]
    if faults:
        raise Invalid("the file has columns of types that are not taken", faults)
    return [kind for kind in kinds.values() if kind is not None]


def _kind(arrow_type: Any) -> str | None:
    if types.is_dictionary(arrow_type):
        return _kind(arrow_type.value_type)
    return next((kind for kind, tests in _KINDS if any(test(arrow_type) for test in tests)), None)


def _typed(file: Any, names: Sequence[str], kinds: Sequence[str]) -> Iterator[tuple[Any, float]]:
    schema = pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in zip(names, kinds, strict=True)])
    rows, total = 0, file.metadata.num_rows
    try:
        for batch in file.iter_batches(max(64, min(1 << 16, _CELLS // len(names))), use_threads=False):
            columns = [
                _converted(values, name, kind, rows)
                for values, name, kind in zip(batch.columns, names, kinds, strict=True)
            ]
            rows += batch.num_rows
            yield pa.record_batch(columns, schema=schema), rows / total
    except (pa.ArrowInvalid, OSError) as error:
        raise Invalid(f"the file is damaged: after row {rows} it cannot be read ({bare(str(error))})") from None
    finally:
        file.close()


def _converted(values: Any, name: str, kind: str, rows_before: int) -> Any:
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        # Timestamps finer than a microsecond are cut; everything else must fit.
        converted = pc.cast(values, ARROW_TYPES[kind], safe=kind != "datetime")
        converted.validate(full=kind == "string")
    except pa.ArrowInvalid:
        fault = Fault(name, f"holds values that do not fit the type {kind}, after row {rows_before}")
        raise Invalid("the file has columns that cannot be converted", [fault]) from None
    if kind != "number":
        return converted
    if pc.any(pc.is_inf(converted)).as_py():
        raise infinite(name, rows_before + pc.index(pc.is_inf(converted), value=True).as_py() + 1)
    return pc.if_else(pc.is_nan(converted), None, converted)
