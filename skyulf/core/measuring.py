"""What is measured on training rows once the pipeline is chosen: thresholds between classes, intervals around numbers.

Rows held out for the evaluation take no part in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.evaluation import codes_of
from skyulf.core.folds import make_folds
from skyulf.core.folds_check import parted
from skyulf.core.intervals import conformal
from skyulf.core.out_of_fold import out_of_fold
from skyulf.core.predictions import Intervals, Label, Thresholds
from skyulf.core.spec import PipelineSpec
from skyulf.core.thresholds import choose_thresholds

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """By what a model decides beside its numbers, and what an evaluation tells of how that was found."""

    thresholds: Thresholds | None = None
    intervals: Intervals | None = None
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def deciding(self) -> Any:
        """What makes the model another one; None where there is nothing."""
        if self.thresholds is None and self.intervals is None:
            return None
        intervals = self.intervals and (self.intervals.coverage, self.intervals.half_width)
        return {"thresholds": self.thresholds, "intervals": intervals}


def set_aside(spec: PipelineSpec, train: Array, tested: int, seed: int) -> tuple[Array, Array]:
    """Part the rows that are not tested into those to fit on, and those to measure intervals by (often none).

    The latter are drawn at random, or are the last ones where the split does not shuffle.
    """
    _, measuring = parted(spec, len(train) + tested)
    if not measuring:
        return train, train[:0]
    order = np.random.default_rng(seed).permutation(len(train)) if spec.split.shuffle else np.arange(len(train))
    return np.sort(train[order[:-measuring]]), np.sort(train[order[-measuring:]])


def measure(
    spec: PipelineSpec,
    fitted: Any,
    fit_on: Callable[[Array], Any],
    features: pd.DataFrame,
    target: Array,
    classes: Array | None,
    labels: Sequence[Label],
    train: Array,
    measuring: Array,
    seed: int,
    done: Callable[[float], None],
) -> Measured:
    """Measure what the spec asks for.

    ``fitted`` is the pipeline fitted on the rows ``train`` of ``features``; ``fit_on`` fits another on some of them.
    ``measuring`` are those that `set_aside` gave for it.
    """

    def unseen(cv: Any, place: str) -> tuple[Array, Array]:
        part, truth = features.iloc[train], target[train]
        folds = [(train[a], train[b]) for a, b in make_folds(cv, spec.task, part, truth, seed, place)]
        return out_of_fold(fit_on, features, classes, folds, done)

    if spec.thresholds is not None and classes is not None:
        rows, chances = unseen(spec.thresholds.cv, "thresholds.cv")
        chosen = choose_thresholds(spec.thresholds, codes_of(target[rows], classes), chances)
        shown = [1] if len(labels) == 2 else range(len(labels))
        told: dict[str, Any] = {
            "criterion": spec.thresholds.criterion,
            "classes": [{"label": labels[at], "threshold": chosen.thresholds[at]} for at in shown],
            "rows": len(rows),
            "score": chosen.score,
            "score_without": chosen.score_without,
        }
        return Measured(thresholds=chosen.thresholds, told={"thresholds": told})
    if spec.intervals is not None:
        if spec.intervals.method == "cross":
            rows, said = unseen(spec.intervals.cv, "intervals.cv")
        else:
            rows, said = measuring, np.asarray(fitted.predict(features.iloc[measuring]), dtype=np.float64)
        intervals = conformal(spec.intervals.coverage, target[rows], said)
        told = {
            "coverage": intervals.coverage,
            "method": spec.intervals.method,
            "residuals": len(rows),
            "half_width": intervals.half_width,
        }
        return Measured(intervals=intervals, told={"intervals": told})
    return Measured()
