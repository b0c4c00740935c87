"""Samplers after imbalanced-learn's conventions: they choose the rows that later steps and the model are fitted on."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skyulf.errors import TrainingFailed


class UniqueRows(BaseEstimator):  # type: ignore[misc]
    """Keeps one of the rows that are alike in ``columns``, which are names in a frame or positions in an array.

    ``made_from`` is the position from which on all other columns count, too; ``target`` tells whether the target does.
    """

    def __init__(
        self,
        columns: Sequence[str | int] = (),
        *,
        made_from: int | None = None,
        target: bool = True,
        keep: Literal["first", "last"] = "first",
    ) -> None:
        self.columns = columns
        self.made_from = made_from
        self.target = target
        self.keep = keep

    def fit(self, X: Any, y: Any = None) -> Self:
        """There is nothing to learn."""
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows that stay, and their targets, in their order."""
        compared = {str(at): values for at, values in enumerate(self._compared(X))}
        if self.target:
            compared["target"] = y
        kept = ~pd.DataFrame(compared).duplicated(keep=self.keep).to_numpy()
        if kept.all():
            return X, y
        if y.dtype != np.float64 and len(set(y[kept].tolist())) < 2 <= len(set(y.tolist())):
            raise TrainingFailed("drop_duplicates leaves rows of one class of the target only; compare more columns")
        return X[kept], y[kept]

    def _compared(self, X: Any) -> list[Any]:
        if isinstance(X, pd.DataFrame):
            return [X[name].to_numpy() for name in self.columns]
        made = () if self.made_from is None else range(self.made_from, X.shape[1])
        return [X[:, at] for at in (*self.columns, *made)]


class CountRows(BaseEstimator):  # type: ignore[misc]
    """Lets all rows pass, and counts them: what samplers before it leave for the model."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """There is nothing to learn."""
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Count."""
        self.rows_ = len(y)
        return X, y


def is_sampler(step: Any) -> bool:
    """Tell whether a pipeline's step chooses rows."""
    return hasattr(step, "fit_resample")


def without_samplers(pipeline: Any) -> Any:
    """Return a fitted pipeline as one of scikit-learn's own, without what only fitting needs."""
    from sklearn.pipeline import Pipeline

    return Pipeline([(name, step) for name, step in pipeline.steps if not is_sampler(step)])
