"""How well the clusters that a pipeline's steps found part rows that they never saw: without asking for the target."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.clusters import Clusters
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
    from sklearn import metrics

    sizes = np.bincount(assigned, minlength=known).tolist()
    found = len(np.unique(assigned))
    if not 2 <= found < len(numbers):
        return {"silhouette": None, "calinski_harabasz": None, "davies_bouldin": None}, sizes
    with np.errstate(all="ignore"):  # what comes of clusters in one point is None
        return {
            "silhouette": finite(metrics.silhouette_score(numbers, assigned)),
            "calinski_harabasz": finite(metrics.calinski_harabasz_score(numbers, assigned)),
            "davies_bouldin": finite(metrics.davies_bouldin_score(numbers, assigned)),
        }, sizes


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

    if len(features) > MOST_ROWS:
        features = features.iloc[np.sort(np.random.default_rng(seed).choice(len(features), MOST_ROWS, replace=False))]
    known = {column.name: column for column in columns}
    Walk(pipeline, inputs, watch=look).predict(sent([known[name] for name in inputs], features))
    return found


def members(fitted: Clusters, numbers: Array) -> Array:
    """The cluster that each row belongs to, whatever the step gives of it."""
    by_membership = copy.copy(fitted)
    by_membership.give = "membership"
    return np.asarray(by_membership.compute(numbers).argmax(axis=1))
