"""Transformers that scikit-learn has not, after its conventions: what they learn ends in an underscore.

Cells that are missing are NaN and stay so. Each computes on a plain array in ``compute``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.utils.validation import check_is_fitted, validate_data

from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]

LIMIT = 1e30
"""Numbers are kept within this, so that what later steps compute of them stays finite."""


class NumberTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Takes numbers, learns from each column, and gives numbers."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training rows."""
        self._learn(validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan"), y)
        return self

    def transform(self, X: Any) -> Array:
        """Change rows."""
        check_is_fitted(self)
        numbers = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.compute(numbers)

    @abstractmethod
    def _learn(self, numbers: Array, target: Any) -> None: ...

    @abstractmethod
    def compute(self, numbers: Array) -> Array:
        """Change an array of rows by columns."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class MedianImputer(SimpleImputer):  # type: ignore[misc]
    """A SimpleImputer that learns its medians by selection, where scikit-learn sorts masked arrays: 8 times as quick.

    Once fitted it is a SimpleImputer and nothing else, and `settled` makes one of what it was cloned from, so that
    files and exports meet no other class.
    """

    def fit(self, X: Any, y: Any = None) -> Any:
        """Learn from training rows: from one row that holds the medians, whose medians are the same."""
        cells = np.asarray(X)
        if cells.dtype == np.float64:
            medians = [_median(column[~np.isnan(column)]) for column in cells.T]
            row = X.iloc[:1].copy() if hasattr(X, "iloc") else np.empty((1, len(medians)))
            row[:] = [medians]
            X = row
        super().fit(X, y)
        self.__class__ = SimpleImputer
        return self


def settled(transformer: Any) -> None:
    """Make scikit-learn's own class of what a fitted transformer keeps unfitted."""
    for _, kept, *_ in (*getattr(transformer, "transformers", ()), *getattr(transformer, "parts", ())):
        settled(kept)
    for fitted in getattr(transformer, "fitted_", ()):  # of branches
        settled(fitted)
    if hasattr(transformer, "remainder"):
        settled(transformer.remainder)
    if type(transformer) is MedianImputer:
        transformer.__class__ = SimpleImputer


def _median(present: Array) -> float:
    return float(np.median(present)) if len(present) else np.nan


class Clipper(OneToOneFeatureMixin, NumberTransformer):  # type: ignore[misc]
    """Keeps each column within limits learnt from its quantiles.

    The limits are the quantiles ``low`` and ``high`` themselves, or as many times ``factor`` the distance between
    the two outside them. A column that is missing throughout has no limits.
    """

    def __init__(self, low: float = 0.25, high: float = 0.75, factor: float = 0.0) -> None:
        self.low = low
        self.high = high
        self.factor = factor

    def _learn(self, numbers: Array, target: Any) -> None:
        self.lower_ = np.full(numbers.shape[1], -np.inf)
        self.upper_ = np.full(numbers.shape[1], np.inf)
        for at, column in enumerate(numbers.T):
            present = column[~np.isnan(column)]
            if len(present):
                low, high = np.quantile(present, [self.low, self.high])
                self.lower_[at] = low - self.factor * (high - low)
                self.upper_[at] = high + self.factor * (high - low)

    def compute(self, numbers: Array) -> Array:
        """Put what is outside the limits on them."""
        return np.clip(numbers, self.lower_, self.upper_)


class Power(OneToOneFeatureMixin, NumberTransformer):  # type: ignore[misc]
    """Makes each column's distribution symmetric by the power that scipy finds likeliest, then standard.

    For Box-Cox what is below the least number of the training rows counts as that.
    """

    def __init__(self, method: str = "yeo_johnson") -> None:
        self.method = method

    def _learn(self, numbers: Array, target: Any) -> None:
        from scipy import stats

        count = numbers.shape[1]
        self.powers_, self.floors_ = np.ones(count), np.full(count, -np.inf)
        self.means_, self.scales_ = np.zeros(count), np.ones(count)
        for at, column in enumerate(numbers.T):
            present = column[~np.isnan(column)]
            if self.method == "box_cox" and len(present):
                self.floors_[at] = present.min()
                if self.floors_[at] <= 0:
                    raise TrainingFailed("power_transform with box_cox takes positive numbers only; use yeo_johnson")
            if len(present) and np.ptp(present) > 0:
                with np.errstate(all="ignore"):
                    finder = stats.boxcox if self.method == "box_cox" else stats.yeojohnson
                    self.powers_[at] = finder(present)[1]
        with np.errstate(all="ignore"):
            powered = self._powered(numbers)
        for at, column in enumerate(powered.T):
            present = column[~np.isnan(column)]
            if len(present):
                self.means_[at] = present.mean()
                self.scales_[at] = present.std() or 1.0

    def _powered(self, numbers: Array) -> Array:
        from scipy import special, stats

        columns = []
        for at, column in enumerate(np.maximum(numbers, self.floors_).T):
            power = self.powers_[at]
            columns.append(
                special.boxcox(column, power) if self.method == "box_cox" else stats.yeojohnson(column, power)
            )
        powered: Array = np.clip(np.column_stack(columns), -LIMIT, LIMIT)
        return powered

    def compute(self, numbers: Array) -> Array:
        """Raise to the powers and put on one scale."""
        with np.errstate(all="ignore"):
            scaled: Array = np.clip((self._powered(numbers) - self.means_) / self.scales_, -LIMIT, LIMIT)
        return scaled


class DateParts(NumberTransformer):
    """Takes moments apart: seconds since 1970 (UTC) in, numbers out, the parts of one column side by side."""

    def __init__(self, parts: Sequence[str] = ("year", "month", "day")) -> None:
        self.parts = parts

    def _learn(self, numbers: Array, target: Any) -> None:
        """There is nothing to learn."""

    def compute(self, numbers: Array) -> Array:
        """Return every part of every column; of a missing moment all are missing."""
        return np.column_stack([_part(column, part) for column in numbers.T for part in self.parts])


def _part(seconds: Array, part: str) -> Array:
    missing = np.isnan(seconds)
    whole = np.floor(np.where(missing, 0.0, seconds)).astype(np.int64)
    days, rest = np.divmod(whole, 86_400)
    date = days.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    year = date.astype("datetime64[Y]")
    values: dict[str, Any] = {
        "year": lambda: year.astype(np.int64) + 1970,
        "month": lambda: month.astype(np.int64) % 12 + 1,
        "day": lambda: (date - month).astype(np.int64) + 1,
        "weekday": lambda: (days + 3) % 7 + 1,
        "day_of_year": lambda: (date - year).astype(np.int64) + 1,
        "hour": lambda: rest // 3600,
        "minute": lambda: rest // 60 % 60,
        "second": lambda: rest % 60,
        "days": lambda: days,
    }
    answer: Array = np.where(missing, np.nan, values[part]())
    return answer


class Univariate(NumberTransformer):
    """Keeps the columns that, each by itself, tell most of the target; ``keep`` is a number of them or a share."""

    def __init__(self, keep: int | float = 0.5, by: str = "anova", task: str = "classification", seed: int = 0) -> None:
        self.keep = keep
        self.by = by
        self.task = task
        self.seed = seed

    def _learn(self, numbers: Array, target: Any) -> None:
        import warnings

        from sklearn import feature_selection

        classify = self.task == "classification"
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # constant columns: their score is not a number, so they come last
            if self.by == "anova":
                judge = feature_selection.f_classif if classify else feature_selection.f_regression
                scores = judge(numbers, target)[0]
            else:
                ask = feature_selection.mutual_info_classif if classify else feature_selection.mutual_info_regression
                neighbours = max(1, min(3, len(numbers) - 1))
                scores = ask(numbers, target, n_neighbors=neighbours, random_state=self.seed)
        count = numbers.shape[1]
        wanted = self.keep if isinstance(self.keep, int) else round(self.keep * count)
        ranked = np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")
        self.kept_ = np.sort(ranked[: min(count, max(1, wanted))])

    def compute(self, numbers: Array) -> Array:
        """Return the columns that are kept."""
        return numbers[:, self.kept_]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        return tags


class Variance(NumberTransformer):
    """Keeps the columns whose variance is above a threshold, or the one of most variance where none is."""

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold

    def _learn(self, numbers: Array, target: Any) -> None:
        present = [column[~np.isnan(column)] for column in numbers.T]
        # The variance of equal numbers can be above 0 by rounding; their range cannot.
        spreads = np.array([column.var() if len(column) and np.ptp(column) else 0.0 for column in present])
        above = np.flatnonzero(spreads > self.threshold)
        self.kept_ = above if len(above) else np.array([spreads.argmax()])

    def compute(self, numbers: Array) -> Array:
        """Return the columns that are kept."""
        return numbers[:, self.kept_]
