"""Finds out of a fitted pipeline in which columns it can take a missing cell, by asking it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from skyulf.core.columns import ColumnFacts
from skyulf.core.flow import Flow
from skyulf.core.state import InputColumn
from skyulf.core.walk import Walk


def probe_inputs(
    pipeline: Any,
    flow: Flow,
    probe: pd.DataFrame,
    columns: Sequence[ColumnFacts],
    libraries: ThreadpoolController | None = None,
) -> tuple[InputColumn, ...]:
    """Return the input schema; ``probe`` holds at least one row that the pipeline was fitted on."""
    walk = Walk(pipeline, flow.inputs, libraries)
    used = [column for column in columns if column.name in flow.inputs and column.name not in flow.unused]
    complete = {c.name: _filled(probe[c.name].to_numpy(), c) for c in used}
    able = set(_able(walk, complete, [c.name for c in used]))
    return tuple(InputColumn(c.name, c.type, c.name in able) for c in used)


def _filled(values: Any, column: ColumnFacts) -> Any:
    """Return one cell that is not missing, of the probe where it has one."""
    present = values[~pd.isna(values)]
    if len(present):
        return present[0]
    return "" if column.type == "string" else 0.0


def _able(walk: Walk, complete: dict[str, Any], names: list[str]) -> list[str]:
    """Ask for many columns at once, one row for each; where that fails, ask for halves of them."""
    if not names:
        return []
    arrays = {}
    for name, value in complete.items():
        array = np.array([value] * len(names), dtype=object if isinstance(value, str) else np.float64)
        if name in names:
            array[names.index(name)] = np.nan
        arrays[name] = array
    try:
        walk.predict(arrays)
    except ValueError:
        if len(names) == 1:
            return []
        half = len(names) // 2
        return _able(walk, complete, names[:half]) + _able(walk, complete, names[half:])
    return names
