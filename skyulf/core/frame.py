"""Typed tables as the engine reads them: the one account of how a stored cell becomes a feature.

Numbers and booleans become float64 with NaN for missing; dates and times too, as seconds since 1970 in UTC, where a
time without a zone counts as UTC. Text becomes Python strings in object arrays with NaN for missing. ``applier``
makes the same of JSON rows, so that training and serving see identical features.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyulf.core.columns import ColumnType
from skyulf.errors import TrainingFailed

MICROSECONDS = 1e6

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


MANY_CELLS = 20_000_000
"""Cells from which on a table is read column by column, so that it is not there twice: one by one they take longer."""


PIECEWISE: dict[str, Any] = {"pre_buffer": False, "buffer_size": 1 << 18}
"""How a file is opened of which no more than a piece shall be held."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How many rows of a table are drawn, and the seed that says which (`skyulf.core.drawing`)."""

    rows: int
    seed: int


def read_frame(
    path: str | Path,
    target: str | None = None,
    sample: Sample | None = None,
    only: Collection[str] | None = None,
) -> "pd.DataFrame":
    """Read a Parquet file into a frame of features; the column ``target`` keeps its own type.

    Of a table that is sampled no more is held at a time than a piece of it, beside what was drawn. Columns that are
    not among ``only``, where that is given, are not read: they are there, as missing throughout. Integers beyond 2**53
    are rounded to the nearest float64, in training as in serving; as a target they stay exact.
    """
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, **({} if sample is None else PIECEWISE)) as file:
        names: list[str] = file.schema_arrow.names
        rows: int = file.metadata.num_rows if sample is None else sample.rows
        wanted = [name for name in names if only is None or name in only]
        asked = _asked(names, wanted)
        if sample is not None:
            table = _drawn(file, asked, sample)
        elif rows * len(wanted) < MANY_CELLS:
            table = file.read(columns=asked)
        columns = {}
        for name in names:
            if name not in wanted:
                columns[name] = np.full(rows, np.nan)
            elif sample is None and rows * len(wanted) >= MANY_CELLS:
                columns[name] = _made(file.read(columns=[name]), name, target)
            else:
                columns[name] = _made(table, name, target)
    return pd.DataFrame(columns)  # copied into one block of numbers, of which rows are taken at once


def read_pieces(path: str | Path, target: str | None, size: int, only: Collection[str]) -> "Iterator[pd.DataFrame]":
    """Read a Parquet file as `read_frame` does, but in pieces of ``size`` rows; it holds no more than one at a time."""
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, **PIECEWISE) as file:
        names: list[str] = file.schema_arrow.names
        asked = _asked(names, [name for name in names if name in only])
        for table in _in_pieces(file, asked, size):
            rows = table.num_rows
            yield pd.DataFrame(
                {name: _made(table, name, target) if name in only else np.full(rows, np.nan) for name in names}
            )


def _asked(names: list[str], wanted: list[str]) -> list[str] | None:
    """The columns to ask Arrow for, or None for all: to it, a name stands for those that follow it after a point."""
    return None if any("." in name for name in names) else wanted


def _made(table: Any, name: str, target: str | None) -> Any:
    return _target(table.column(name)) if name == target else _feature(table.column(name))


def _drawn(file: Any, names: list[str] | None, sample: Sample) -> Any:
    """The rows of a sample as an Arrow table."""
    import pyarrow as pa

    from skyulf.core.drawing import PIECE, drawn_pieces

    pieces = drawn_pieces(file.metadata.num_rows, sample.rows, sample.seed)
    return pa.concat_tables([table.take(pa.array(next(pieces))) for table in _in_pieces(file, names, PIECE)])


def _in_pieces(file: Any, names: list[str] | None, size: int) -> Iterator[Any]:
    """Tables of so many rows each, but for the last, whatever the row groups of the file are."""
    import pyarrow as pa

    schema = file.schema_arrow if names is None else pa.schema([file.schema_arrow.field(name) for name in names])
    waiting: list[Any] = []
    held = 0
    for batch in file.iter_batches(size, columns=names, use_threads=False):
        waiting.append(batch)
        held += batch.num_rows
        while held >= size:
            table = pa.Table.from_batches(waiting, schema)
            yield table.slice(0, size)
            rest = table.slice(size)
            waiting, held = rest.to_batches(), rest.num_rows
    if held:
        yield pa.Table.from_batches(waiting, schema)


def _feature(column: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        return column.cast(pa.uint8()).cast(pa.float64()).to_numpy()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False).to_numpy()
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        moments = column.cast(pa.timestamp("us", "UTC" if getattr(kind, "tz", None) else None), safe=False)
        return moments.cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy() / MICROSECONDS
    return pd.Series(_strings(column), dtype=object)


def _strings(column: Any) -> "np.ndarray[Any, Any]":
    import numpy as np
    import pyarrow as pa

    text: np.ndarray[Any, Any] = column.cast(pa.string()).to_numpy(zero_copy_only=False).astype(object)
    text[column.is_null().to_numpy(zero_copy_only=False).astype(bool)] = np.nan
    return text


def _target(column: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        if not column.null_count:
            return column.cast(pa.int64()).to_numpy()
        return column.cast(pa.int64()).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return _feature(column)


def target_values(series: "pd.Series[Any]", kind: ColumnType) -> "np.ndarray[Any, Any]":
    """Return a target without missing cells in its own type: int64, float64, bool or object (of str).

    Raises TrainingFailed when a cell is not of that type or not finite.
    """
    import numpy as np

    if kind == "string":
        return np.array([str(value) for value in series.to_numpy(dtype=object)], dtype=object)
    if kind == "boolean":
        truths: np.ndarray[Any, Any] = series.to_numpy(dtype=np.float64) != 0
        return truths
    if kind == "integer":
        return series.to_numpy(dtype=np.int64)
    values = series.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise TrainingFailed(f"the target {series.name} holds infinite values; remove those rows")
    return values
