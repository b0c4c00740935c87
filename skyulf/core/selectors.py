"""Transformers that keep some columns of numbers, as training rows tell; ``kept_`` are their positions."""

from abc import abstractmethod
from typing import Any

import numpy as np

from skyulf.core.transformers import Array, NumberTransformer


class _Selector(NumberTransformer):
    kept_: Array

    def compute(self, numbers: Array) -> Array:
        """Return the columns that are kept."""
        return numbers[:, self.kept_]

    @abstractmethod
    def _learn(self, numbers: Array, target: Any) -> None: ...


class Filled(_Selector):
    """Keeps the columns of which at most a share is missing, or the fullest where none is."""

    def __init__(self, max_missing: float = 0.5) -> None:
        self.max_missing = max_missing

    def _learn(self, numbers: Array, target: Any) -> None:
        missing = np.isnan(numbers).mean(axis=0)
        kept = np.flatnonzero(missing <= self.max_missing)
        self.kept_ = kept if len(kept) else np.array([missing.argmin()])


class Uncorrelated(_Selector):
    """Of columns that are correlated by more than a threshold it keeps the first."""

    def __init__(self, threshold: float = 0.95, method: str = "pearson") -> None:
        self.threshold = threshold
        self.method = method

    def _learn(self, numbers: Array, target: Any) -> None:
        if self.method == "spearman":
            from scipy.stats import rankdata

            numbers = rankdata(numbers, axis=0)
        centred = numbers - numbers.mean(axis=0)
        length = np.sqrt((centred**2).sum(axis=0))
        scaled = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
        alike = np.abs(scaled.T @ scaled) > self.threshold
        kept: list[int] = []
        for at in range(numbers.shape[1]):
            if not alike[at, kept].any():
                kept.append(at)
        self.kept_ = np.array(kept, dtype=np.intp)


class ByModel(_Selector):
    """Keeps the columns that weigh most in a model of all of them; ``keep`` is a number of them or a share."""

    def __init__(self, keep: int | float = 0.5, by: str = "trees", task: str = "classification", seed: int = 0) -> None:
        self.keep = keep
        self.by = by
        self.task = task
        self.seed = seed

    def _learn(self, numbers: Array, target: Any) -> None:
        count = numbers.shape[1]
        wanted = self.keep if isinstance(self.keep, int) else round(self.keep * count)
        ranked = np.argsort(-self._weights(numbers, target), kind="stable")
        self.kept_ = np.sort(ranked[: min(count, max(1, wanted))])

    def _weights(self, numbers: Array, target: Any) -> Array:
        from sklearn import ensemble, linear_model

        classify = self.task == "classification"
        if self.by == "trees":
            forest = ensemble.ExtraTreesClassifier if classify else ensemble.ExtraTreesRegressor
            weights: Array = forest(100, random_state=self.seed).fit(numbers, target).feature_importances_
            return weights
        spread = numbers.std(axis=0)
        scaled = (numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        line = linear_model.LogisticRegression(max_iter=1000) if classify else linear_model.Ridge()
        sizes: Array = np.abs(np.atleast_2d(line.fit(scaled, target).coef_)).max(axis=0)
        return sizes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags
