"""How good predictions are on rows that the model never saw. A number that is not finite is None."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skyulf.core.columns import ColumnType
from skyulf.core.curves import (
    MOST_POINTS,
    POINTS_OF_ALL,
    Ranking,
    actual_by_predicted,
    class_curves,
    rank,
    residual_histogram,
)

Array = np.ndarray[Any, Any]
Metrics = dict[str, float | None]

MOST_DRAWN = 20
"""With more classes than this there are no curves."""

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def json_label(value: Any, kind: ColumnType) -> str | int | float | bool:
    """Return a label or prediction as the JSON type of its column."""
    if kind == "boolean":
        return bool(value)
    if kind == "integer":
        return int(value)
    return str(value) if kind == "string" else float(value)


def codes_of(values: Array, classes: Array) -> Array:
    """Return the position of each value in the sorted ``classes``, which hold all of them."""
    if values.dtype == object:
        position = {value: at for at, value in enumerate(classes.tolist())}
        return np.array([position[value] for value in values.tolist()], dtype=np.intp)
    return np.searchsorted(classes, values)


def aligned(probabilities: Array, seen: Array, classes: Array) -> Array:
    """Spread the probabilities of the classes that a model has ``seen`` over all ``classes``; the rest are 0."""
    if len(seen) == len(classes):
        return probabilities
    whole = np.zeros((len(probabilities), len(classes)))
    whole[:, codes_of(seen, classes)] = probabilities
    return whole


def log_loss(truth: Array, probabilities: Array) -> float:
    """Return the mean negative log-likelihood of the true classes (``truth``: positions of columns)."""
    likely = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(likely, np.finfo(np.float64).eps, 1.0)).mean())


def evaluate_classes(
    truth: Array, predicted: Array, probabilities: Array, labels: Sequence[str | int | float | bool]
) -> tuple[Metrics, dict[str, Any]]:
    """Evaluate a classifier.

    ``truth`` and ``predicted`` are positions in ``labels`` (shape: rows), ``probabilities`` has a column for each
    label. Precision, recall and F1 are means over the labels that occur in either; balanced accuracy is mean recall
    over the labels that occur in truth. ROC AUC and average precision are those of the second of two labels; of more
    they are the mean of each against the rest, and None where a label is missing from the truth. The Brier score of two
    labels is the mean squared error of the second one's probability; of more it is the sum over all labels. Returns
    the metrics and a document with the confusion matrix (rows: truth, columns: predicted), each label's numbers, and
    the ``curves`` of the second of two labels, or of each of up to 20 against the rest.
    """
    count = len(labels)
    confusion = np.bincount(truth * count + predicted, minlength=count * count).reshape(count, count)
    hits, support, claimed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _ratio(hits, claimed), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + claimed)
    occurs = (support + claimed) > 0
    drawn = (1,) if count == 2 else range(count)
    rankings = {at: rank(truth == at, probabilities[:, at]) for at in drawn}
    metrics: Metrics = {
        "accuracy": finite(hits.sum() / len(truth)),
        "balanced_accuracy": finite(recall[support > 0].mean()),
        "precision": finite(precision[occurs].mean()),
        "recall": finite(recall[occurs].mean()),
        "f1": finite(f1[occurs].mean()),
        "log_loss": finite(log_loss(truth, probabilities)),
        "roc_auc": _mean([ranking.roc_auc() if ranking else None for ranking in rankings.values()]),
        "average_precision": _mean([ranking.average_precision() if ranking else None for ranking in rankings.values()]),
        "brier": finite(brier(truth, probabilities)),
        "mcc": _matthews(confusion),
    }
    per_class = [
        {
            "label": label,
            "precision": float(precision[at]),
            "recall": float(recall[at]),
            "f1": float(f1[at]),
            "support": int(support[at]),
        }
        for at, label in enumerate(labels)
    ]
    document = {"labels": list(labels), "confusion_matrix": confusion.tolist(), "per_class": per_class}
    return metrics, {**document, "curves": _curves(truth, probabilities, labels, rankings)}


def _curves(
    truth: Array, probabilities: Array, labels: Sequence[str | int | float | bool], rankings: dict[int, Ranking | None]
) -> list[dict[str, Any]]:
    if len(rankings) > MOST_DRAWN:
        return []
    most = min(MOST_POINTS, POINTS_OF_ALL // max(len(rankings), 1))
    return [
        {"label": labels[at], **class_curves(ranking, truth == at, probabilities[:, at], most)}
        for at, ranking in rankings.items()
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    """Return None where one is missing: the mean would be of another problem."""
    known = [value for value in values if value is not None]
    return finite(np.mean(known)) if known and len(known) == len(values) else None


def brier(truth: Array, probabilities: Array) -> float:
    """Return the mean over rows of the squared distance between probabilities and truth (Brier 1950)."""
    likely = probabilities[np.arange(len(truth)), truth]
    squares = np.einsum("ij,ij->i", probabilities, probabilities)
    score = float((squares - 2 * likely + 1).mean())
    return score / 2 if probabilities.shape[1] == 2 else score


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _matthews(confusion: Array) -> float | None:
    table = confusion.astype(np.float64)
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    covariance = np.trace(table) * total - rows @ columns
    spread = math.sqrt((total**2 - rows @ rows) * (total**2 - columns @ columns))
    return finite(covariance / spread) if spread else 0.0


def evaluate_numbers(truth: Array, predicted: Array) -> tuple[Metrics, dict[str, Any]]:
    """Evaluate a regressor.

    Both arrays are float64 (shape: rows), in the target's units. The mean absolute percentage error (``mape``) is a
    share, 0.1 for 10 %, and None where a true value is 0: no error is a share of nothing. Returns the metrics and a
    document with the residuals (truth minus prediction): their quantiles, mean, standard deviation and histogram; and
    with the true values of groups of rows with neighbouring predictions.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of infinities is None
        return _evaluate_numbers(truth, predicted, truth - predicted)


def _evaluate_numbers(truth: Array, predicted: Array, residuals: Array) -> tuple[Metrics, dict[str, Any]]:
    mse = float(np.mean(residuals**2))
    spread = float(np.mean((truth - truth.mean()) ** 2)) if len(truth) > 1 else 0.0
    metrics: Metrics = {
        "mae": finite(np.mean(np.abs(residuals))),
        "rmse": finite(math.sqrt(mse)),
        "mse": finite(mse),
        "r2": finite(1 - mse / spread) if spread else None,
        "median_ae": finite(np.median(np.abs(residuals))),
        "mape": finite(np.mean(np.abs(residuals / truth))) if truth.all() else None,
        "explained_variance": finite(1 - np.var(residuals) / spread) if spread else None,
    }
    quantiles = np.quantile(residuals, QUANTILES)
    document = {
        "residuals": {
            "quantiles": {str(q): finite(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
            "mean": finite(residuals.mean()),
            "std": finite(residuals.std()),
            "histogram": residual_histogram(residuals),
        },
        "actual_by_predicted": actual_by_predicted(truth, predicted),
    }
    return metrics, document


def finite(value: Any) -> float | None:
    """Return a float, or None for what JSON cannot hold."""
    number = float(value)
    return number if math.isfinite(number) else None
