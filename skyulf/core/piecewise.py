"""What can be learnt of a table that comes in pieces, exactly as from all of its rows at once (docs/decisions/0030)."""

from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class Learner(Protocol):
    """An estimator that learns from pieces."""

    def learn(self, numbers: Array, target: Array) -> None:
        """Take a piece: rows by columns of numbers, and the target of each row."""

    def finish(self) -> None:
        """Make the estimator what it is once every piece was taken."""


class Moments:
    """Count, mean, variance, least and largest number of each column, of the cells that are not missing (NaN).

    Pieces are merged after Chan, Golub and LeVeque (1983), which loses no digits where numbers are large and lie close.
    scikit-learn's own merging is not used: a column that is missing throughout a piece turns what it knows into NaN.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._counts: Any = 0
        self._mean: Any = 0.0
        self._squares: Any = 0.0
        self.least: Any = np.nan
        self.largest: Any = np.nan

    def add(self, numbers: Array) -> None:
        """Take a piece: rows by columns."""
        numbers = np.asarray(numbers, dtype=np.float64)
        there = ~np.isnan(numbers)
        counts = there.sum(axis=0)
        some = np.maximum(counts, 1)
        mean = np.where(there, numbers, 0.0).sum(axis=0) / some
        away = np.where(there, numbers - mean, 0.0)
        mean = mean + away.sum(axis=0) / some  # what rounding took
        squares = (np.where(there, numbers - mean, 0.0) ** 2).sum(axis=0)
        total = self._counts + counts
        apart, share = mean - self._mean, counts / np.maximum(total, 1)
        self._squares = self._squares + np.where(counts > 0, squares + apart**2 * self._counts * share, 0.0)
        self._mean = self._mean + np.where(counts > 0, apart * share, 0.0)
        self._counts = total
        self.least = np.fmin(self.least, np.fmin.reduce(numbers, axis=0))
        self.largest = np.fmax(self.largest, np.fmax.reduce(numbers, axis=0))
        self.rows += len(numbers)

    @property
    def filled(self) -> Any:
        """How many cells of each column are there, or one number where they are as many in all."""
        return self._counts if np.ptp(self._counts) else int(self._counts[0])

    @property
    def mean(self) -> Array:
        """The means; NaN of a column without cells."""
        return np.where(self._counts > 0, self._mean, np.nan)

    @property
    def variance(self) -> Array:
        """The variances, of the whole and not of a sample of it; NaN of a column without cells."""
        return np.where(self._counts > 0, self._squares / np.maximum(self._counts, 1), np.nan)

    @property
    def deviation(self) -> Array:
        """The standard deviations, and 1 where a column is constant but for rounding, by StandardScaler's bound."""
        eps, variance = np.finfo(np.float64).eps, self.variance
        constant = variance <= self._counts * eps * variance + (self._counts * self._mean * eps) ** 2
        return np.where(constant, 1.0, np.sqrt(variance))


class PartialFits:
    """An estimator of scikit-learn's whose ``partial_fit`` is all there is to it."""

    def __init__(self, estimator: Any, classes: Array | None) -> None:
        self._estimator = estimator
        self._classes = {} if classes is None else {"classes": classes}

    def learn(self, numbers: Array, target: Array) -> None:
        """Take a piece."""
        self._estimator.partial_fit(numbers, target, **self._classes)

    def finish(self) -> None:
        """Nothing is left to do."""


class NormalCounts(PartialFits):
    """A GaussianNB, which smooths every variance by a share of the largest one.

    Its own ``partial_fit`` takes that of the piece that came last; here it smooths nothing until all pieces are there.
    """

    def __init__(self, estimator: Any, classes: Array | None) -> None:
        super().__init__(estimator, classes)
        self._smoothing = estimator.var_smoothing
        self._moments = Moments()
        estimator.var_smoothing = 0.0

    def learn(self, numbers: Array, target: Array) -> None:
        """Take a piece."""
        self._moments.add(numbers)
        super().learn(numbers, target)

    def finish(self) -> None:
        """Smooth."""
        estimator = self._estimator
        estimator.var_smoothing = self._smoothing
        estimator.epsilon_ = self._smoothing * self._moments.variance.max()
        estimator.var_ = estimator.var_ + estimator.epsilon_
