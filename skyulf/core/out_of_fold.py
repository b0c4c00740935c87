"""Predictions of training rows, each by a pipeline that was fitted on other folds of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.evaluation import aligned
from skyulf.core.folds import Fold

Array = np.ndarray[Any, Any]


def out_of_fold(
    fit_on: Callable[[Array], Any],
    features: pd.DataFrame,
    classes: Array | None,
    folds: Sequence[Fold],
    done: Callable[[float], None],
) -> tuple[Array, Array]:
    """Return positions of rows and what is predicted of them: probabilities (rows by ``classes``), or numbers.

    ``fit_on`` fits the whole pipeline on the rows at some positions of ``features``; ``folds`` are of such positions.
    Rows that no fold scores (the earliest of folds in time) are left out. ``done`` hears of the share that is done.
    """
    positions: list[Array] = []
    said: list[Array] = []
    for number, (train, test) in enumerate(folds, start=1):
        pipeline, rows = fit_on(train), features.iloc[test]
        positions.append(test)
        if classes is None:
            said.append(np.asarray(pipeline.predict(rows), dtype=np.float64))
        else:
            said.append(aligned(pipeline.predict_proba(rows), pipeline.classes_, classes))
        done(number / len(folds))
    return np.concatenate(positions), np.concatenate(said)
