"""What is drawn of an evaluation: curves and bins of few points. A number that is not finite is None."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MOST_POINTS = 200
"""Points of one curve, at most."""

POINTS_OF_ALL = 2_000
"""Points of the curves of all classes together."""

CALIBRATION_BINS = 10

RESIDUAL_BINS = 30

MOST_GROUPS = 40

ROWS_A_GROUP = 5
"""A group of predictions has at least so many rows, but for the last."""

TAIL = 0.005
"""Residuals beyond these quantiles, on either side, are counted in the last bins."""

INNER = (0.1, 0.5, 0.9)
"""The quantiles of the true values that are shown of each group."""


@dataclass(frozen=True)
class Ranking:
    """Rows ranked by a score, from the highest.

    ``hits`` and ``alarms`` count the positives and the negatives whose score is at least each of the ``thresholds``,
    which are the different scores. Both counts end with all of them.
    """

    thresholds: Array
    hits: Array
    alarms: Array

    def roc_auc(self) -> float:
        """The area under the ROC curve, by trapezoids (Fawcett 2006); there must be positives and negatives."""
        rise, run = np.append(0, self.hits), np.append(0, self.alarms)
        area = float(np.diff(run) @ (rise[1:] + rise[:-1])) / 2
        return area / (float(self.hits[-1]) * float(self.alarms[-1]))

    def average_precision(self) -> float:
        """Precision at each threshold, weighted by the recall that it adds; there must be positives."""
        precision = self.hits / (self.hits + self.alarms)
        return float(np.diff(self.hits, prepend=0) @ precision) / float(self.hits[-1])

    def roc_points(self, most: int) -> dict[str, list[float | None]]:
        """The ROC curve in few points, from (0, 0) to (1, 1); nothing has the first threshold, which is None."""
        false_rate = np.append(0, self.alarms) / self.alarms[-1]
        true_rate = np.append(0, self.hits) / self.hits[-1]
        kept = thinned(false_rate, true_rate, most)
        return {
            "false_positive_rate": rounded(false_rate[kept]),
            "true_positive_rate": rounded(true_rate[kept]),
            "threshold": rounded(np.append(np.nan, self.thresholds)[kept]),
        }

    def precision_recall_points(self, most: int) -> dict[str, list[float | None]]:
        """The precision-recall curve in few points, from the highest threshold to all rows."""
        recall, precision = self.hits / self.hits[-1], self.hits / (self.hits + self.alarms)
        kept = thinned(recall, precision, most)
        return {
            "recall": rounded(recall[kept]),
            "precision": rounded(precision[kept]),
            "threshold": rounded(self.thresholds[kept]),
        }


def rank(positive: Array, scores: Array) -> Ranking | None:
    """Rank rows by scores; None where a score is not finite, or all rows are positive, or none is."""
    count = int(positive.sum())
    if count in (0, len(positive)) or not np.isfinite(scores).all():
        return None
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits = np.cumsum(positive[order])[ends]
    return Ranking(ranked[ends], hits, ends + 1 - hits)


def thinned(x: Array, y: Array, most: int) -> Array:
    """Return positions of points that draw the same line as all of them, the first and the last among them.

    They stand at even distances along the line, where the way along each axis counts for one half.
    """
    if len(x) <= most:
        return np.arange(len(x))
    way = np.zeros(len(x))
    for values in (x, y):
        steps = np.abs(np.diff(values))
        if total := steps.sum():
            way[1:] += np.cumsum(steps) / total
    at = np.searchsorted(way, np.linspace(0, way[-1], most - 1))
    return np.unique(np.append(np.minimum(at, len(x) - 1), len(x) - 1))


def class_curves(ranking: Ranking | None, positive: Array, scores: Array, most: int) -> dict[str, Any]:
    """What is drawn of one class against the rest: calibration, and both curves with areas (None without a ranking)."""
    return {
        "support": int(positive.sum()),
        "roc_auc": ranking and ranking.roc_auc(),
        "average_precision": ranking and ranking.average_precision(),
        "roc": ranking and ranking.roc_points(most),
        "precision_recall": ranking and ranking.precision_recall_points(most),
        "calibration": calibration(positive, scores),
    }


def calibration(positive: Array, scores: Array) -> list[dict[str, Any]]:
    """Mean predicted probability and observed share in bins of equal width; empty ones are left out."""
    if not np.isfinite(scores).all():
        return []
    bins = np.clip((scores * CALIBRATION_BINS).astype(np.intp), 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    predicted = np.bincount(bins, weights=scores, minlength=CALIBRATION_BINS)
    observed = np.bincount(bins, weights=positive, minlength=CALIBRATION_BINS)
    return [
        {
            "predicted": round(float(predicted[at] / counts[at]), 4),
            "observed": round(float(observed[at] / counts[at]), 4),
            "count": int(counts[at]),
        }
        for at in np.flatnonzero(counts)
    ]


def residual_histogram(residuals: Array) -> dict[str, Any]:
    """Counts of residuals in bins of equal width between the outer quantiles; those beyond are in the last bins."""
    known = residuals[np.isfinite(residuals)]
    if not len(known):
        return {"edges": [], "counts": []}
    low, high = np.quantile(known, (TAIL, 1 - TAIL))
    bins = max(1, min(RESIDUAL_BINS, math.ceil(2 * math.sqrt(len(known)))))
    with np.errstate(all="ignore"):
        width = high - low
        if not (np.isfinite(width) and width > 0 and low + width / bins > low):
            return {"edges": rounded(np.array([low, high]), 6), "counts": [len(known)]}
    counts, edges = np.histogram(np.clip(known, low, high), bins=bins, range=(low, high))
    return {"edges": rounded(edges, 6), "counts": counts.tolist()}


def actual_by_predicted(truth: Array, predicted: Array) -> list[dict[str, Any]]:
    """Groups of rows with neighbouring predictions, of equal size: mean prediction, and the true values' quantiles."""
    known = np.isfinite(predicted) & np.isfinite(truth)
    truth, predicted = truth[known], predicted[known]
    groups = max(1, min(MOST_GROUPS, len(truth) // ROWS_A_GROUP))
    order = np.argsort(predicted, kind="stable")
    shown = []
    for rows in np.array_split(order, groups):
        if not len(rows):
            continue
        low, middle, high = np.quantile(truth[rows], INNER)
        numbers = rounded(np.array([predicted[rows].mean(), truth[rows].mean(), low, middle, high]), 6)
        names = ("predicted", "actual", "low", "median", "high")
        shown.append({**dict(zip(names, numbers, strict=True)), "count": len(rows)})
    return shown


def rounded(values: Array, digits: int = 4) -> list[float | None]:
    """Numbers to so many significant digits."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values.tolist()]
