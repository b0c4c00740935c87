"""Samplers that drop training rows, after imbalanced-learn's conventions; what is served never meets them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skyulf.core.outliers import limits
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]


class DroppedRows(BaseEstimator):  # type: ignore[misc]
    """Drops rows by what stands in ``columns``, which are names in a frame or positions in an array.

    ``made_from`` is the position from which on all other columns count, too.
    """

    def __init__(self, columns: Sequence[str | int] = (), *, made_from: int | None = None) -> None:
        self.columns = columns
        self.made_from = made_from

    def fit(self, X: Any, y: Any = None) -> Self:
        """There is nothing to learn."""
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows that stay, and their targets, in their order."""
        kept = self._kept(self._compared(X))
        if kept.all():
            return X, y
        one_class = y.dtype != np.float64 and len(set(y[kept].tolist())) < 2 <= len(set(y.tolist()))
        if kept.sum() < 2 or one_class:
            raise TrainingFailed(f"{self._what} would drop too many training rows: of those left no model can learn")
        return X[kept], y[kept]

    _what = "this step"

    @abstractmethod
    def _kept(self, cells: list[Array]) -> Array:
        """Tell of each row whether it stays."""

    def _compared(self, X: Any) -> list[Array]:
        if isinstance(X, pd.DataFrame):
            return [X[name].to_numpy() for name in self.columns]
        made = () if self.made_from is None else range(self.made_from, X.shape[1])
        return [X[:, at] for at in (*self.columns, *made)]


class FilledRows(DroppedRows):
    """Drops rows of which more than a share of the cells is missing."""

    _what = "drop_missing_rows"

    def __init__(
        self, columns: Sequence[str | int] = (), *, made_from: int | None = None, max_missing: float = 0.0
    ) -> None:
        super().__init__(columns, made_from=made_from)
        self.max_missing = max_missing

    def _kept(self, cells: list[Array]) -> Array:
        kept: Array = np.mean([pd.isna(column) for column in cells], axis=0) <= self.max_missing
        return kept


class LimitedRows(DroppedRows):
    """Drops rows with a number outside the limits of its column; ``skyulf.core.outliers.limits`` says which."""

    _what = "drop_outliers"

    def __init__(
        self,
        columns: Sequence[str | int] = (),
        *,
        made_from: int | None = None,
        method: str = "iqr",
        spread: float = 1.5,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__(columns, made_from=made_from)
        self.method = method
        self.spread = spread
        self.low = low
        self.high = high

    def _kept(self, cells: list[Array]) -> Array:
        kept = np.ones(len(cells[0]), dtype=bool)
        for column in cells:
            numbers = column.astype(np.float64)
            low, high = limits(numbers, self.method, self.spread, self.low, self.high)
            kept &= ~((numbers < low) | (numbers > high))
        return kept


class EnvelopedRows(DroppedRows):
    """Drops the share of rows that lies farthest from the rest, by a robust covariance; rows with gaps stay."""

    _what = "drop_outliers"

    def __init__(
        self,
        columns: Sequence[str | int] = (),
        *,
        made_from: int | None = None,
        share: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(columns, made_from=made_from)
        self.share = share
        self.seed = seed

    def _kept(self, cells: list[Array]) -> Array:
        import warnings

        from sklearn.covariance import EllipticEnvelope

        numbers = np.column_stack(cells).astype(np.float64)
        numbers = numbers[:, [len(np.unique(column[~np.isnan(column)])) > 1 for column in numbers.T]]
        whole = ~np.isnan(numbers).any(axis=1)
        kept = np.ones(len(numbers), dtype=bool)
        if not numbers.shape[1] or whole.sum() <= numbers.shape[1] + 1:
            return kept
        scaled = numbers[whole] / numbers[whole].std(axis=0).clip(1e-300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # columns that depend on each other span no ellipse, but a flat one
            judge = EllipticEnvelope(contamination=self.share, random_state=self.seed)
            kept[whole] = judge.fit_predict(scaled) > 0
        return kept
