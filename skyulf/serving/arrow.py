"""Rows and predictions as Arrow streams (Arrow columnar format, "IPC streaming format").

A stream may come from anyone. Of each batch pyarrow checks every offset and length against the bytes that there are
before anything of it is used; what it claims to unpack to, and how many rows it claims to have, are held to limits.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from skyulf.core.predictions import BOUNDS, Predictions, probability_names
from skyulf.core.rows import ABSENT_COLUMN, Array, Columns, Faults, RowReader, dtype_of
from skyulf.core.state import InputColumn
from skyulf.errors import Fault, Invalid
from skyulf.serving.arrow_sizes import DAMAGED, messages_of, unpacked_bytes

MOST_UNPACKED = 256 << 20
"""Bytes that compressed buffers may unpack to, all together."""

MOST_CELLS = 20_000_000
"""Rows times columns of the model: 160 MB of numbers. A column of nulls takes no bytes, however long it is."""

OPTIONS = ipc.IpcReadOptions(use_threads=False)

END = b"\xff\xff\xff\xff\0\0\0\0"
"""The end of a stream, after its messages."""

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

SECONDS_OF_A_DAY = 86_400


def read(body: bytes, reader: RowReader) -> Columns:
    """Read the rows in a stream. Raises `Invalid`, naming row and column where it is a cell."""
    try:
        schema, found = _batches(body)
        names = schema.names
        batches = list(_checked(found, max(1, len(reader.schema))))
    except pa.ArrowNotImplementedError:
        fault = Fault("body", "it holds types or an encoding that are not taken")
        raise Invalid("the body cannot be read as an Arrow stream", [fault]) from None
    except (pa.ArrowException, OSError, EOFError, *DAMAGED):
        fault = Fault("body", "it is cut short, damaged, or of another format")
        raise Invalid("the body is not a whole Arrow stream", [fault]) from None
    if len(set(names)) < len(names):
        raise Invalid("the stream names a column twice", [Fault("body", "names must differ")])
    if not any(batch.num_rows for batch in batches):
        raise Invalid("there are no rows", [Fault("rows", "at least one row")])
    columns = _plain_numbers(batches[0], names, reader) if len(batches) == 1 else None
    return columns or _columns(pa.Table.from_batches(batches), reader)


def _plain_numbers(batch: Any, names: list[str], reader: RowReader) -> Columns | None:
    """All columns at once, where they are numbers and each cell is one; else None."""
    if not reader.is_block:
        return None
    try:
        wanted = [column.name for column in reader.schema]
        chosen = batch if names == wanted else batch.select(wanted)
        matrix = chosen.to_tensor(null_to_nan=True).to_numpy()
    except (pa.ArrowException, KeyError):  # of other types, or not there
        return None
    if matrix.dtype != np.float64 or not np.isfinite(matrix).all():
        return None
    return reader.block(matrix)


def _batches(body: bytes) -> tuple[Any, Iterator[Any]]:
    """A stream's schema and its batches; what its messages claim to unpack to is added up before."""
    messages = messages_of(body)
    unpacked = 0
    for claimed in unpacked_bytes(messages):
        unpacked += claimed
        if unpacked > MOST_UNPACKED:
            fault = Fault("body", f"what is compressed in it unpacks to more than {MOST_UNPACKED >> 20} MiB")
            raise Invalid("the Arrow stream is too large", [fault])
    if not unpacked and [message.type for message in messages] == ["schema", "record batch"]:  # the usual stream
        schema = ipc.read_schema(messages[0])
        return schema, iter([ipc.read_record_batch(messages[1], schema)])
    stream = ipc.open_stream(body, options=OPTIONS)
    return stream.schema, stream


def _checked(batches: Iterator[Any], columns: int) -> Iterator[Any]:
    """Every batch of a stream, once it has been checked."""
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        if rows * columns > MOST_CELLS:
            fault = Fault("rows", f"at most {MOST_CELLS // columns:,} rows of this model in one request")
            raise Invalid("there are too many rows", [fault])
        batch.validate(full=True)
        yield batch


def _columns(table: Any, reader: RowReader) -> Columns:
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


def write(predictions: Predictions, model: str, model_version: int) -> bytes:
    """Predictions as a stream of one batch.

    ``prediction`` is of the target's type (a regressor's a float64, null where it is not finite); of a classifier
    ``probability_<class>`` follows for each class, in order; of a regressor whose intervals are asked for, ``lower``
    and ``upper``. ``model`` and ``model_version`` are the schema's metadata, and ``coverage`` that of intervals.
    """
    columns = [_said(predictions)]
    if predictions.chances is not None:
        columns += [pa.array(np.ascontiguousarray(chances)) for chances in predictions.chances.T]
    names: tuple[str, ...] = ("prediction", *probability_names(predictions))
    coverage = None
    if predictions.intervals is not None:
        columns += [_numbers(ends) for ends in predictions.intervals.around(predictions.values)]
        names, coverage = (*names, *BOUNDS), predictions.intervals.coverage
    schema, head = _schema(names, columns[0].type, model, model_version, coverage)
    batch = pa.RecordBatch.from_arrays(columns, schema=schema).serialize()
    return b"".join((head, memoryview(batch), END))


@lru_cache(64)
def _schema(
    names: tuple[str, ...], said: Any, model: str, model_version: int, coverage: float | None
) -> tuple[Any, bytes]:
    """The schema of answers, and the message that begins a stream with it; the same for all that a model says."""
    fields = [pa.field(names[0], said), *(pa.field(name, pa.float64()) for name in names[1:])]
    told = {"model": model, "model_version": str(model_version)}
    schema = pa.schema(fields, told if coverage is None else {**told, "coverage": str(coverage)})
    return schema, schema.serialize().to_pybytes()


def _numbers(values: Array) -> Any:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _said(predictions: Predictions) -> Any:
    values, classes = predictions.values, predictions.classes
    if classes is None:
        return _numbers(values)
    if all(type(label) is str for label in classes):
        return pa.array(predictions.predictions, pa.string())
    return pa.array(np.array(classes)[values])
