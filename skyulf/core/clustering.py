"""What a clustering needs to know before it is run: which numbers of clusters are tried, and what would stop it."""

import math
from collections.abc import Sequence

from skyulf.core.columns import ColumnFacts
from skyulf.core.made import some
from skyulf.core.spec import ModelSpec, PipelineSpec
from skyulf.errors import Fault

FEWEST, MOST = 2, 10
"""Clusters that k-means is tried with where no model is given."""


def clusterers(rows: int) -> tuple[ModelSpec, ...]:
    """K-means with 2 to 10 clusters, and of few rows with no more than the square root of their number."""
    most = max(FEWEST, min(MOST, math.isqrt(rows)))
    return tuple(ModelSpec(node="k_means", params={"n_clusters": count}) for count in range(FEWEST, most + 1))


def clustering_faults(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> list[Fault]:
    """Find what would keep a clustering from being done on a dataset, its steps aside, by its columns' facts alone."""
    faults: list[Fault] = []
    names = [column.name for column in columns]
    reference = spec.evaluation.reference
    if reference is not None and reference not in names:
        faults.append(Fault("evaluation.reference", f"the dataset has no such column; it has {some(names, 20)}"))
    elif reference is not None and len(names) < 2:
        faults.append(Fault("evaluation.reference", "the dataset has no other column to find clusters in"))
    if spec.model is not None:
        train = rows - math.ceil(spec.split.test_size * rows)
        for parameter in ("n_clusters", "n_components"):
            count = getattr(spec.model.use(), parameter, 0)
            if count > max(train, FEWEST):
                message = f"{count} clusters are more than the {train} rows to learn from; lower it, or add rows"
                faults.append(Fault(f"model.params.{parameter}", message))
    return faults
