"""What can happen to a job that scores a dataset; docs/decisions/0017 says why it is such a job."""

from typing import Literal

from skyulf.events.base import DomainEvent
from skyulf.events.deployment import Target
from skyulf.events.limits import Limits

ScoreFormat = Literal["parquet", "csv"]


class ScoringCreated(DomainEvent):
    """A version of a dataset is to be scored: a job of another kind, which trains nothing.

    ``target`` is what predicts, resolved when it was asked for; ``deployment`` is the name by which the caller meant
    it, if any. ``keep`` names columns of the dataset that stand beside the predictions.
    """

    dataset_id: str
    dataset_version: int
    dataset_digest: str
    dataset_artifact: str
    target: Target
    deployment: str | None
    format: ScoreFormat
    keep: tuple[str, ...]
    limits: Limits


class DatasetScored(DomainEvent):
    """An attempt ended with a prediction for every row of the dataset, in its order.

    ``output`` is the digest of the file, of ``size`` bytes; ``missing`` counts rows whose prediction is no finite
    number. ``timings`` are in seconds.
    """

    attempt: int
    output: str
    size: int
    rows: int
    missing: int
    timings: dict[str, float]
