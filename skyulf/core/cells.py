"""What transformers of blocks of cells have in common, after scikit-learn's conventions.

A block is an array of rows by columns: of float64, or of objects where any of its columns holds text. A missing cell is
NaN in both.
"""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

Array = np.ndarray[Any, Any]


class CellTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Takes blocks of cells, numbers and text, with gaps; refuses what is neither."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training rows."""
        self._learn(cells_of(validate_data(self, X, dtype=None, ensure_all_finite="allow-nan")), y)
        return self

    def _learn(self, cells: Array, target: Any) -> None:
        """Learn from objects; most have nothing to learn."""

    def transform(self, X: Any) -> Array:
        """Change rows."""
        check_is_fitted(self)
        return self.compute(validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=False))

    @abstractmethod
    def compute(self, cells: Array) -> Array:
        """Change a block."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        return tags


def cells_of(block: Array) -> Array:
    """Return a block as objects: each cell is text or a float, NaN where it is missing."""
    cells = np.empty(block.shape, dtype=object)
    for at, column in enumerate(block.T):
        cells[:, at] = [cell if isinstance(cell, str) else float(cell) for cell in column.tolist()]
    return cells
