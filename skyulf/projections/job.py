"""What is shown of jobs."""

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.job import (
    JobCancelled,
    JobCancelRequested,
    JobCreated,
    JobEvent,
    JobFailed,
    JobProgressed,
    JobReclaimed,
    JobRetried,
    JobStarted,
    JobStatus,
    ModelExplained,
    ModelPackaged,
    ModelTrained,
    TrialsFinished,
)
from skyulf.events.reproduction import ModelReproduced, ReproductionCreated
from skyulf.events.scoring import DatasetScored, ScoringCreated
from skyulf.projections.base import Projection, Row, by_stream

JobKind = Literal["training", "scoring", "reproduction"]


class JobRow(Row, frozen=True, kw_only=True):
    """A job as it is now; ``version`` is its stream's, ``spec`` becomes the chosen one once there is a model.

    ``kind`` tells what it does. One that scores a dataset has no spec and no seed and trains no model; ``scoring``
    holds what predicts, what else was asked for, and what came of it. So does ``reproduction`` of one that trains a
    model again, which keeps none either.

    ``onnx`` says what became of the model's ONNX copy, None until that is settled. ``explanation`` is the digest of
    how much each column matters. ``unfinished`` is 1 while there is a model of which one of the two is not settled.
    ``trials_planned`` is how many trials its tuning makes at most, once that is known; ``trials_over`` are over.
    """

    id: str
    version: int
    status: JobStatus
    dataset_id: str
    dataset_version: int
    pipeline_id: str | None
    model_name: str | None
    asked_spec: dict[str, Any] | None
    spec: dict[str, Any] | None
    set_aside: list[tuple[str, str]]
    seed: int | None
    created_at: datetime
    created_position: int
    kind: JobKind = "training"
    scoring: dict[str, Any] | None = None
    reproduction: dict[str, Any] | None = None
    attempt: int = 0
    worker: str | None = None
    stage: str | None = None
    fraction: float = 0.0
    cancel_requested: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    metrics: dict[str, float | None] | None = None
    candidate_scores: list[dict[str, Any]] = []
    model_version: int | None = None
    model: str | None = None
    evaluation: str | None = None
    fingerprint: str | None = None
    environment: dict[str, Any] = {}
    rows: dict[str, int] = {}
    timings: dict[str, float] = {}
    warnings: list[str] = []
    error: dict[str, str] | None = None
    onnx: dict[str, Any] | None = None
    explained: bool = False
    explanation: str | None = None
    unfinished: int = 0
    sample: dict[str, int] | None = None
    trials_planned: int = 0
    trials_over: int = 0


class TrialsRow(Row, frozen=True, kw_only=True):
    """Trials of a job's tuning that one event told of; ``told_version`` is that event's version in the job's stream."""

    job_id: str
    told_version: int
    attempt: int
    metric: str
    higher_is_better: bool
    trials: list[dict[str, Any]]


def _created(event: JobCreated, recorded: Recorded) -> JobRow:
    return JobRow(
        id=recorded.stream,
        version=recorded.version,
        status="created",
        dataset_id=event.dataset_id,
        dataset_version=event.dataset_version,
        pipeline_id=event.pipeline_id,
        model_name=event.model_name,
        asked_spec=event.spec,
        spec=event.spec,
        set_aside=list(event.set_aside),
        seed=event.seed,
        sample=event.sample.model_dump() if event.sample else None,
        created_at=recorded.metadata.recorded_at,
        created_position=recorded.position,
    )


def _other_created(event: ScoringCreated | ReproductionCreated, recorded: Recorded) -> JobRow:
    """The row of a job that trains no model of its own."""
    row = JobRow(
        id=recorded.stream,
        version=recorded.version,
        status="created",
        dataset_id=event.dataset_id,
        dataset_version=event.dataset_version,
        pipeline_id=None,
        model_name=None,
        asked_spec=None,
        spec=None,
        set_aside=[],
        seed=None,
        created_at=recorded.metadata.recorded_at,
        created_position=recorded.position,
    )
    if isinstance(event, ScoringCreated):
        return msgspec.structs.replace(row, kind="scoring", scoring=_scoring(event))
    return msgspec.structs.replace(row, kind="reproduction", reproduction=_reproduction(event))


def _scoring(event: ScoringCreated) -> dict[str, Any]:
    return {
        "model": event.target.model,
        "model_version": event.target.model_version,
        "deployment": event.deployment,
        "format": event.format,
        "keep": list(event.keep),
        "output": None,
    }


def _reproduction(event: ReproductionCreated) -> dict[str, Any]:
    return {
        "job_id": event.job_id,
        "model": event.model_name,
        "model_version": event.model_version,
        "seed": event.seed,
        "result": None,
    }


def _changes(row: JobRow, event: JobEvent, at: datetime) -> dict[str, Any]:
    """What the event changes in the row, but for its version."""
    match event:
        case JobStarted():
            return {
                "status": "running",
                "attempt": event.attempt,
                "worker": event.worker,
                "stage": None,
                "fraction": 0.0,
                "started_at": row.started_at or at,
            }
        case JobProgressed():
            return {"stage": event.stage, "fraction": event.fraction, "metrics": event.metrics or row.metrics}
        case TrialsFinished():
            over = sum(not trial.held_out for trial in event.trials)
            return {"trials_planned": event.planned, "trials_over": row.trials_over + over}
        case ModelTrained() | DatasetScored() | ModelReproduced():
            done = {"status": "succeeded", "finished_at": at, "cancel_requested": False, "fraction": 1.0}
            return {**done, **_result(row, event)}
        case ModelPackaged():
            return {"onnx": _copy(event), "unfinished": 0 if row.explained else 1}
        case ModelExplained():
            settled = 0 if row.onnx is not None else 1
            return {"explained": True, "explanation": event.explanation, "unfinished": settled}
        case JobFailed():
            error = event.problem.model_dump()
            return {"status": "failed", "error": error, "finished_at": at, "cancel_requested": False}
        case JobCancelRequested():
            return {"cancel_requested": True}
        case JobCancelled():
            return {"status": "cancelled", "finished_at": at, "cancel_requested": False}
        case JobReclaimed():
            return {"status": "created", "worker": None, "stage": None, "fraction": 0.0, "metrics": None}
        case _:
            assert isinstance(event, JobRetried)
            waiting = {"status": "created", "worker": None, "stage": None, "fraction": 0.0, "metrics": None}
            return {**waiting, "error": None, "started_at": None, "finished_at": None}


def _result(row: JobRow, event: ModelTrained | DatasetScored | ModelReproduced) -> dict[str, Any]:
    """What the row shows of what came of a job."""
    match event:
        case ModelTrained():
            return _model(event)
        case DatasetScored():
            output = {"digest": event.output, "size": event.size, "rows": event.rows, "missing": event.missing}
            return {"scoring": {**(row.scoring or {}), "output": output}, "timings": event.timings}
        case ModelReproduced():
            found = event.model_dump(mode="json", exclude={"attempt", "metrics", "timings"})
            return {
                "reproduction": {**(row.reproduction or {}), "result": found},
                "metrics": event.metrics,
                "timings": event.timings,
            }


def _model(event: ModelTrained) -> dict[str, Any]:
    """What the row shows of a model; field by field, which costs a tenth of dumping the event."""
    return {
        "unfinished": 1,
        "model": event.model,
        "model_version": event.model_version,
        "evaluation": event.evaluation,
        "metrics": event.metrics,
        "spec": event.spec,
        "candidate_scores": [score.model_dump(mode="json") for score in event.candidate_scores],
        "fingerprint": event.fingerprint,
        "environment": event.environment,
        "rows": event.rows,
        "timings": event.timings,
        "warnings": list(event.warnings),
    }


def _copy(event: ModelPackaged) -> dict[str, Any]:
    """What the row shows of the ONNX copy."""
    return {
        "digest": event.onnx,
        "reason": event.reason,
        "probe_rows": event.probe_rows,
        "largest_difference": event.largest_difference,
    }


def fold_job(row: JobRow | None, event: JobEvent, recorded: Recorded) -> JobRow:
    """The job's row after the event."""
    if isinstance(event, JobCreated):
        return _created(event, recorded)
    if isinstance(event, ScoringCreated | ReproductionCreated):
        return _other_created(event, recorded)
    assert row is not None
    changes = _changes(row, event, recorded.metadata.recorded_at)
    return msgspec.structs.replace(row, version=recorded.version, **changes)


def fold_trials(row: TrialsRow | None, event: TrialsFinished, recorded: Recorded) -> TrialsRow:
    """The row of the trials that an event tells of."""
    assert row is None
    return TrialsRow(
        job_id=recorded.stream,
        told_version=recorded.version,
        attempt=event.attempt,
        metric=event.metric,
        higher_is_better=event.higher_is_better,
        trials=[trial.model_dump(mode="json") for trial in event.trials],
    )


JOB_TRIALS = Projection(
    name="job_trials",
    version=2,
    row=TrialsRow,
    folds=(TrialsFinished,),
    key=lambda recorded, _: f"{recorded.stream}/{recorded.version:09d}",
    fold=fold_trials,
    columns={"job_id": "text", "told_version": "integer"},
    indexes=(("job_id", "told_version"),),
)

JOBS = Projection(
    name="jobs",
    version=6,
    row=JobRow,
    folds=get_args(JobEvent),
    key=by_stream,
    fold=fold_job,
    columns={
        "created_position": "position",
        "status": "text",
        "kind": "text",
        "model_name": "text",
        "dataset_id": "text",
        "pipeline_id": "text",
        "unfinished": "integer",
    },
    indexes=(
        ("created_position",),
        ("status", "created_position"),
        ("kind", "created_position"),
        ("model_name", "created_position"),
        ("dataset_id", "created_position"),
        ("pipeline_id", "created_position"),
        ("unfinished", "created_position"),
    ),
)
