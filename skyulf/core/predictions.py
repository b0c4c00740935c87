"""What models say of rows, and how they decide: classes by thresholds, intervals around numbers. Without pandas."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from skyulf.core.evaluation import finite
from skyulf.errors import Damaged

Array = np.ndarray[Any, Any]
Label = str | int | float | bool
Thresholds = tuple[float, ...]
"""One for each class; of two classes they add up to 1."""

BOUNDS = ("lower", "upper")
"""The names of the ends of intervals as columns of a table."""

FORMAT = 1
DECIDING = 2
"""The format of a model's record with thresholds or intervals: who knows nothing of them must not read it."""
NEAREST = 3
"""The format of the record of a model whose numbers are distances from clusters, of which the least decides."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals around predictions: ``half_width`` to both sides, in the target's units, for a share ``coverage``."""

    coverage: float
    half_width: float

    def around(self, values: Array) -> tuple[Array, Array]:
        """The lower and the upper ends."""
        with np.errstate(over="ignore", invalid="ignore"):
            return values - self.half_width, values + self.half_width


def record_of(thresholds: Thresholds | None, intervals: Intervals | None, nearest: bool = False) -> dict[str, Any]:
    """What the record in a model's file says of how the model decides, and the format that this makes it."""
    if nearest:
        return {"format": NEAREST}
    if thresholds is None and intervals is None:
        return {"format": FORMAT}
    return {"format": DECIDING, "thresholds": thresholds, "intervals": None if intervals is None else asdict(intervals)}


def decided_by(record: Mapping[str, Any]) -> tuple[Thresholds | None, Intervals | None]:
    """Read what `record_of` wrote; raises `Damaged` for a format that is not known here."""
    if record["format"] not in (FORMAT, DECIDING, NEAREST):
        raise Damaged(f"the file has format {record['format']!r:.20}; this version reads {FORMAT} to {NEAREST}")
    thresholds, intervals = record.get("thresholds"), record.get("intervals")
    return (
        None if thresholds is None else tuple(float(each) for each in thresholds),
        None if intervals is None else Intervals(float(intervals["coverage"]), float(intervals["half_width"])),
    )


def decided(chances: Array, thresholds: Thresholds | None) -> Array:
    """The position of each row's class, by its probabilities (rows by classes).

    Without thresholds it is the likeliest class, the first of those that are equally likely. Of two classes it is the
    second from its threshold on; of more, the one whose probability is the greatest multiple of its threshold.
    """
    if thresholds is None:
        return np.asarray(chances.argmax(axis=1))
    if len(thresholds) == 2:
        return (chances[:, 1] >= thresholds[1]).astype(np.intp)
    return np.asarray((chances / np.array(thresholds)).argmax(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One prediction a row.

    ``values`` are positions in ``classes`` (integers) of a classifier, the numbers themselves (float64) of a
    regressor, whose ``classes`` and ``chances`` are None. ``chances`` are float64, rows by classes. ``intervals``
    stand around the numbers of a regressor that has them. A clustering is a classifier of numbered clusters; where it
    has no ``chances``, ``apart`` are the distances from each cluster (float64, rows by clusters).
    """

    values: Array
    classes: Sequence[Label] | None = None
    chances: Array | None = None
    intervals: Intervals | None = None
    apart: Array | None = None

    @classmethod
    def of_distances(cls, classes: Sequence[Label], apart: Array) -> "Predictions":
        """Put each row into the cluster that it is nearest to, the first of those that are equally near."""
        return cls(apart.argmin(axis=1), classes, apart=apart)

    @classmethod
    def of_chances(
        cls, classes: Sequence[Label], chances: Array, thresholds: Thresholds | None = None
    ) -> "Predictions":
        """Decide on a class of each row as `decided` does."""
        return cls(decided(chances, thresholds), classes, chances)

    @property
    def predictions(self) -> list[Label | None]:
        """Each of the target's JSON type (regression: a number, None where it is not finite)."""
        if self.classes is None:
            return [finite(value) for value in self.values.tolist()]
        classes = self.classes
        return [classes[at] for at in self.values.tolist()]

    @property
    def probabilities(self) -> list[dict[str, float]] | None:
        """Of a classifier: one number per class and row, by the class as text."""
        return None if self.chances is None else self._by_class(self.chances)

    @property
    def distances(self) -> list[dict[str, float]] | None:
        """Of a clustering that has them: how far each row is from each cluster, by the cluster as text."""
        return None if self.apart is None else self._by_class(self.apart)

    @property
    def by_class(self) -> Array | None:
        """The probabilities or distances, rows by classes; None of a regressor."""
        return self.apart if self.chances is None else self.chances

    def _by_class(self, numbers: Array) -> list[dict[str, float]]:
        keys = [class_key(label) for label in self.classes or ()]
        return [dict(zip(keys, row, strict=True)) for row in numbers.tolist()]

    @property
    def bounds(self) -> tuple[list[float | None], list[float | None]] | None:
        """The lower and the upper ends of the intervals, None where an end is not finite; None without intervals."""
        if self.intervals is None:
            return None
        lower, upper = self.intervals.around(self.values)
        return list(map(finite, lower.tolist())), list(map(finite, upper.tolist()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Predictions):
            return NotImplemented
        mine, others = ((one.predictions, one.probabilities, one.distances) for one in (self, other))
        return mine == others

    __hash__ = None  # type: ignore[assignment]


def class_key(label: Label) -> str:
    """Return a class as a key of JSON: true, 1, 1.0 or the text itself."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def names_by_class(predictions: Predictions) -> list[str]:
    """The names of probabilities or distances as columns of a table, one a class; none of a regressor."""
    what = "probability" if predictions.apart is None else "distance"
    return [f"{what}_{class_key(label)}" for label in predictions.classes or ()]
