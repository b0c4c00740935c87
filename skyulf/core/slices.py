"""The metrics of an evaluation for each part of the rows held out, by the values of a column.

A model can be good on the whole and bad where few rows are; a part with few rows is marked, for its metrics are noise.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.columns import ColumnFacts, ColumnType
from skyulf.core.evaluation import Metrics, json_label

Array = np.ndarray[Any, Any]

MOST_VALUES = 20
"""A column with more values is told by its commonest ones, or by ranges of its numbers."""

RANGES = 5
"""As many ranges as that, with as many rows each."""

FEW = 30
"""Rows; with fewer a part is marked as small."""


def slices_of(
    columns: Sequence[ColumnFacts], features: pd.DataFrame, judge: Callable[[Array], Metrics]
) -> list[dict[str, Any]]:
    """Slice rows held out by each column, and ``judge`` each part; ``judge`` takes a mask of the rows.

    Each part has the ``value`` that its rows share (of the column's type; dates and times as ISO 8601 text), or the
    ``range`` of them (both ends included), or else it holds what is ``missing`` or all ``other`` values.
    """
    sliced = []
    for column in columns:
        parts = [
            {**said, "rows": int(mask.sum()), "small": bool(mask.sum() < FEW), "metrics": judge(mask)}
            for said, mask in _parts(features[column.name], column.type)
        ]
        sliced.append({"column": column.name, "parts": parts})
    return sliced


def _parts(cells: "pd.Series[Any]", kind: ColumnType) -> Iterator[tuple[dict[str, Any], Array]]:
    missing = cells.isna().to_numpy()
    known = cells[~missing]
    counts = known.value_counts(sort=False)
    if len(counts) > MOST_VALUES and kind not in ("string", "boolean"):
        yield from _ranges(cells.to_numpy(dtype=np.float64), kind)
    else:
        # The commonest first, and of equally common ones the first by value.
        values, numbers = counts.index.to_numpy(), counts.to_numpy()
        named = values[np.lexsort((values.argsort().argsort(), -numbers))][:MOST_VALUES].tolist()
        for value in named if kind == "string" else sorted(named):
            yield {"value": _said(value, kind)}, (cells == value).to_numpy(dtype=bool)
        other = ~missing & ~cells.isin(named).to_numpy()
        if other.any():
            yield {"other": len(values) - len(named)}, other
    if missing.any():
        yield {"missing": True}, missing


def _ranges(numbers: Array, kind: ColumnType) -> Iterator[tuple[dict[str, Any], Array]]:
    """Ranges of as many rows each; equal numbers are in one range."""
    edges = np.unique(np.nanquantile(numbers, np.arange(RANGES + 1) / RANGES, method="inverted_cdf"))
    for at, high in enumerate(edges[1:]):
        inside = (numbers <= high) & (numbers >= edges[0] if at == 0 else numbers > edges[at])
        found = numbers[inside]
        yield {"range": [_said(found.min(), kind), _said(found.max(), kind)]}, inside


def _said(value: Any, kind: ColumnType) -> Any:
    if kind in ("date", "datetime"):
        moment = datetime.fromtimestamp(float(value), UTC)
        return moment.date().isoformat() if kind == "date" else moment.isoformat()
    return json_label(value, kind)
