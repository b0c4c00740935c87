"""What can happen to a job, and the state that follows from it."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from skyulf.errors import NotAllowed
from skyulf.events.base import DomainEvent, Value
from skyulf.events.limits import Limits as Limits
from skyulf.events.reproduction import ModelReproduced, ReproductionCreated
from skyulf.events.scoring import DatasetScored, ScoringCreated

JobStatus = Literal["created", "running", "succeeded", "failed", "cancelled"]
ReclaimCause = Literal["worker_lost", "sandbox_died", "handed_back"]
TrialState = Literal["finished", "failed", "pruned"]
Stage = str


class Problem(Value):
    """Why a job failed: a stable type, and a text that names columns and rules, never values."""

    type: str
    title: str
    detail: str


class Sample(Value):
    """What a job is trained on where the whole table would need more memory than it may use.

    ``rows`` ``of`` so many, drawn by the job's seed (`skyulf.core.drawing`); all would need some ``needed_bytes``.
    """

    rows: int
    of: int
    needed_bytes: int


class JobCreated(DomainEvent):
    """A training was asked for; everything that is needed to run it, now or again, stands here.

    ``spec`` is what the caller asked for; ``candidates`` are the complete specs that it stands for, of which
    cross-validation chooses one when there are several; ``set_aside`` names columns left out, and why. ``sample`` says
    that it is not trained on all rows.
    """

    SCHEMA: ClassVar[int] = 2

    dataset_id: str
    dataset_version: int
    dataset_digest: str
    dataset_artifact: str
    pipeline_id: str | None
    spec: dict[str, Any]
    candidates: tuple[dict[str, Any], ...]
    set_aside: tuple[tuple[str, str], ...] = ()
    model_name: str | None
    seed: int
    limits: Limits
    sample: Sample | None = None


class JobStarted(DomainEvent):
    """A worker claimed the job."""

    worker: str
    attempt: int


class JobProgressed(DomainEvent):
    """An attempt got somewhere: its stage, how much of the whole is done (0–1), and the metrics so far."""

    attempt: int
    stage: Stage
    fraction: float
    metrics: dict[str, float | None] = {}


class CandidateScore(Value):
    """How a candidate spec did in cross-validation on the training rows; scores are better when higher."""

    candidate: int
    model: str
    metric: str
    scores: tuple[float | None, ...]
    mean: float | None
    chosen: bool


class Trial(Value):
    """A trial of a tuning that is over: the parameters by their places in the spec, and how they did.

    ``scores`` are the metric on each fold that was tried, in its own unit, ``mean`` theirs; ``share`` of the rows were
    fitted on. One that was pruned was given up after some folds. ``reason`` says why it failed or was given up.

    Of a nested cross-validation ``outer_fold`` says which search it belongs to, from 0 on; None is the one through all
    training rows. ``held_out`` marks the one that was chosen in an outer fold, fitted on all training rows of that
    and scored once on the rows that it holds out; ``number`` is then that of the chosen trial.
    """

    number: int
    parameters: dict[str, Any]
    state: TrialState
    scores: tuple[float, ...]
    mean: float | None
    seconds: float
    share: float = 1.0
    reason: str | None = None
    outer_fold: int | None = None
    held_out: bool = False

    @property
    def key(self) -> tuple[int | None, int, bool]:
        """What it is known by among the trials of its job."""
        return self.outer_fold, self.number, self.held_out


class TrialsFinished(DomainEvent):
    """Trials of an attempt's tuning are over, of ``planned`` at most; there is at most one such event a second.

    ``metric`` is what they are compared by. An attempt that follows goes on from there. ``planned`` counts those of all
    outer folds, without the ones that judge what was chosen there. Before schema 2 there were none.
    """

    SCHEMA: ClassVar[int] = 2

    attempt: int
    planned: int
    metric: str
    higher_is_better: bool
    trials: tuple[Trial, ...]


class ModelTrained(DomainEvent):
    """An attempt ended with a model.

    ``model`` and ``evaluation`` are digests of artifacts. ``metrics`` belong to the held-out fit, ``fingerprint``
    to the model that is served. ``rows`` counts total, train, test and dropped rows, and where steps
    change rows what they left (train_after_steps, served_after_steps), and those set aside to measure intervals by
    (measuring). ``timings`` are in seconds. ``environment`` names the code that trained, the libraries and the
    processor (`skyulf.core.environment`); before schema 2 it did not tell of the code.
    """

    SCHEMA: ClassVar[int] = 2

    attempt: int
    model: str
    evaluation: str
    metrics: dict[str, float | None]
    spec: dict[str, Any]
    candidate_scores: tuple[CandidateScore, ...]
    fingerprint: str
    environment: dict[str, Any]
    rows: dict[str, int]
    timings: dict[str, float]
    warnings: tuple[str, ...]
    model_name: str | None
    model_version: int | None


class ModelPackaged(DomainEvent):
    """The model got an ONNX copy that agrees with it, or it became known why it has none.

    ``onnx`` is the digest of the copy, or None; then ``reason`` says why, by steps and rules. The two were compared
    on ``probe_rows`` rows; ``largest_difference`` is that of probabilities, or of numbers, if any were compared.
    """

    attempt: int
    onnx: str | None
    reason: str | None = None
    probe_rows: int = 0
    largest_difference: float | None = None


class ModelExplained(DomainEvent):
    """How much each column matters to the model became known, or why it could not.

    ``explanation`` is the digest of an artifact, or None; then ``reason`` says why. ``metric`` is what got worse when
    a column was shuffled, ``repeats`` times on ``rows`` rows held out.
    """

    attempt: int
    explanation: str | None
    reason: str | None = None
    metric: str | None = None
    rows: int = 0
    repeats: int = 0


class JobFailed(DomainEvent):
    """The job ended without a result. ``traceback`` is the digest of an artifact, where there was one."""

    attempt: int
    problem: Problem
    traceback: str | None = None


class JobCancelRequested(DomainEvent):
    """Someone asked for a running job to be stopped."""


class JobCancelled(DomainEvent):
    """The job was stopped, or was never begun."""


class JobReclaimed(DomainEvent):
    """An attempt was lost and the job waits again; ``begun`` tells whether its work had begun."""

    attempt: int
    cause: ReclaimCause
    begun: bool


class JobRetried(DomainEvent):
    """A job that had failed or was cancelled waits again."""


JobEvent = (
    JobCreated
    | ScoringCreated
    | ReproductionCreated
    | JobStarted
    | JobProgressed
    | TrialsFinished
    | ModelTrained
    | ModelPackaged
    | ModelExplained
    | DatasetScored
    | ModelReproduced
    | JobFailed
    | JobCancelRequested
    | JobCancelled
    | JobReclaimed
    | JobRetried
)

Asked = JobCreated | ScoringCreated | ReproductionCreated
"""What a job's first event may be: it tells which kind of job it is."""


@dataclass(frozen=True, slots=True)
class JobState:
    """What commands and workers need to know of a job.

    ``sandbox_deaths`` and ``workers_lost`` count since the job was created or last retried. ``model`` is the digest
    of the model file once there is one, ``model_version`` its number if it is named; ``onnx`` that of its ONNX copy,
    where there is one: ``packaged`` tells that this is settled, ``explained`` that it is for the importance of columns.
    ``trials`` are those of its tuning that are over, whatever the attempt; of two with the same key the later one
    counts.
    """

    created: Asked
    status: JobStatus = "created"
    attempt: int = 0
    begun: bool = False
    fraction: float = 0.0
    cancel_requested: bool = False
    sandbox_deaths: int = 0
    workers_lost: int = 0
    model: str | None = None
    model_version: int | None = None
    onnx: str | None = None
    packaged: bool = False
    explained: bool = False
    trials: tuple[Trial, ...] = ()

    @property
    def training(self) -> JobCreated:
        """What was asked for, of a job that trains a model; raises `NotAllowed` for others."""
        if not isinstance(self.created, JobCreated):
            does = "scores a dataset" if isinstance(self.created, ScoringCreated) else "reproduces one"
            raise NotAllowed(f"this job {does}, and trains no model of its own")
        return self.created


def evolve(state: JobState | None, event: JobEvent) -> JobState:
    """The state after ``event``."""
    if isinstance(event, Asked):
        return JobState(created=event)
    assert state is not None
    match event:
        case JobStarted():
            return replace(state, status="running", attempt=event.attempt, begun=False, fraction=0.0)
        case JobProgressed():
            return replace(state, begun=True, fraction=event.fraction)
        case TrialsFinished():
            return replace(state, begun=True, trials=state.trials + event.trials)
        case ModelTrained() | DatasetScored() | ModelReproduced():
            return _succeeded(state, event)
        case ModelPackaged() | ModelExplained():
            return _finished(state, event)
        case JobFailed():
            return replace(state, status="failed", cancel_requested=False)
        case JobCancelRequested():
            return replace(state, cancel_requested=True)
        case JobCancelled():
            return replace(state, status="cancelled", cancel_requested=False)
        case JobReclaimed():
            return replace(
                state,
                status="created",
                sandbox_deaths=state.sandbox_deaths + (event.cause == "sandbox_died"),
                workers_lost=state.workers_lost + (event.cause == "worker_lost" and event.begun),
            )
        case JobRetried():
            return replace(state, status="created", sandbox_deaths=0, workers_lost=0)


def _succeeded(state: JobState, event: ModelTrained | DatasetScored | ModelReproduced) -> JobState:
    done = replace(state, status="succeeded", cancel_requested=False)
    if isinstance(event, ModelTrained):
        return replace(done, model=event.model, model_version=event.model_version)
    return done


def _finished(state: JobState, event: ModelPackaged | ModelExplained) -> JobState:
    if isinstance(event, ModelPackaged):
        return replace(state, packaged=True, onnx=event.onnx)
    return replace(state, explained=True)
