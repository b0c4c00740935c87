"""The folds of cross-validation that a spec asks for, over training rows alone."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.registry import Task
from skyulf.core.tuning_spec import FoldsSpec
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]
Fold = tuple[Array, Array]
"""The positions of the rows to fit on, and of those to score on."""


def make_folds(
    cv: FoldsSpec, task: Task, features: pd.DataFrame, target: Array, seed: int, place: str = "tuning.cv"
) -> list[Fold]:
    """Part rows into folds as the spec asks for at ``place``; raises TrainingFailed where they cannot be parted so."""
    from sklearn import model_selection

    kind, rows = cv.kind_for(task), np.zeros(len(target))
    if cv.folds > len(target):
        raise TrainingFailed(f"{len(target)} training rows are fewer than {cv.folds} folds; lower {place}.folds")
    if kind == "time_series":
        order = _order(cv, features)
        if cv.folds >= len(target):
            raise TrainingFailed(
                f"{len(target)} training rows do not make {cv.folds} folds in time; lower their number"
            )
        parts = model_selection.TimeSeriesSplit(cv.folds).split(rows)
        return _checked([(order[train], order[test]) for train, test in parts], task, target)
    if kind == "group":
        groups = pd.factorize(features[cv.column], use_na_sentinel=False)[0]
        if (found := len(np.unique(groups))) < cv.folds:
            raise TrainingFailed(
                f"column {cv.column} has {found} groups in the training rows, fewer than {cv.folds} folds"
            )
        return _checked(list(model_selection.GroupKFold(cv.folds).split(rows, groups=groups)), task, target)
    shuffle = cv.shuffle is not False
    options = {"shuffle": shuffle, "random_state": seed if shuffle else None}
    if kind == "k_fold":
        return _checked(list(model_selection.KFold(cv.folds, **options).split(rows)), task, target)
    codes = np.unique(_labels(target), return_inverse=True)[1]
    if np.bincount(codes).max() < cv.folds:
        raise TrainingFailed(f"every class has fewer than {cv.folds} training rows; lower {place}.folds")
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)  # of a class with fewer rows than folds the job's record tells
        return _checked(list(model_selection.StratifiedKFold(cv.folds, **options).split(rows, codes)), task, target)


def nested_order(train: Array, target: Array, task: Task, seed: int) -> Array:
    """Order rows so that the first of them, however many, are drawn at random, and hold the classes in their shares."""
    random = np.random.default_rng(seed)
    shuffled = train[random.permutation(len(train))]
    if task != "classification":
        return shuffled
    codes = np.unique(_labels(target[shuffled]), return_inverse=True)[1]
    place = np.empty(len(shuffled))
    for code in range(codes.max() + 1):
        (of_class,) = np.nonzero(codes == code)
        place[of_class] = np.arange(len(of_class)) / len(of_class)  # the first of each class come first of all
    return shuffled[np.argsort(place, kind="stable")]


def _labels(target: Array) -> Array:
    return target.astype(str) if target.dtype == object else target


def _order(cv: FoldsSpec, features: pd.DataFrame) -> Array:
    """The rows from the earliest to the latest."""
    if cv.column is None:
        return np.arange(len(features))
    moments = features[cv.column].to_numpy(dtype=np.float64)
    if np.isnan(moments).any():
        raise TrainingFailed(f"column {cv.column} has missing cells, so that its rows have no order; fill or drop them")
    return np.argsort(moments, kind="stable")


def _checked(folds: list[Fold], task: Task, target: Array) -> list[Fold]:
    if task == "classification":
        for number, (train, _) in enumerate(folds):
            if len(set(target[train].tolist())) < 2:
                raise TrainingFailed(
                    f"the rows to fit on in fold {number} of {len(folds)} hold one class of the target only;"
                    " use stratified folds, or fewer"
                )
    return folds
