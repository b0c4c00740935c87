"""What may be asked of a job: by people (create, cancel, retry) and by the worker that holds it."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from pydantic import Field

from skyulf.commands.base import Command, Decided, Handler, Name, Streams, own_stream
from skyulf.commands.dataset import version_of
from skyulf.commands.job_spec import on_dataset
from skyulf.commands.made import Made, end_of_erased, made_reads, not_of_erased
from skyulf.errors import Fault, Invalid, NotAllowed
from skyulf.events.base import DomainEvent
from skyulf.events.job import (
    CandidateScore,
    JobCancelled,
    JobCancelRequested,
    JobCreated,
    JobFailed,
    JobProgressed,
    JobReclaimed,
    JobRetried,
    JobStarted,
    JobState,
    Limits,
    ModelExplained,
    ModelPackaged,
    ModelTrained,
    Problem,
    ReclaimCause,
    Trial,
    TrialsFinished,
)
from skyulf.events.model import ModelState, ModelVersionRegistered

SANDBOX_DEATHS = 3
"""A job that kills its sandbox so often fails for good."""

WORKERS_LOST = 10
"""A job whose workers died under it so often, after its work had begun, fails too."""


class CreateJob(Command):
    """Train a model on a version of a dataset, by the pipeline or the spec given (exactly one of the two)."""

    CREATES = "job"
    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"limits"})

    dataset_id: str
    dataset_version: int | None = None
    pipeline_id: str | None = None
    spec: dict[str, Any] | None = None
    model_name: Name | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    limits: Limits


class StartJob(Command):
    """Claim a job that waits, as the given attempt."""

    worker: str
    attempt: int


class ReportProgress(Command):
    """Say how far an attempt has got."""

    attempt: int
    stage: str
    fraction: float
    metrics: dict[str, float | None] = {}


class ReportTrials(Command):
    """Say which trials of an attempt's tuning are over."""

    attempt: int
    planned: int
    metric: str
    higher_is_better: bool
    trials: tuple[Trial, ...]


class CompleteJob(Made):
    """Hand in an attempt's result; ``model_name`` is the job's."""

    attempt: int
    model: str
    evaluation: str
    metrics: dict[str, float | None]
    spec: dict[str, Any]
    candidate_scores: tuple[CandidateScore, ...] = ()
    fingerprint_of_model: str
    environment: dict[str, Any]
    rows: dict[str, int]
    timings: dict[str, float]
    warnings: tuple[str, ...] = ()
    model_name: str | None


class FailJob(Made):
    """Say that an attempt failed, and why."""

    attempt: int
    problem: Problem
    traceback: str | None = None


class ReclaimJob(Command):
    """Let a job wait again whose attempt was lost."""

    attempt: int
    cause: ReclaimCause


class ConfirmCancelled(Command):
    """Say that the work of an attempt was stopped as asked."""

    attempt: int


class PackageModel(Made):
    """Hand in the ONNX copy of the model that an attempt trained, or say why there is none."""

    attempt: int
    onnx: str | None
    reason: str | None = None
    probe_rows: int = 0
    largest_difference: float | None = None


class ExplainModel(Made):
    """Hand in how much each column matters to the model that an attempt trained, or say why it is not known."""

    attempt: int
    explanation: str | None
    reason: str | None = None
    metric: str | None = None
    rows: int = 0
    repeats: int = 0


class CancelJob(Command):
    """Stop a job."""


class RetryJob(Command):
    """Let a job that failed or was cancelled wait again."""


def _create_reads(command: CreateJob) -> Sequence[str]:
    return tuple(stream for stream in (command.id, command.dataset_id, command.pipeline_id) if stream)


def create_job(command: CreateJob, streams: Streams) -> Decided:
    """Decide `CreateJob`: the spec is checked against the dataset's columns before anything is queued."""
    dataset = streams.dataset(command.dataset_id)
    version = version_of(command.dataset_id, dataset, command.dataset_version)
    document = _spec_document(command, streams)
    found = on_dataset(document, version.columns, version.rows, command.limits.memory_bytes)
    if found.faults:
        raise Invalid("the spec does not fit the dataset", found.faults)
    event = JobCreated(
        dataset_id=command.dataset_id,
        dataset_version=version.dataset_version,
        dataset_digest=version.digest,
        dataset_artifact=version.artifact,
        pipeline_id=command.pipeline_id,
        spec=document,
        candidates=found.candidates,
        set_aside=found.set_aside,
        model_name=command.model_name,
        seed=command.seed,
        limits=command.limits,
        sample=found.sample,
    )
    return [(command.id, event)]


def _spec_document(command: CreateJob, streams: Streams) -> dict[str, Any]:
    if (command.spec is None) == (command.pipeline_id is None):
        raise Invalid("a job is trained by a pipeline or by a spec", [Fault("spec", "or pipeline_id")])
    if command.spec is not None:
        return command.spec
    assert command.pipeline_id is not None
    pipeline = streams.pipeline(command.pipeline_id)
    if pipeline.archived:
        raise NotAllowed(f"{command.pipeline_id} is archived; use another pipeline, or give the spec itself")
    return pipeline.spec


def start_job(command: StartJob, streams: Streams) -> Decided:
    """Decide `StartJob`: one worker wins each attempt."""
    job = streams.job(command.id)
    if job.status != "created" or command.attempt != job.attempt + 1:
        raise NotAllowed(f"{command.id} is {job.status}, at attempt {job.attempt}; it cannot be started")
    return [(command.id, JobStarted(worker=command.worker, attempt=command.attempt))]


class Report(Protocol):
    """What a worker says of an attempt."""

    @property
    def id(self) -> str:
        """The job."""
        ...

    @property
    def attempt(self) -> int:
        """The attempt's number."""
        ...


def current(command: Report, job: JobState) -> None:
    """Refuse a report of an attempt that is no longer the current one: this is the fence."""
    if job.status != "running" or command.attempt != job.attempt:
        raise NotAllowed(
            f"attempt {command.attempt} of {command.id} is over: it is {job.status}, at attempt {job.attempt}"
        )


def report_progress(command: ReportProgress, streams: Streams) -> Decided:
    """Decide `ReportProgress`; progress never goes back."""
    job = streams.job(command.id)
    current(command, job)
    event = JobProgressed(
        attempt=command.attempt,
        stage=command.stage,
        fraction=max(job.fraction, min(1.0, command.fraction)),
        metrics=command.metrics,
    )
    return [(command.id, event)]


def report_trials(command: ReportTrials, streams: Streams) -> Decided:
    """Decide `ReportTrials`: what is known is not recorded again."""
    job = streams.job(command.id)
    current(command, job)
    known = {trial.key: trial for trial in job.trials}
    new = tuple(trial for trial in command.trials if known.get(trial.key) != trial)
    event = TrialsFinished(**command.model_dump(exclude={"id", "trials"}), trials=new)
    return [(command.id, event)] if new else []


def _complete_reads(command: CompleteJob) -> Sequence[str]:
    return (*made_reads(command), *(() if command.model_name is None else (f"model-{command.model_name}",)))


def complete_job(command: CompleteJob, streams: Streams) -> Decided:
    """Decide `CompleteJob`: a cancel that came first wins; a named model gets its version in the same breath."""
    job = streams.job(command.id)
    current(command, job)
    if job.cancel_requested:
        return [(command.id, JobCancelled())]
    if (end := end_of_erased(command, command.attempt, streams)) is not None:
        return end
    name = job.training.model_name
    if name != command.model_name:
        raise NotAllowed(f"{command.id} was created for the model {name}")
    model: ModelState | None = streams.find(f"model-{name}") if name else None
    number = (model.latest if model else 0) + 1 if name else None
    trained = ModelTrained(
        **command.model_dump(exclude={"id", "dataset_id", "fingerprint_of_model"}),
        fingerprint=command.fingerprint_of_model,
        model_version=number,
    )
    events: list[tuple[str, DomainEvent]] = [(command.id, trained)]
    if number is not None:
        registered = ModelVersionRegistered(
            model_version=number,
            job_id=command.id,
            model=command.model,
            fingerprint=command.fingerprint_of_model,
            metrics=command.metrics,
            task=command.spec["task"],
            target=command.spec["target"] or "",
            estimator=command.spec["model"]["node"],
        )
        events.append((f"model-{name}", registered))
    return events


def fail_job(command: FailJob, streams: Streams) -> Decided:
    """Decide `FailJob`; a cancel that came first wins."""
    job = streams.job(command.id)
    current(command, job)
    if job.cancel_requested:
        return [(command.id, JobCancelled())]
    if (end := end_of_erased(command, command.attempt, streams)) is not None:
        return end
    return [(command.id, JobFailed(attempt=command.attempt, problem=command.problem, traceback=command.traceback))]


def reclaim_job(command: ReclaimJob, streams: Streams) -> Decided:
    """Decide `ReclaimJob`: the job waits again, unless it was being cancelled or has been lost too often."""
    job = streams.job(command.id)
    current(command, job)
    if job.cancel_requested:
        return [(command.id, JobCancelled())]
    problem = _lost_too_often(command, job)
    if problem is not None:
        return [(command.id, JobFailed(attempt=command.attempt, problem=problem))]
    return [(command.id, JobReclaimed(attempt=command.attempt, cause=command.cause, begun=job.begun))]


def _lost_too_often(command: ReclaimJob, job: JobState) -> Problem | None:
    if command.cause == "sandbox_died" and job.sandbox_deaths + 1 >= SANDBOX_DEATHS:
        return Problem(
            type="sandbox-died",
            title="The job's process died",
            detail=f"The process that this job ran in died {SANDBOX_DEATHS} times; it may need more memory "
            "than it can have, or meet a fault of a library. It is not tried again by itself.",
        )
    if command.cause == "worker_lost" and job.begun and job.workers_lost + 1 >= WORKERS_LOST:
        return Problem(
            type="workers-lost",
            title="The workers of this job died",
            detail=f"{WORKERS_LOST} workers died while they had this job. It is not tried again by itself.",
        )
    return None


def confirm_cancelled(command: ConfirmCancelled, streams: Streams) -> Decided:
    """Decide `ConfirmCancelled`."""
    job = streams.job(command.id)
    current(command, job)
    if not job.cancel_requested:
        raise NotAllowed(f"nobody asked for {command.id} to be cancelled")
    return [(command.id, JobCancelled())]


def _trained(command: PackageModel | ExplainModel, job: JobState, settled: bool) -> None:
    """Refuse what is said of another attempt's model, or said again."""
    if job.status != "succeeded" or command.attempt != job.attempt:
        raise NotAllowed(f"{command.id} is {job.status}, at attempt {job.attempt}, not {command.attempt}")
    if settled:
        raise NotAllowed(f"this was recorded for {command.id} before")


def package_model(command: PackageModel, streams: Streams) -> Decided:
    """Decide `PackageModel`: once for each model."""
    job = streams.job(command.id)
    _trained(command, job, job.packaged)
    not_of_erased(command, command.onnx, streams)
    return [(command.id, ModelPackaged(**command.model_dump(exclude={"id", "dataset_id"})))]


def explain_model(command: ExplainModel, streams: Streams) -> Decided:
    """Decide `ExplainModel`: once for each model."""
    job = streams.job(command.id)
    _trained(command, job, job.explained)
    not_of_erased(command, command.explanation, streams)
    return [(command.id, ModelExplained(**command.model_dump(exclude={"id", "dataset_id"})))]


def cancel_job(command: CancelJob, streams: Streams) -> Decided:
    """Decide `CancelJob`: one that waits is cancelled, one that runs is asked, one that has ended is left alone."""
    job = streams.job(command.id)
    if job.status == "created":
        return [(command.id, JobCancelled())]
    if job.status == "running" and not job.cancel_requested:
        return [(command.id, JobCancelRequested())]
    return []


def retry_job(command: RetryJob, streams: Streams) -> Decided:
    """Decide `RetryJob`."""
    job = streams.job(command.id)
    if job.status not in ("failed", "cancelled"):
        raise NotAllowed(f"{command.id} is {job.status}; only a failed or cancelled job can be retried")
    return [(command.id, JobRetried())]


HANDLERS: dict[type[Command], Handler] = {
    CreateJob: Handler(_create_reads, create_job),
    StartJob: Handler(own_stream, start_job),
    ReportProgress: Handler(own_stream, report_progress),
    ReportTrials: Handler(own_stream, report_trials),
    CompleteJob: Handler(_complete_reads, complete_job),
    FailJob: Handler(made_reads, fail_job),
    ReclaimJob: Handler(own_stream, reclaim_job),
    ConfirmCancelled: Handler(own_stream, confirm_cancelled),
    PackageModel: Handler(made_reads, package_model),
    ExplainModel: Handler(made_reads, explain_model),
    CancelJob: Handler(own_stream, cancel_job),
    RetryJob: Handler(own_stream, retry_job),
}
