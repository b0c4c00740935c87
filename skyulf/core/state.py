"""What a fit leaves behind: the served pipeline, and all that is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from skyulf.core.columns import ColumnType
from skyulf.core.predictions import Intervals, Thresholds
from skyulf.core.predictions import Label as Label
from skyulf.core.spec import PipelineSpec


@dataclass(frozen=True, slots=True)
class InputColumn:
    """A column that a caller sends to predict; ``nullable`` if the fitted pipeline can take a missing cell there."""

    name: str
    type: ColumnType
    nullable: bool


@dataclass(frozen=True, slots=True)
class FittedState:
    """A fitted pipeline and its record.

    ``spec`` is the chosen one, complete with every parameter. ``pipeline`` is the scikit-learn Pipeline that is
    served, fitted on the columns ``pipeline_inputs`` in that order; ``input_schema`` are those of them that anything
    used. ``metrics`` and ``evaluation`` belong to the fit on training rows and the rows held out. ``rows`` counts
    ``total``, ``train``, ``test`` and ``dropped`` (without a target), and where steps change rows what they left of the
    training rows and of those that the served model was fitted on (``train_after_steps``, ``served_after_steps``), and
    those that were set aside to measure intervals by (``measuring``).
    ``timings`` are seconds per stage. ``warnings`` hold no data values. ``thresholds`` decide between ``classes`` and
    ``intervals`` stand around numbers, where the spec asks for them. Of a clustering, ``classes`` number the clusters,
    from 0.
    """

    spec: PipelineSpec
    pipeline: Any
    pipeline_inputs: tuple[str, ...]
    classes: list[Label] | None
    metrics: dict[str, float | None]
    candidate_scores: list[dict[str, Any]]
    input_schema: tuple[InputColumn, ...]
    target_type: ColumnType
    rows: Mapping[str, int]
    evaluation: dict[str, Any]
    fingerprint: str
    environment: dict[str, Any]
    timings: dict[str, float]
    warnings: tuple[str, ...]
    thresholds: Thresholds | None = None
    intervals: Intervals | None = None


class Model(Protocol):
    """A fitted pipeline and its spec, wherever they stand."""

    @property
    def spec(self) -> PipelineSpec:
        """The spec that it was made by."""

    @property
    def pipeline(self) -> Any:
        """The scikit-learn Pipeline."""


def by_distance(model: Model) -> bool:
    """Whether it puts rows into the nearest cluster, where others go by probabilities."""
    return model.spec.task == "clustering" and not hasattr(model.pipeline, "predict_proba")
