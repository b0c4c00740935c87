"""How well clusters that a pipeline's steps or its model found part rows that these never saw: without a target."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.clusters import Clusters, count_of, distances
from skyulf.core.columns import ColumnFacts
from skyulf.core.evaluation import Metrics, finite
from skyulf.core.rows import sent
from skyulf.core.walk import Walk

Array = np.ndarray[Any, Any]

MOST_ROWS = 2_000
"""So many rows, drawn at random, are looked at: the silhouette compares every row with every other."""


def evaluate_clusters(numbers: Array, assigned: Array, known: int) -> tuple[Metrics, list[int]]:
    """Evaluate a partition of rows.

    ``numbers`` are float64 (rows by columns, without missing cells), ``assigned`` the cluster of each row, of ``known``
    ones. Returns the metrics and how many rows each cluster has. The metrics are the mean silhouette (-1 to 1, higher
    is better; Rousseeuw 1987), the Calinski-Harabasz index (higher is better; 1974) and the Davies-Bouldin index (0 at
    best; 1979); None where all rows are in one cluster, or each in one of its own.
    """
    sizes = np.bincount(assigned, minlength=known).tolist()
    return {"silhouette": _silhouette(numbers, assigned), **_indices(numbers, assigned)}, sizes


def model_input(pipeline: Any, features: pd.DataFrame) -> Array:
    """What the model at the end of a fitted pipeline sees of rows: float64, rows by columns."""
    cells = pipeline[:-1].transform(features) if len(pipeline.steps) > 1 else features
    return np.asarray(cells, dtype=np.float64)


def silhouette(numbers: Array, seed: int, assign: Callable[[Array], Array]) -> float | None:
    """The mean silhouette of at most `MOST_ROWS` of the rows, drawn at random; None where it has none.

    ``assign`` tells the cluster of each row.
    """
    drawn: Array = numbers[_sampled(len(numbers), seed)]
    return _silhouette(drawn, assign(drawn))


def clusters_in(pipeline: Any) -> int:
    """How many clusters the model at the end of a fitted pipeline knows."""
    fitted = pipeline[-1]
    return int(fitted.n_components if hasattr(fitted, "weights_") else count_of(fitted))


def judge_partition(fitted: Any, numbers: Array, reference: Array | None, seed: int) -> tuple[Metrics, dict[str, Any]]:
    """Evaluate a clustering on rows that it never saw; returns the metrics, and who belongs where.

    ``fitted`` is the model, ``numbers`` what it sees of the rows, ``reference`` a label of each as a number, -1 where
    it is missing, if there is one to compare with. The silhouette (Rousseeuw 1987) is that of at most `MOST_ROWS` rows.
    ``inertia`` is the sum of squared distances from the nearest centre, ``log_likelihood`` that of a mixture's density,
    on average over rows. With a reference: the adjusted Rand index (Hubert and Arabie 1985), normalised mutual
    information (its mean is arithmetic, which makes it the same as the V-measure), homogeneity, completeness and the
    V-measure (Rosenberg and Hirschberg 2007) of the rows that have one.
    """
    if hasattr(fitted, "predict_proba"):
        chances = fitted.predict_proba(numbers)
        assigned, count = chances.argmax(axis=1), chances.shape[1]
        own: Metrics = {"log_likelihood": finite(fitted.score(numbers))}
    else:
        apart = distances(fitted, numbers)
        assigned, count = apart.argmin(axis=1), apart.shape[1]
        own = {"inertia": finite((apart.min(axis=1) ** 2).sum())}
    rows = _sampled(len(numbers), seed)
    whole, sizes = _indices(numbers, assigned), np.bincount(assigned, minlength=count).tolist()
    metrics: Metrics = {"silhouette": _silhouette(numbers[rows], assigned[rows]), **whole, **own}
    told: dict[str, Any] = {"rows": len(numbers), "sizes": sizes, "silhouette_rows": len(rows), "reference_rows": None}
    if reference is not None:
        known = reference >= 0
        metrics |= _compared(reference[known], assigned[known])
        told["reference_rows"] = int(known.sum())
    return metrics, told


def _silhouette(numbers: Array, assigned: Array) -> float | None:
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(assigned)) < len(numbers):
        return None
    with np.errstate(all="ignore"):
        return finite(silhouette_score(numbers, assigned))


def _indices(numbers: Array, assigned: Array) -> Metrics:
    from sklearn import metrics

    if not 2 <= len(np.unique(assigned)) < len(numbers):
        return {"calinski_harabasz": None, "davies_bouldin": None}
    with np.errstate(all="ignore"):  # what comes of clusters in one point is None
        return {
            "calinski_harabasz": finite(metrics.calinski_harabasz_score(numbers, assigned)),
            "davies_bouldin": finite(metrics.davies_bouldin_score(numbers, assigned)),
        }


def _compared(reference: Array, assigned: Array) -> Metrics:
    from sklearn import metrics

    names = ("homogeneity", "completeness", "v_measure")
    if not len(reference):
        return dict.fromkeys(("adjusted_rand", "normalized_mutual_information", *names))
    three = metrics.homogeneity_completeness_v_measure(reference, assigned)
    return {
        "adjusted_rand": finite(metrics.adjusted_rand_score(reference, assigned)),
        "normalized_mutual_information": finite(metrics.normalized_mutual_info_score(reference, assigned)),
        **dict(zip(names, map(finite, three), strict=True)),
    }


def _sampled(rows: int, seed: int) -> Array:
    """The places of at most `MOST_ROWS` of so many rows, drawn at random."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def clusters_of(
    pipeline: Any, inputs: Sequence[str], features: pd.DataFrame, columns: Sequence[ColumnFacts], seed: int
) -> list[dict[str, Any]]:
    """Evaluate each ``cluster`` step of a fitted pipeline on rows that it was not fitted on, in the order of the steps.

    ``inputs`` are the names of the columns that the pipeline was fitted on, ``columns`` the facts of all. ``rows`` were
    looked at, ``sizes`` of them in each cluster.
    """
    found: list[dict[str, Any]] = []

    def look(fitted: Any, cells: Array) -> None:
        if isinstance(fitted, Clusters):
            numbers = cells.astype(np.float64)
            metrics, sizes = evaluate_clusters(numbers, members(fitted, numbers), int(fitted.clusters_.max()) + 1)
            found.append({"method": fitted.method, "metrics": metrics, "rows": len(numbers), "sizes": sizes})

    features = features.iloc[_sampled(len(features), seed)]
    known = {column.name: column for column in columns}
    Walk(pipeline, inputs, watch=look).predict(sent([known[name] for name in inputs], features))
    return found


def members(fitted: Clusters, numbers: Array) -> Array:
    """The cluster that each row belongs to, whatever the step gives of it."""
    by_membership = copy.copy(fitted)
    by_membership.give = "membership"
    return np.asarray(by_membership.compute(numbers).argmax(axis=1))
