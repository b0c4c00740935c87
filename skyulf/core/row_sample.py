"""A bounded sample of a table's rows, drawn while it is read: which rows follows from their number and a seed alone."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROWS = 20_000
"""Rows of a sample, of tables that are not very wide."""

CELLS = 4_000_000
"""Cells of a sample; of tables with more than 200 columns fewer rows are drawn, but never fewer than `FEWEST`."""

FEWEST = 1_000

LETTERS = 200
"""Signs of a text that are kept."""


def sample_size(columns: int, rows: int) -> int:
    """How many rows are drawn of a table of so many columns and rows."""
    return min(rows, max(FEWEST, min(ROWS, CELLS // max(columns, 1))))


def rank_error(sampled: int, rows: int) -> float:
    """How far a quantile's rank may be off: the bound that holds for all quantiles together with probability 0.95.

    0 where every row was taken. Dvoretzky, Kiefer, Wolfowitz (1956), with the constant of Massart (1990).
    """
    return 0.0 if sampled >= rows else math.sqrt(math.log(2 / 0.05) / (2 * sampled))


class RowSample:
    """A simple random sample of ``size`` of ``rows`` rows; the same whatever the batches are that rows come in."""

    def __init__(self, rows: int, size: int, seed: int = 0) -> None:
        chosen = np.arange(rows) if size >= rows else _chosen(rows, size, seed)
        self._chosen = chosen
        self._at = 0
        self._taken: list[Any] = []

    def add(self, batch: Any) -> None:
        """Take the rows that were chosen from the batch that comes next."""
        begin, end = np.searchsorted(self._chosen, (self._at, self._at + batch.num_rows))
        if end > begin:
            rows = pa.array(self._chosen[begin:end] - self._at)
            taken = [_short(column.take(rows)) for column in batch.columns]
            self._taken.append(pa.RecordBatch.from_arrays(taken, names=batch.schema.names))
        self._at += batch.num_rows

    def columns(self, names: Sequence[str]) -> dict[str, Any]:
        """The sampled cells of each column, by name."""
        if not self._taken:
            return {name: pa.nulls(0) for name in names}
        table = pa.Table.from_batches(self._taken).combine_chunks()
        return {name: pa.concat_arrays(column.chunks) for name, column in zip(names, table.columns, strict=True)}


def sampled(batches: Iterable[Any], names: Sequence[str], rows: int, seed: int = 0) -> dict[str, Any]:
    """The sampled cells of each column of a table that is read for its sample alone."""
    sample = RowSample(rows, sample_size(len(names), rows), seed)
    for batch in batches:
        sample.add(batch)
    return sample.columns(names)


def _chosen(rows: int, size: int, seed: int) -> Any:
    """Rows without replacement, sorted; memory grows with the size, not with the table."""
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False, shuffle=False))


def _short(values: Any) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    return pc.utf8_slice_codeunits(values, 0, LETTERS) if pa.types.is_string(values.type) else values
