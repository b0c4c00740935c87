"""``python -m bench.direct FRAME.parquet…``: the same learning with scikit-learn called directly, on request.

Reads the frames, learns once on a few rows so that nothing is done for the first time, and then takes orders from
its standard input, a JSON object a line, and answers each with a JSON object.
"""

import json
import os
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from bench.data import MODELS
from skyulf.reactions.sandbox.fork_server import NICENESS

TARGET = "target"


def pipeline_of(model: str, params: dict[str, Any], threads: int) -> Pipeline:
    """The pipeline that the spec of the same name stands for."""
    match model:
        case "logistic_regression":
            steps = [("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())]
            return Pipeline([*steps, ("model", LogisticRegression(**params, max_iter=1000, random_state=0))])
        case "random_forest":
            return Pipeline([("model", RandomForestClassifier(**params, n_jobs=threads, random_state=0))])
        case "extra_trees":
            return Pipeline([("model", ExtraTreesClassifier(**params, n_jobs=threads, random_state=0))])
        case "decision_tree":
            return Pipeline([("model", DecisionTreeClassifier(**params, random_state=0))])
        case "naive_bayes":
            return Pipeline([("model", GaussianNB(**params))])
        case _:
            return Pipeline([("model", HistGradientBoostingClassifier(**params, random_state=0))])


def learn(
    frame: pd.DataFrame, model: str, params: dict[str, Any], threads: int, library_threads: int | None = None
) -> float:
    """Split, fit, measure and fit again on all rows; the seconds it took.

    BLAS and OpenMP have as many threads, as scikit-learn leaves it, unless ``library_threads`` says otherwise.
    """
    begun = time.perf_counter()
    with threadpool_limits(limits=library_threads or threads):
        features, target = frame.drop(columns=TARGET), frame[TARGET].to_numpy()
        rows = np.arange(len(target))
        train, test = train_test_split(rows, test_size=0.2, stratify=target, random_state=0)
        fitted = pipeline_of(model, params, threads).fit(features.iloc[train], target[train])
        chances = fitted.predict_proba(features.iloc[test])
        measure(target[test], chances.argmax(axis=1), chances[:, 1])
        pipeline_of(model, params, threads).fit(features, target)
    return time.perf_counter() - begun


def measure(truth: Any, predicted: Any, chances: Any) -> dict[str, float]:
    """The numbers that an evaluation holds."""
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, predicted, average="macro")
    metrics.confusion_matrix(truth, predicted)
    return {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "log_loss": metrics.log_loss(truth, chances),
        "roc_auc": metrics.roc_auc_score(truth, chances),
        "mcc": metrics.matthews_corrcoef(truth, predicted),
    }


def predict_seconds(frame: pd.DataFrame, model: str, params: dict[str, Any], threads: int, rows: int) -> float:
    """The seconds of one prediction of so many rows from an array, in this process: the median of many."""
    features = frame.drop(columns=TARGET)
    fitted = pipeline_of(model, params, threads).fit(features.to_numpy(), frame[TARGET].to_numpy())
    if "n_jobs" in fitted[-1].get_params(deep=False):
        fitted[-1].set_params(n_jobs=1)
    wanted = features.to_numpy()[:rows]
    taken = []
    with threadpool_limits(limits=1):
        for _ in range(50):
            begun = time.perf_counter()
            fitted.predict_proba(wanted)
            taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def tune(frame: pd.DataFrame, trials: int, folds: int, low: float, high: float) -> float:
    """Search for a linear model with Optuna on training rows, and learn with the best; the seconds it took."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begun = time.perf_counter()
    with threadpool_limits(limits=1):
        features, target = frame.drop(columns=TARGET), frame[TARGET].to_numpy()
        rows = np.arange(len(target))
        train, test = train_test_split(rows, test_size=0.2, stratify=target, random_state=0)
        learnt, truth = features.iloc[train], target[train]
        parts = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(learnt, truth))

        def score(trial: optuna.Trial) -> float:
            params = {"C": trial.suggest_float("C", low, high, log=True)}
            scores = []
            for fit_on, judge_by in parts:
                fitted = pipeline_of("logistic_regression", params, 1).fit(learnt.iloc[fit_on], truth[fit_on])
                chances = fitted.predict_proba(learnt.iloc[judge_by])[:, 1]
                scores.append(metrics.roc_auc_score(truth[judge_by], chances))
            return float(np.mean(scores))

        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(score, n_trials=trials)
        fitted = pipeline_of("logistic_regression", study.best_params, 1).fit(learnt, truth)
        chances = fitted.predict_proba(features.iloc[test])
        measure(target[test], chances.argmax(axis=1), chances[:, 1])
        pipeline_of("logistic_regression", study.best_params, 1).fit(features, target)
    return time.perf_counter() - begun


def main() -> None:
    """Take orders until there are no more."""
    os.nice(NICENESS)  # as the sandbox: beside other work the gentler side would lose time to it
    frames = {path: pd.read_parquet(path) for path in sys.argv[1:]}
    few = next(iter(frames.values())).head(2_000)
    for model in MODELS:
        learn(few, model, {}, 2)
    for line in sys.stdin:
        order = json.loads(line)
        work = predict_seconds if "rows" in order else tune if order.pop("tune", False) else learn
        print(json.dumps({"seconds": work(frames[order.pop("frame")], **order)}), flush=True)


if __name__ == "__main__":
    main()
