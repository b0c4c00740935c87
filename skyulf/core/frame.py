"""Typed tables as the engine reads them: the one account of how a stored cell becomes a feature.

Numbers and booleans become float64 with NaN for missing; dates and times too, as seconds since 1970 in UTC, where a
time without a zone counts as UTC. Text becomes Python strings in object arrays with NaN for missing. ``applier``
makes the same of JSON rows, so that training and serving see identical features.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyulf.core.columns import ColumnType
from skyulf.errors import TrainingFailed

MICROSECONDS = 1e6

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def read_frame(path: str | Path, target: str | None = None) -> "pd.DataFrame":
    """Read a Parquet file into a frame of features; the column ``target`` keeps its own type.

    Integers beyond 2**53 are rounded to the nearest float64, in training as in serving; as a target they stay exact.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read()
    columns = {
        name: _target(column) if name == target else _feature(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    return pd.DataFrame(columns)  # copied into one block of numbers, of which rows are taken at once


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
