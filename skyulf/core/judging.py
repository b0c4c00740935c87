"""The evaluation of a fitted pipeline on rows held out: metrics, what is drawn, and what the spec asks for beside."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.cluster_quality import clusters_of, judge_partition, model_input
from skyulf.core.columns import ColumnFacts
from skyulf.core.evaluation import Metrics, aligned, codes_of, evaluate_classes, evaluate_numbers
from skyulf.core.intervals import share_within
from skyulf.core.measuring import Measured
from skyulf.core.nodes.clusters import Cluster
from skyulf.core.predictions import Label, decided
from skyulf.core.slices import slices_of
from skyulf.core.spec import PipelineSpec

Array = np.ndarray[Any, Any]


BY_DECISIONS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc")
"""The metrics of a classifier that thresholds change; the others are of its probabilities."""


def judge(
    pipeline: Any,
    measured: Measured,
    spec: PipelineSpec,
    features: pd.DataFrame,
    truth: Array,
    classes: Array | None,
    labels: Sequence[Label],
    inputs: Sequence[str],
    columns: Sequence[ColumnFacts],
    seed: int,
) -> tuple[Metrics, dict[str, Any]]:
    """Return the metrics and the document of an evaluation; classes are decided by what was ``measured``.

    ``features`` and ``truth`` are of the rows held out, ``inputs`` the columns that the pipeline was fitted on. With
    thresholds the document has the ``metrics_without`` them which they change; with intervals the share of these rows
    that lie in theirs (``observed``).
    """
    told: dict[str, Any] = {name: dict(part) for name, part in measured.told.items()}
    if classes is None:
        said = np.asarray(pipeline.predict(features), dtype=np.float64)
        metrics, document = evaluate_numbers(truth, said)
    else:
        codes = codes_of(truth, classes)
        chances = aligned(pipeline.predict_proba(features), pipeline.classes_, classes)
        said = decided(chances, measured.thresholds)
        metrics, document = evaluate_classes(codes, said, chances, labels)
        if measured.thresholds is not None:
            without, _ = evaluate_classes(codes, decided(chances, None), chances, labels)
            told["thresholds"]["metrics_without"] = {name: without[name] for name in BY_DECISIONS}
    if measured.intervals is not None:
        told["intervals"]["observed"] = share_within(measured.intervals, truth, said)

    def part(mask: Array) -> Metrics:
        if classes is not None:
            return evaluate_classes(codes[mask], said[mask], chances[mask], labels)[0]
        found = evaluate_numbers(truth[mask], said[mask])[0]
        if measured.intervals is not None:
            found["interval_coverage"] = share_within(measured.intervals, truth[mask], said[mask])
        return found

    if spec.evaluation.slices:
        facts = {column.name: column for column in columns}
        told["slices"] = slices_of([facts[name] for name in spec.evaluation.slices], features, part)
    if any(step.node == Cluster.name for step in spec.steps or ()):
        told["clusters"] = clusters_of(pipeline, inputs, features, columns, seed)
    return metrics, {**document, **told}


def judge_clusters(
    pipeline: Any,
    spec: PipelineSpec,
    features: pd.DataFrame,
    reference: Array | None,
    inputs: Sequence[str],
    columns: Sequence[ColumnFacts],
    seed: int,
) -> tuple[Metrics, dict[str, Any]]:
    """Return the metrics and the document of a clustering's evaluation on the rows held out (``features``).

    ``reference`` are the labels of these rows that the spec names, as numbers. The document's ``partition`` counts the
    rows of each cluster.
    """
    metrics, partition = judge_partition(pipeline[-1], model_input(pipeline, features), reference, seed)
    told: dict[str, Any] = {"partition": {**partition, "reference": spec.evaluation.reference}}
    if any(step.node == Cluster.name for step in spec.steps or ()):
        told["clusters"] = clusters_of(pipeline, inputs, features, columns, seed)
    return metrics, told
