"""What lies far from the rest of a column, or of the rows: limits that training rows set, and marks beside them."""

from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from skyulf.core.transformers import Array, NumberTransformer


def limits(column: Array, method: str, spread: float, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the limits of a column by the numbers in it; there are none where it has none.

    ``iqr``: ``spread`` quartile ranges outside the quartiles (Tukey); ``z_score``: as many standard deviations from
    the mean; ``quantiles``: the quantiles ``low`` and ``high``; ``bounds``: those two themselves, None is no limit.
    """
    present = column[~np.isnan(column)]
    if method == "bounds":
        return (-np.inf if low is None else low), (np.inf if high is None else high)
    if not len(present):
        return -np.inf, np.inf
    if method == "z_score":
        centre, deviation = present.mean(), present.std()
        return float(centre - spread * deviation), float(centre + spread * deviation)
    shares = (0.25, 0.75) if method == "iqr" else (low or 0.0, 1.0 if high is None else high)
    lower, upper = np.quantile(present, shares)
    reach = spread * (upper - lower) if method == "iqr" else 0.0
    return float(lower - reach), float(upper + reach)


class _Limited(OneToOneFeatureMixin, NumberTransformer):  # type: ignore[misc]
    def __init__(
        self, method: str = "iqr", spread: float = 1.5, low: float | None = None, high: float | None = None
    ) -> None:
        self.method = method
        self.spread = spread
        self.low = low
        self.high = high

    def _learn(self, numbers: Array, target: Any) -> None:
        found = [limits(column, self.method, self.spread, self.low, self.high) for column in numbers.T]
        self.lower_ = np.array([low for low, _ in found])
        self.upper_ = np.array([high for _, high in found])


class Limits(_Limited):
    """Keeps each column within its limits."""

    def compute(self, numbers: Array) -> Array:
        """Put what is outside the limits on them."""
        return np.clip(numbers, self.lower_, self.upper_)


class OutlierIndicator(_Limited):
    """Tells of each cell whether it is outside its column's limits: 1, else 0, also where it is missing."""

    def compute(self, numbers: Array) -> Array:
        """Compare."""
        return ((numbers < self.lower_) | (numbers > self.upper_)).astype(np.float64)
