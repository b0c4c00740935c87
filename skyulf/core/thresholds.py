"""Chooses a classifier's thresholds by a criterion, on probabilities of rows that the model had not seen.

Every threshold that tells two rows apart is looked at. Chosen on the rows that a model was fitted on, thresholds would
be those of a model that knows the answers; chosen on those held out, the metrics would be of rows that were used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyulf.core.curves import rank
from skyulf.core.evaluation import finite
from skyulf.core.evaluation_spec import Criterion, ThresholdsSpec
from skyulf.core.predictions import Thresholds, decided

Array = np.ndarray[Any, Any]

LEAST = 1e-9
"""No threshold of more than two classes is less: their probabilities are told by how many times theirs they are."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a class that are claimed to be of it or not (``hits``, ``misses``), and those of others alike."""

    hits: Array
    alarms: Array
    misses: Array
    rejected: Array

    @property
    def recall(self) -> Array:
        """The share of the class's rows that are claimed."""
        return np.asarray(self.hits / np.maximum(self.hits + self.misses, 1))

    @property
    def specificity(self) -> Array:
        """The share of other rows that are not."""
        return np.asarray(self.rejected / np.maximum(self.rejected + self.alarms, 1))


def _matthews(counts: Counts) -> Array:
    tp, fp, fn, tn = (each.astype(np.float64) for each in (counts.hits, counts.alarms, counts.misses, counts.rejected))
    spread = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, spread, out=np.zeros(len(tp)), where=spread > 0)


CRITERIA: Mapping[Criterion, Callable[[Counts, float], Array]] = {
    "f1": lambda counts, _: 2 * counts.hits / np.maximum(2 * counts.hits + counts.alarms + counts.misses, 1),
    "balanced_accuracy": lambda counts, _: (counts.recall + counts.specificity) / 2,
    "youden": lambda counts, _: counts.recall + counts.specificity - 1,
    "mcc": lambda counts, _: _matthews(counts),
    "cost": lambda counts, cost: (
        -(counts.alarms + cost * counts.misses)
        / np.maximum(counts.hits + counts.alarms + counts.misses + counts.rejected, 1)
    ),
}
"""How good decisions are, more being better; a cost is the mean of a row, with its sign turned."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Thresholds, and the criterion of decisions by them, and by none, on the rows that they were chosen on."""

    thresholds: Thresholds
    score: float | None
    score_without: float | None


def choose_thresholds(spec: ThresholdsSpec, truth: Array, chances: Array) -> Chosen:
    """Choose them on rows with their true classes (``truth``: positions of columns) and probabilities (``chances``).

    Of thresholds that do as well the usual one is kept: a half, or of more than two classes one divided by their
    number. Those of more than two classes, each chosen for its class alone, are kept only where together they do better
    than none.
    """
    count = chances.shape[1]
    if count == 2:
        second = _threshold(spec, truth == 1, chances[:, 1], 0.5)
        thresholds: Thresholds = (1.0 - second, second)
    else:
        usual = 1.0 / count
        thresholds = tuple(max(LEAST, _threshold(spec, truth == at, chances[:, at], usual)) for at in range(count))
    without = judged(spec, truth, decided(chances, None), count)
    score = judged(spec, truth, decided(chances, thresholds), count)
    if count > 2 and score <= without:
        thresholds, score = (usual,) * count, without
    sign = -1 if spec.criterion == "cost" else 1
    return Chosen(thresholds, finite(sign * score), finite(sign * without))


def judged(spec: ThresholdsSpec, truth: Array, said: Array, count: int) -> float:
    """How good decisions are by the criterion: for the second of two classes, or the mean of all that occur."""
    of = [1] if count == 2 else [at for at in range(count) if (truth == at).any()]
    hits = np.array([((truth == at) & (said == at)).sum() for at in of])
    support, claimed = np.array([(truth == at).sum() for at in of]), np.array([(said == at).sum() for at in of])
    counts = Counts(hits, claimed - hits, support - hits, len(truth) - claimed - support + hits)
    return float(CRITERIA[spec.criterion](counts, spec.false_negative_cost or 1.0).mean())


def _threshold(spec: ThresholdsSpec, positive: Array, scores: Array, usual: float) -> float:
    """The best threshold of a class against the rest: half way between two scores, so that rounding changes nothing."""
    ranking = rank(positive, scores)
    if ranking is None:
        return usual
    cuts, hits, alarms = ranking.thresholds, ranking.hits, ranking.alarms
    if cuts[0] < 1.0:  # to claim no row may be best, too
        cuts, hits, alarms = np.append(1.0, cuts), np.append(0, hits), np.append(0, alarms)
    worth = CRITERIA[spec.criterion](
        Counts(hits, alarms, hits[-1] - hits, alarms[-1] - alarms), spec.false_negative_cost or 1.0
    )
    best = int(worth.argmax())
    as_usual = int((cuts >= usual).sum()) - 1
    if as_usual >= 0 and worth[as_usual] >= worth[best]:
        return usual
    below = cuts[best + 1] if best + 1 < len(cuts) else 0.0
    return float(cuts[best] + below) / 2
