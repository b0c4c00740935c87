"""Writes a typed table as Parquet and gathers the facts of its columns on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skyulf.ingest import ColumnFacts
from skyulf.ingest.counting import Moments, ValueCounts, limit_for
from skyulf.ingest.local_forms import count_numbers
from skyulf.ingest.table import ARROW_TYPES, TypedTable

_ROW_GROUP_BYTES = 32 << 20

_ENOUGH = 1000
"""Filled cells of which a quarter must be numbers for a column of text to be looked at further."""


def write(table: TypedTable, target: Path, send: Callable[[Any], None]) -> tuple[int, list[ColumnFacts]]:
    """Write all batches to ``target``; answer the number of rows and the facts. Leaves no partial file."""
    columns = [
        _Gathered(name, kind, limit_for(len(table.names)), table.unfit.get(name, 0))
        for name, kind in zip(table.names, table.types, strict=True)
    ]
    schema = pa.schema([pa.field(column.name, ARROW_TYPES[column.kind]) for column in columns])
    rows = 0
    try:
        with pq.ParquetWriter(target, schema, compression="zstd", version="2.6") as writer:
            waiting: list[Any] = []
            for batch, fraction in table.batches:
                for column, values in zip(columns, batch.columns, strict=True):
                    column.add(values)
                rows += batch.num_rows
                waiting.append(batch)
                if sum(waited.nbytes for waited in waiting) >= _ROW_GROUP_BYTES:
                    _write_row_group(writer, waiting)
                    waiting = []
                send({"stage": "writing", "fraction": fraction})
            if waiting:
                _write_row_group(writer, waiting)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return rows, [column.facts() for column in columns]


def _write_row_group(writer: Any, batches: list[Any]) -> None:
    together = pa.Table.from_batches(batches)
    writer.write_table(together, row_group_size=max(1, together.num_rows))


class _Gathered:
    def __init__(self, name: str, kind: str, limit: int, unfit: int) -> None:
        self.name = name
        self.kind = kind
        self._unfit = unfit
        self._numbers = 0
        self._text = False
        self._nulls = self._present = self._blanks = 0
        self._counts = ValueCounts(limit)
        self._moments = Moments() if kind in ("integer", "number") else None

    def add(self, values: Any) -> None:
        self._nulls += values.null_count
        self._present += len(values) - values.null_count
        self._counts.add(values)
        if self._moments is not None:
            present = values.drop_null().to_numpy(zero_copy_only=False)
            self._moments.add(present.astype(np.float64, copy=False))
        if self.kind == "string":
            self._blanks += pc.sum(pc.count_substring(values, " ")).as_py() or 0
            self._look_for_numbers(values)

    def _look_for_numbers(self, values: Any) -> None:
        """Count on as long as it may still be a column of numbers: to look at every cell of plain text takes long."""
        if self._text:
            return
        self._numbers += count_numbers(values)
        self._text = self._present >= _ENOUGH and 4 * self._numbers < self._present

    def facts(self) -> ColumnFacts:
        distinct, commonest, rarest = self._counts.result()
        distinct = min(distinct, self._present)  # an estimate may be above what can be
        skewness = self._moments.skewness if self._moments is not None else None
        words = 1 + self._blanks / self._present if self.kind == "string" and self._present else None
        unfit = self._unfit
        if self.kind == "string" and not self._text and 2 * self._numbers > self._present:
            unfit = self._present - self._numbers
        return ColumnFacts(self.name, self.kind, self._nulls, distinct, commonest, rarest, skewness, words, unfit)
