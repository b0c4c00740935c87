"""Cells of CSV → cells as JSON would have them, by the type of their column."""

import math
import re
from collections.abc import Sequence
from typing import Any

from skyulf.core.columns import MISSING, ColumnType
from skyulf.core.rows import Cells

_MISSING = frozenset(MISSING)

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TRUTHS = {"true": True, "false": False}


def typed(texts: Sequence[str], kind: ColumnType) -> Cells:
    """The cells of a column; one that does not fit stays text, for the model to refuse by row and column."""
    if kind == "string":
        return [None if text in _MISSING else text for text in texts]
    if kind in ("integer", "number") and (numbers := _plain_numbers(texts)) is not None:
        return numbers
    return [_one(text, kind) for text in texts]


def _plain_numbers(texts: Sequence[str]) -> list[float] | None:
    """The numbers, where none is missing and all are as Python and everyone else write them."""
    try:
        numbers = list(map(float, texts))
    except ValueError:
        return None
    return numbers if math.isfinite(sum(numbers)) and "_" not in "".join(texts) else None


def _one(text: str, kind: ColumnType) -> Any:
    tidy = text.strip()
    if tidy in _MISSING:
        return None
    if kind == "boolean":
        return _TRUTHS.get(tidy.lower(), text)
    if kind in ("integer", "number"):
        return float(tidy) if _NUMBER.fullmatch(tidy) else text
    return tidy
