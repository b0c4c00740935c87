"""What a regression's target is turned into before the model learns it, and back again after it has predicted.

Declared as ``target_transform`` in a spec. The steps before the model see the target as it is.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from skyulf.errors import TrainingFailed

if TYPE_CHECKING:
    from skyulf.core.graph import Graph

Array = np.ndarray[Any, Any]


class TargetTransform(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns a target into numbers that are spread more evenly, and predictions of those back.

    ``log1p`` is the logarithm of one more than the target; of a negative one the same of its size, with its sign, so
    that there is no target that it could not take. ``yeo_johnson`` puts the training rows' targets on one scale (mean
    0, variance 1: far from 0 the power would be lost in rounding) and raises them to the power that makes them most
    like a normal distribution (Yeo and Johnson, Biometrika 87, 2000). What is turned back is first kept within what
    the training rows had: beyond it a power or an exponential soon leaves all measure, or is not defined. So no
    prediction is below the least or above the greatest target that the model was fitted on.
    """

    def __init__(self, method: str = "log1p") -> None:
        self.method = method

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the targets of training rows: rows by 1."""
        target = np.asarray(X, dtype=np.float64)
        self.n_features_in_ = 1
        self.power_, self.mean_, self.scale_ = 1.0, 0.0, 1.0
        if self.method == "yeo_johnson":
            from scipy import stats

            self.mean_, self.scale_ = float(target.mean()), float(target.std()) or 1.0
            if np.ptp(target) > 0:
                with np.errstate(all="ignore"):
                    self.power_ = float(stats.yeojohnson((target[:, 0] - self.mean_) / self.scale_)[1])
        turned = self._forwards(target)
        if not np.isfinite(turned).all():
            raise TrainingFailed(f"target_transform {self.method} makes numbers of the target that are not finite")
        self.lower_, self.upper_ = float(turned.min()), float(turned.max())
        return self

    def transform(self, X: Any) -> Array:
        """Turn targets, rows by 1."""
        return self._forwards(np.asarray(X, dtype=np.float64))

    def inverse_transform(self, X: Any) -> Array:
        """Turn predictions back into the target's units, rows by 1."""
        kept = np.clip(np.asarray(X, dtype=np.float64), self.lower_, self.upper_)
        if self.method == "log1p":
            signed: Array = np.copysign(np.expm1(np.abs(kept)), kept)
            return signed
        above = _backwards(np.maximum(kept, 0.0), self.power_)
        below = -_backwards(np.maximum(-kept, 0.0), 2.0 - self.power_)
        back: Array = np.where(kept >= 0, above, below) * self.scale_ + self.mean_
        return back

    def _forwards(self, target: Array) -> Array:
        if self.method == "log1p":
            signed: Array = np.copysign(np.log1p(np.abs(target)), target)
            return signed
        from scipy import stats

        with np.errstate(all="ignore"):
            turned: Array = stats.yeojohnson((target - self.mean_) / self.scale_, self.power_)
        return turned

    def onnx(self, graph: "Graph", turned: str) -> str:
        """Add the way back to an ONNX graph, from the model's predictions, rows by 1."""
        kept = graph.add("Clip", turned, self.lower_, self.upper_)
        if self.method == "log1p":
            size = graph.add("Sub", graph.add("Exp", graph.add("Abs", kept)), 1.0)
            return graph.add("Where", graph.add("Less", kept, 0.0), graph.add("Neg", size), size)
        above = _drawn_backwards(graph, graph.add("Max", kept, 0.0), self.power_)
        below = _drawn_backwards(graph, graph.add("Max", graph.add("Neg", kept), 0.0), 2.0 - self.power_)
        back = graph.add("Where", graph.add("Less", kept, 0.0), graph.add("Neg", below), above)
        return graph.add("Add", graph.add("Mul", back, self.scale_), self.mean_)


def _backwards(size: Array, power: float) -> Array:
    """Undo a power of Yeo's and Johnson's on sizes from 0 on."""
    if power == 0:
        return np.expm1(size)
    # Within what the training rows had this is above 0; rounding may leave it at 0.
    grown = np.maximum(power * size, np.nextafter(-1.0, 0.0))
    backwards: Array = np.expm1(np.log1p(grown) / power)
    return backwards


def _drawn_backwards(graph: "Graph", size: str, power: float) -> str:
    if power == 0:
        return graph.add("Sub", graph.add("Exp", size), 1.0)
    grown = graph.add("Max", graph.add("Mul", size, power), float(np.nextafter(-1.0, 0.0)))
    logs = graph.add("Log", graph.add("Add", grown, 1.0))
    return graph.add("Sub", graph.add("Exp", graph.add("Div", logs, power)), 1.0)
