"""Transformers that put cells right, one by one, after scikit-learn's conventions; a missing cell is NaN.

A block of cells is an array of float64, or of objects where any of its columns holds text.
"""

import math
import re
import unicodedata
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from skyulf.core.cells import Array, CellTransformer, cells_of

Cell = str | float


class _Cells(OneToOneFeatureMixin, CellTransformer):  # type: ignore[misc]
    """Changes cells, and has nothing to learn."""

    def compute(self, cells: Array) -> Array:
        """Change an array of rows by columns."""
        if cells.dtype.kind not in "OU":
            return self.numbers(cells.astype(np.float64))
        cells = cells_of(cells)
        changed = np.empty(cells.shape, dtype=object)
        for at, column in enumerate(cells.T):
            made = {cell: self.cell(cell) for cell in set(column.tolist()) if cell == cell}
            changed[:, at] = [made[cell] if cell == cell else math.nan for cell in column.tolist()]
        return changed

    def numbers(self, cells: Array) -> Array:
        """Change an array of float64."""
        changed: Array = np.vectorize(self.cell, otypes=[np.float64])(cells) if cells.size else cells
        return np.where(np.isnan(cells), np.nan, changed)

    @abstractmethod
    def cell(self, cell: Any) -> Any:
        """Change a cell that is not missing."""


class Replace(_Cells):
    """Puts other cells in the place of those that ``values`` names, by text; None stands for missing."""

    def __init__(self, values: Mapping[str, Cell | None] | None = None, ignore_case: bool = False) -> None:
        self.values = values
        self.ignore_case = ignore_case

    def cell(self, cell: Any) -> Any:
        """Look the cell up."""
        if not isinstance(cell, str):
            return float(self.numbers(np.array([float(cell)]))[0])
        key = cell.strip().casefold() if self.ignore_case else cell
        by_key = {k.strip().casefold() if self.ignore_case else k: v for k, v in (self.values or {}).items()}
        return _or_missing(by_key[key]) if key in by_key else cell

    def numbers(self, cells: Array) -> Array:
        """Compare with every value."""
        changed = cells.copy()
        for value, other in (self.values or {}).items():
            number = as_number(value)
            if number is not None:
                changed[cells == number] = _or_missing(other)
        return changed


class SetMissing(_Cells):
    """Takes cells for missing that cannot be true."""

    def __init__(
        self,
        minimum: float | None = None,
        maximum: float | None = None,
        values: Sequence[Cell] = (),
        allowed: Sequence[Cell] | None = None,
    ) -> None:
        self.minimum = minimum
        self.maximum = maximum
        self.values = values
        self.allowed = allowed

    def cell(self, cell: Any) -> Any:
        """Judge the cell."""
        if not isinstance(cell, str):
            return float(self.numbers(np.array([float(cell)]))[0])
        wrong = cell in self.values or (self.allowed is not None and cell not in self.allowed)
        return math.nan if wrong else cell

    def numbers(self, cells: Array) -> Array:
        """Judge numbers."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        right = (cells >= low) & (cells <= high) & ~np.isin(cells, _numbers_of(self.values))
        if self.allowed is not None:
            right &= np.isin(cells, _numbers_of(self.allowed))
        return np.where(right, cells, np.nan)


class CleanText(_Cells):
    """Writes text in one way; text of which nothing is left is missing."""

    def __init__(
        self,
        case: str | None = "lower",
        spaces: bool = True,
        accents: bool = False,
        punctuation: bool = False,
        digits: bool = False,
    ) -> None:
        self.case = case
        self.spaces = spaces
        self.accents = accents
        self.punctuation = punctuation
        self.digits = digits

    def cell(self, cell: Any) -> Any:
        """Clean the cell."""
        if not isinstance(cell, str):
            raise ValueError("text is cleaned, not numbers; cast to category first")
        if self.accents:
            cell = "".join(c for c in unicodedata.normalize("NFKD", cell) if not unicodedata.combining(c))
        if self.punctuation:
            cell = "".join(" " if unicodedata.category(c)[0] in "PS" else c for c in cell)
        if self.digits:
            cell = "".join(c for c in cell if not c.isdigit())
        if self.case is not None:
            cell = cell.lower() if self.case == "lower" else cell.upper()
        if self.spaces:
            cell = re.sub(r"\s+", " ", cell).strip()
        return cell or math.nan


def as_number(value: Cell) -> float | None:
    """Return the finite number that a value is or says, or None."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numbers_of(values: Sequence[Cell]) -> list[float]:
    return [number for value in values if (number := as_number(value)) is not None]


def _or_missing(cell: Cell | None) -> Cell:
    return math.nan if cell is None else cell
