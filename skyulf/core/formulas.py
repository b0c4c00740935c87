"""Transformers that compute new numbers of numbers: functions, arithmetic between columns, bins, distances.

After scikit-learn's conventions, as those of `skyulf.core.transformers`: cells that are missing are NaN and stay so.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from skyulf.core.transformers import LIMIT, Array, NumberTransformer

EARTH = 6371.0088
"""The earth's mean radius in kilometres (IUGG)."""


def _log1p(numbers: Array) -> Array:
    return np.copysign(np.log1p(np.abs(numbers)), numbers)


def _sqrt(numbers: Array) -> Array:
    return np.copysign(np.sqrt(np.abs(numbers)), numbers)


def _reciprocal(numbers: Array) -> Array:
    return np.where(numbers == 0, 0.0, 1.0 / numbers)


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "log1p": _log1p,
    "sqrt": _sqrt,
    "square": np.square,
    "reciprocal": _reciprocal,
    "exp": np.exp,
    "absolute": np.abs,
    "sin": np.sin,
    "cos": np.cos,
}


class Function(OneToOneFeatureMixin, NumberTransformer):  # type: ignore[misc]
    """Puts every number through one function of `FUNCTIONS`; what grows beyond the limit is kept at it."""

    def __init__(self, function: str = "log1p") -> None:
        self.function = function

    def _learn(self, numbers: Array, target: Any) -> None:
        """There is nothing to learn."""

    def compute(self, numbers: Array) -> Array:
        """Compute cell by cell."""
        with np.errstate(all="ignore"):
            return np.clip(FUNCTIONS[self.function](numbers), -LIMIT, LIMIT)


def _ratio(columns: list[Array]) -> Array:
    first, second = columns
    ratio: Array = np.divide(first, second, out=np.full(len(first), np.nan), where=second != 0)
    return ratio


def _folded(operation: Callable[[Array, Array], Array]) -> Callable[[list[Array]], Array]:
    def fold(columns: list[Array]) -> Array:
        result = columns[0]
        for column in columns[1:]:
            result = operation(result, column)
        return result

    return fold


OPERATIONS: dict[str, Callable[[list[Array]], Array]] = {
    "sum": _folded(np.add),
    "difference": _folded(np.subtract),
    "product": _folded(np.multiply),
    "ratio": _ratio,
    "mean": lambda columns: _folded(np.add)(columns) / len(columns),
    "minimum": _folded(np.minimum),
    "maximum": _folded(np.maximum),
}


class Arithmetic(NumberTransformer):
    """Makes one column of several, which stand at ``places``, in that order, by one of `OPERATIONS`."""

    def __init__(self, operation: str = "sum", places: Sequence[int] = (0, 1)) -> None:
        self.operation = operation
        self.places = places

    def _learn(self, numbers: Array, target: Any) -> None:
        """There is nothing to learn."""

    def compute(self, numbers: Array) -> Array:
        """Compute row by row; a ratio to 0 is missing."""
        with np.errstate(all="ignore"):
            result = OPERATIONS[self.operation]([numbers[:, at] for at in self.places])
            return np.clip(result, -LIMIT, LIMIT)[:, None]


class BinEdges(OneToOneFeatureMixin, NumberTransformer):  # type: ignore[misc]
    """Counts the edges that a number has reached."""

    def __init__(self, edges: Sequence[float] = (0.0,)) -> None:
        self.edges = edges

    def _learn(self, numbers: Array, target: Any) -> None:
        """There is nothing to learn."""

    def compute(self, numbers: Array) -> Array:
        """Compute cell by cell."""
        reached = np.searchsorted(np.asarray(self.edges, dtype=np.float64), numbers, side="right").astype(np.float64)
        return np.where(np.isnan(numbers), np.nan, reached)


class GeoDistance(NumberTransformer):
    """Gives the distance in kilometres between two places on a sphere; degrees in, in the columns ``places``.

    Those are latitude and longitude, and as many again of the other place, unless it is the ``point``.
    """

    def __init__(self, places: Sequence[int] = (0, 1, 2, 3), point: Sequence[float] | None = None) -> None:
        self.places = places
        self.point = point

    def _learn(self, numbers: Array, target: Any) -> None:
        """There is nothing to learn."""

    def compute(self, numbers: Array) -> Array:
        """Compute row by row, by the haversine formula."""
        with np.errstate(all="ignore"):
            degrees = [numbers[:, at] for at in self.places]
            if self.point is not None:
                degrees += [np.full(len(numbers), value) for value in self.point]
            latitude, longitude, to_latitude, to_longitude = np.radians(degrees)
            across = np.sin((to_latitude - latitude) / 2) ** 2
            along = np.sin((to_longitude - longitude) / 2) ** 2
            chord = np.sqrt(np.clip(across + np.cos(latitude) * np.cos(to_latitude) * along, 0, 1))
            return np.asarray(2 * EARTH * np.arcsin(chord))[:, None]
