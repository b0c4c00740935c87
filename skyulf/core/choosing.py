"""Chooses between candidate specs by cross-validation on training rows alone."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.assemble import assemble
from skyulf.core.cluster_quality import model_input, silhouette
from skyulf.core.evaluation import aligned, codes_of, finite, log_loss
from skyulf.core.flow import Flow
from skyulf.core.registry import BuildContext, Task
from skyulf.core.sampling import without_samplers
from skyulf.core.spec import PipelineSpec

Array = np.ndarray[Any, Any]

FOLDS = 5
FOLDS_OF_MANY = 3
MANY_ROWS, MANY_SPECS = 20_000, 5
MOST_ROWS, MOST_CLUSTERED = 60_000, 10_000
"""So many training rows, drawn at random, are enough to tell candidates apart (the latter: numbers of clusters); all
are used to fit the one chosen."""


METRICS: dict[Task, str] = {"classification": "neg_log_loss", "regression": "neg_rmse", "clustering": "silhouette"}
"""By what candidates are compared; more of it is better."""


def choose(
    specs: Sequence[PipelineSpec],
    flows: Sequence[Flow],
    features: pd.DataFrame,
    target: Array,
    rows: Array,
    context: BuildContext,
    done: Callable[[float], None],
) -> tuple[int, list[dict[str, Any]]]:
    """Return the position of the best spec and the scores of all.

    ``rows`` are the positions of the training rows; no other is looked at, and of very many only some are. Of each spec
    the whole pipeline is fitted anew on every fold's training part and scored on the rest: by negative log loss for
    classification (it judges probabilities, not only labels, and exists whatever the balance of classes), by negative
    root mean squared error for regression, and by the silhouette for clustering; higher is better. A spec that could
    not be fitted on some fold has no score. One spec alone is not scored.
    """
    if len(specs) == 1:
        return 0, []
    most = MOST_CLUSTERED if context.task == "clustering" else MOST_ROWS
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(context.seed).choice(rows, most, replace=False))
    features, target = features.iloc[rows], target[rows]
    metric = METRICS[context.task]
    folds = _folds(target, context, FOLDS_OF_MANY if len(rows) > MANY_ROWS or len(specs) > MANY_SPECS else FOLDS)
    scores: list[dict[str, Any]] = []
    means: list[float] = []
    for number, (spec, flow) in enumerate(zip(specs, flows, strict=True)):
        each: list[float | None] = []
        for train, test in folds:
            each.append(_score(spec, flow, features, target, context, train, test))
            done((number * len(folds) + len(each)) / (len(specs) * len(folds)))
        known = [score for score in each if score is not None]
        mean = float(np.mean(known)) if len(known) == len(each) else None
        means.append(-math.inf if mean is None else mean)
        scores.append({"candidate": number, "metric": metric, "scores": each, "mean": mean, "chosen": False})
    best = int(np.argmax(means))
    scores[best]["chosen"] = True
    return best, scores


def _folds(target: Array, context: BuildContext, count: int) -> list[tuple[Array, Array]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    count = min(count, len(target))
    if context.task == "classification":
        _, sizes = np.unique(np.array([str(value) for value in target.tolist()]), return_counts=True)
        count = max(2, min(count, int(sizes.max())))
        if sizes.max() >= count:
            folds = StratifiedKFold(count, shuffle=True, random_state=context.seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # a class of few rows is in some folds only
                return list(folds.split(np.zeros(len(target)), target))
    return list(KFold(count, shuffle=True, random_state=context.seed).split(np.zeros(len(target))))


def _score(
    spec: PipelineSpec,
    flow: Flow,
    features: pd.DataFrame,
    target: Array,
    context: BuildContext,
    train: Array,
    test: Array,
) -> float | None:
    pipeline = assemble(spec, flow, context)
    try:
        pipeline.fit(features.iloc[train], target[train])
        if context.task == "clustering":
            pipeline = without_samplers(pipeline) if flow.changes_rows else pipeline
            return silhouette(model_input(pipeline, features.iloc[test]), context.seed, pipeline[-1].predict)
        if context.task == "regression":
            errors = target[test] - pipeline.predict(features.iloc[test])
            return finite(-math.sqrt(np.mean(errors**2)))
        classes = np.array(sorted(set(target.tolist())), dtype=target.dtype)
        probabilities = aligned(pipeline.predict_proba(features.iloc[test]), pipeline.classes_, classes)
    except ValueError:
        # A small fold can lack what a model needs (a second class, say); another candidate may do without.
        return None
    return finite(-log_loss(codes_of(target[test], classes), probabilities))
