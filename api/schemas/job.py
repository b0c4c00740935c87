"""Jobs over HTTP."""

from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from api.schemas.base import Derived, Reason, Request, Response, see_one_version
from api.schemas.reproduction import ReproductionOut
from skyulf.commands.base import Name
from skyulf.events.job import JobStatus, TrialState
from skyulf.events.scoring import ScoreFormat
from skyulf.projections.job import JobKind, JobRow


class JobIn(Request):
    """A training to be done, by a pipeline or by a spec given here."""

    dataset_id: str = Field(min_length=1, max_length=200)
    dataset_version: int | None = Field(default=None, ge=1, lt=2**31)
    pipeline_id: str | None = Field(default=None, min_length=1, max_length=200)
    spec: dict[str, Any] | None = None
    model_name: Name | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def one_of_two(self) -> Self:
        """See that there is either a pipeline or a spec."""
        if (self.pipeline_id is None) == (self.spec is None):
            raise ValueError("give either pipeline_id or spec")
        return self


class ScoringIn(Request):
    """A dataset to be scored: with what a deployment serves now, or with a version of a model by number or by alias.

    ``keep`` names columns of the dataset that are to stand beside the predictions.
    """

    dataset_id: str = Field(min_length=1, max_length=200)
    dataset_version: int | None = Field(default=None, ge=1, lt=2**31)
    deployment: Name | None = None
    model: Name | None = None
    model_version: int | None = Field(default=None, ge=1, lt=2**31)
    alias: Name | None = None
    format: ScoreFormat = "parquet"
    keep: list[str] = Field(default=[], max_length=1000)

    @model_validator(mode="after")
    def named_once(self) -> Self:
        """See that what predicts is named in one way."""
        if (self.deployment is None) == (self.model is None):
            raise ValueError("give either deployment or model")
        see_one_version(self.model, self.model_version, self.alias, otherwise="deployment")
        return self


class CancelIn(Request):
    """Why a job is cancelled."""

    reason: Reason | None = None


class TrialsProgressOut(Response):
    """How many trials of a job's tuning are over, and how many there are at most."""

    over: int
    planned: int


class ProgressOut(Response):
    """How far a job has got; ``fraction`` of the whole, from 0 to 1; ``trials`` are those of its tuning, if any."""

    stage: str | None
    fraction: float
    trials: TrialsProgressOut | None = None


class JobError(Response):
    """Why a job failed."""

    type: str
    title: str
    detail: str


class OnnxOut(Response):
    """What became of a model's ONNX copy: its digest, or the reason why there is none.

    The copy and the model were compared on ``probe_rows`` rows; ``largest_difference`` is that of probabilities, or
    of numbers.
    """

    digest: str | None
    reason: str | None
    probe_rows: int
    largest_difference: float | None


class OutputOut(Response):
    """A file of predictions: its digest, its size in bytes, its rows, and how many have no finite prediction."""

    digest: str
    size: int
    rows: int
    missing: int


class ScoringOut(Response):
    """What a scoring predicts with, and the file that came of it; null until there is one."""

    model: str
    model_version: int
    deployment: str | None
    format: ScoreFormat
    keep: list[str]
    output: OutputOut | None


class SampleOut(Response):
    """What a job is trained on where all rows would need more memory than it may use: some rows of so many."""

    rows: int
    of: int
    needed_bytes: int


def _progress(row: JobRow) -> dict[str, Any]:
    trials = {"over": row.trials_over, "planned": row.trials_planned} if row.trials_planned else None
    return {"stage": row.stage, "fraction": row.fraction, "trials": trials}


def _error(row: JobRow) -> dict[str, Any] | None:
    return row.error and {**row.error, "type": f"urn:skyulf:problem:{row.error['type']}"}


class JobOut(Response):
    """A job; ``spec`` becomes the chosen one once there is a model, ``asked_spec`` stays what was asked for.

    One of the kind ``scoring`` predicts a dataset, and one of the kind ``reproduction`` trains a recorded model again;
    these have no spec, no seed and no model of their own, and ``scoring`` or ``reproduction`` tells the rest.

    ``onnx`` is null until it is settled whether the model has an ONNX copy, some time after it was trained.
    """

    id: str
    version: int
    kind: JobKind
    status: JobStatus
    attempt: int
    progress: ProgressOut
    cancel_requested: bool
    dataset_id: str
    dataset_version: int
    pipeline_id: str | None
    spec: dict[str, Any] | None
    asked_spec: dict[str, Any] | None
    set_aside: list[tuple[str, str]]
    seed: int | None
    sample: SampleOut | None
    model_name: str | None
    model_version: int | None
    metrics: dict[str, float | None] | None
    candidate_scores: list[dict[str, Any]]
    rows: dict[str, int]
    fingerprint: str | None
    scoring: ScoringOut | None
    reproduction: ReproductionOut | None
    onnx: OnnxOut | None
    environment: dict[str, Any]
    timings: dict[str, float]
    warnings: list[str]
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    derived: ClassVar = {
        "progress": Derived(("stage", "fraction", "trials_over", "trials_planned"), _progress),
        "error": Derived(("error",), _error),
    }


class TrialOut(Response):
    """A trial of a job's tuning: parameters by their places in the spec, and how they did in cross-validation.

    ``scores`` are the metric on each fold that was tried, ``mean`` theirs (null where it failed). ``share`` of each
    fold's rows were fitted on. A trial that was pruned was given up after some folds; ``reason`` says why, or why it
    failed. ``attempt`` is that of the job which tried it.

    Of a nested cross-validation ``outer_fold`` says which search it belongs to, null is the one through all training
    rows. ``held_out`` marks the one that was chosen in an outer fold, scored on the rows that the fold holds out.
    """

    number: int
    state: TrialState
    parameters: dict[str, Any]
    metric: str
    mean: float | None
    scores: list[float]
    share: float
    seconds: float
    reason: str | None
    attempt: int
    outer_fold: int | None
    held_out: bool


class ImportanceOut(Response):
    """How much worse the metric got when a column was shuffled: the mean over several shuffles, and their spread."""

    column: str
    mean: float | None
    std: float | None


class ThresholdOut(Response):
    """From which probability on a class is predicted; of more than two, what its probability is divided by."""

    label: str | int | float | bool
    threshold: float


class ThresholdsOut(Response):
    """Thresholds that decide between classes, chosen on out-of-fold predictions of ``rows`` training rows.

    ``score`` is the criterion there, ``score_without`` that of the likeliest class; ``metrics_without`` thresholds are
    those of the rows held out. Of two classes only the second has a threshold.
    """

    criterion: str
    classes: list[ThresholdOut]
    rows: int
    score: float | None
    score_without: float | None
    metrics_without: dict[str, float | None]


class IntervalsOut(Response):
    """Intervals around predictions: ``half_width`` to both sides, in the target's units.

    They were measured by the ``residuals`` of as many rows for a share ``coverage``; ``observed`` is the share of the
    rows held out that lie in theirs.
    """

    coverage: float
    method: str
    residuals: int
    half_width: float
    observed: float | None


class PartOut(Response):
    """Rows held out that share a ``value``, lie in a ``range``, are ``missing``, or have ``other`` values (how many).

    ``small`` marks a part with few rows, whose metrics are noise.
    """

    rows: int
    small: bool
    metrics: dict[str, float | None]

    model_config = {"extra": "allow"}


class SliceOut(Response):
    """The metrics of each part of the rows held out, by the values of a column."""

    column: str
    parts: list[PartOut]


class SlicesOut(Response):
    """The metrics of parts of the rows held out, by each column that the spec asks for."""

    job_id: str
    slices: list[SliceOut]


class ClustersOut(Response):
    """How well a ``cluster`` step parts ``rows`` of those held out; ``sizes`` counts them by cluster."""

    method: str
    metrics: dict[str, float | None]
    rows: int
    sizes: list[int]


class PartitionOut(Response):
    """How a clustering parts the ``rows`` held out: ``sizes`` counts them by cluster.

    The silhouette is that of ``silhouette_rows`` of them. ``reference`` is the column of labels that the clusters were
    compared with, on ``reference_rows`` that have one; both are null where there is none.
    """

    rows: int
    sizes: list[int]
    silhouette_rows: int
    reference: str | None
    reference_rows: int | None


class MovedOut(Response):
    """A column's SHAP values over the rows: the mean of their sizes, and the mean."""

    column: str
    mean_abs: float | None
    mean: float | None


class MovementOut(Response):
    """What moves an output: the number (null), or the probability of a class, around its ``base``."""

    output: str | None
    base: float | None
    columns: list[MovedOut]


class ShapOut(Response):
    """SHAP values of a model on ``rows`` held out, against ``background`` of them, those columns first that move most.

    Of two classes the second one's probability is explained, of more each.
    """

    job_id: str
    of: Literal["prediction", "probability"]
    rows: int
    background: int
    outputs: list[MovementOut]


class EvaluationOut(Response):
    """How good a job's model was on rows that it had not seen; what is in it depends on the task.

    ``importance`` tells how much each column matters, the most important first; it is null until that is known, some
    time after the job succeeded. ``thresholds`` and ``intervals`` are there where the spec asks for them, ``clusters``
    where it has such steps, ``partition`` of a clustering (docs/evaluation.md).
    """

    job_id: str
    metrics: dict[str, float | None]
    candidate_scores: list[dict[str, Any]]
    importance: list[ImportanceOut] | None
    thresholds: ThresholdsOut | None = None
    intervals: IntervalsOut | None = None
    clusters: list[ClustersOut] | None = None
    partition: PartitionOut | None = None

    model_config = {"extra": "allow"}
