"""How wide intervals around a regressor's predictions must be, by conformal prediction.

Of n absolute residuals of rows that the model had not seen, the (n + 1) × coverage-th in ascending order, rounded up,
bounds the residual of one more such row with at least that chance, whatever the model and the distribution (Vovk,
Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Lei et al., Distribution-Free Predictive Inference
for Regression, JASA 113, 2018). Residuals out of fold are of other models than the one that is served: that costs the
guarantee, and little of the coverage where these are alike (Barber et al., Predictive inference with the jackknife+,
Annals of Statistics 49, 2021).
"""

from typing import Any

import numpy as np

from skyulf.core.evaluation import finite
from skyulf.core.evaluation_check import rank_of
from skyulf.core.predictions import Intervals
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]


def conformal(coverage: float, truth: Array, predicted: Array) -> Intervals:
    """Measure by rows that the models had not seen; raises TrainingFailed where they are too few."""
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = np.abs(truth - predicted)
    rank = rank_of(coverage, len(residuals))
    if rank is None:
        raise TrainingFailed(f"{len(residuals)} residuals are too few for intervals with a coverage of {coverage}")
    width = float(np.partition(np.nan_to_num(residuals, nan=np.inf), rank - 1)[rank - 1])
    if not np.isfinite(width):
        raise TrainingFailed("predictions of unseen rows are not finite, so that there are no intervals around them")
    return Intervals(coverage, width)


def share_within(intervals: Intervals, truth: Array, predicted: Array) -> float | None:
    """The share of rows whose true value lies in the interval around its prediction, the ends included."""
    lower, upper = intervals.around(predicted)
    return finite(((lower <= truth) & (truth <= upper)).mean()) if len(truth) else None
