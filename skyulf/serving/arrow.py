"""Rows and predictions as Arrow streams (Arrow columnar format, "IPC streaming format").

A stream may come from anyone. Of each batch pyarrow checks every offset and length against the bytes that there are
before anything of it is used; what it claims to unpack to, and how many rows it claims to have, are held to limits.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from skyulf.core.arrow_cells import columns_of, prediction_columns
from skyulf.core.predictions import Predictions
from skyulf.core.rows import Columns, RowReader
from skyulf.errors import Fault, Invalid
from skyulf.serving.arrow_sizes import DAMAGED, messages_of, unpacked_bytes

MOST_UNPACKED = 256 << 20
"""Bytes that compressed buffers may unpack to, all together."""

MOST_CELLS = 20_000_000
"""Rows times columns of the model: 160 MB of numbers. A column of nulls takes no bytes, however long it is."""

OPTIONS = ipc.IpcReadOptions(use_threads=False)

END = b"\xff\xff\xff\xff\0\0\0\0"
"""The end of a stream, after its messages."""


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
    return columns or columns_of(pa.Table.from_batches(batches), reader)


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


def write(predictions: Predictions, model: str, model_version: int) -> bytes:
    """Predictions, as `prediction_columns`, in a stream of one batch.

    ``model`` and ``model_version`` are the schema's metadata, and ``coverage`` that of intervals.
    """
    names, columns = prediction_columns(predictions)
    coverage = None if predictions.intervals is None else predictions.intervals.coverage
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
