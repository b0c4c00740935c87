"""Events as a busy system leaves them behind, made fast: ids, specs and sizes as in life."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from skyulf.adapters.system import new_id
from skyulf.events.base import Actor, DomainEvent, Metadata, Recorded
from skyulf.events.dataset import DatasetCreated
from skyulf.events.job import (
    JobCancelled,
    JobCreated,
    JobFailed,
    JobProgressed,
    JobStarted,
    Limits,
    ModelTrained,
    Problem,
)
from skyulf.events.model import ModelVersionRegistered

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "sha256:" + "5e" * 32
LIMITS = Limits(seconds=3600, memory_bytes=4 << 30)

SPEC: dict[str, Any] = {
    "task": "classification",
    "target": "target",
    "split": {"test_size": 0.2, "stratify": True, "shuffle": True, "seed": None},
    "steps": [
        {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
        {"node": "scale", "columns": "numeric", "params": {}},
    ],
    "model": {"node": "logistic_regression", "params": {"C": 1.0}, "seed": None},
    "refit": True,
}

METRICS: dict[str, float | None] = {
    "accuracy": 0.91372549, "balanced_accuracy": 0.9082125, "precision": 0.9114285, "recall": 0.9082125,
    "f1": 0.9097823, "log_loss": 0.2317764, "roc_auc": 0.9654321, "mcc": 0.8196432,
}  # fmt: skip

STAGES = ("fit", "evaluate", "refit")


def job_created(dataset: str, model_name: str | None = None) -> JobCreated:
    """A training with two steps and a model was asked for."""
    return JobCreated(
        dataset_id=dataset,
        dataset_version=1,
        dataset_digest=DIGEST,
        dataset_artifact=DIGEST,
        pipeline_id=None,
        spec=SPEC,
        candidates=(SPEC,),
        model_name=model_name,
        seed=0,
        limits=LIMITS,
    )


def model_trained(model_name: str | None, model_version: int | None) -> ModelTrained:
    """It ended with a model."""
    return ModelTrained(
        attempt=1,
        model=DIGEST,
        evaluation=DIGEST,
        metrics=METRICS,
        spec=SPEC,
        candidate_scores=(),
        fingerprint="5e" * 32,
        environment={"python": "3.11.2", "scikit-learn": "1.9.1", "numpy": "2.4.0", "threads": 2},
        rows={"total": 10_000, "train": 8_000, "test": 2_000, "dropped": 0},
        timings={"load": 0.04, "split": 0.01, "choose": 0.0, "fit": 0.2, "evaluate": 0.05, "refit": 0.25},
        warnings=(),
        model_name=model_name,
        model_version=model_version,
    )


def metadata(actor: Actor, second: float) -> Metadata:
    """The circumstances of a command that was sent so long after the beginning."""
    command_id = new_id()
    return Metadata(
        actor=actor,
        command_id=command_id,
        fingerprint="c0ffee" * 10 + "0000",
        recorded_at=BEGINNING + timedelta(seconds=second),
        correlation_id=command_id,
    )


class History:
    """Makes the records of many jobs, one after another, as `EventLog.restore` takes them.

    Of ten jobs eight succeed, half of those with a model that has a name, one fails and one is cancelled: six
    events to a job. Every thousandth is preceded by a new dataset.
    """

    def __init__(self) -> None:
        self._position = 0
        self._models = 0
        self._human = Actor(id="local", kind="human")
        self._worker = Actor(id=f"worker-{new_id()}", kind="worker")
        self._dataset = ""
        self._model_stream = f"model-{new_id()}"
        self._data: dict[str, bytes] = {}

    def records(self, jobs: int) -> Iterator[Recorded]:
        """The records of so many more jobs."""
        for number in range(jobs):
            if number % 1_000 == 0:
                self._dataset = f"dataset-{new_id()}"
                yield self._record(self._dataset, 1, DatasetCreated(name="measurements"), self._human)
                self._data.clear()
            yield from self._job(number)

    def _job(self, number: int) -> Iterator[Recorded]:
        stream = f"job-{new_id()}"
        name = "champion" if number % 2 else None
        yield self._record(stream, 1, job_created(self._dataset, name), self._human, kind=f"created {name}")
        if number % 10 == 9:
            yield self._record(stream, 2, JobCancelled(), self._human)
            return
        yield self._record(stream, 2, JobStarted(worker=self._worker.id, attempt=1), self._worker)
        version = 2
        for at, stage in enumerate(STAGES, start=1):
            version += 1
            event = JobProgressed(attempt=1, stage=stage, fraction=0.25 * at)
            yield self._record(stream, version, event, self._worker, kind=stage)
        if number % 10 == 8:
            problem = Problem(type="training-failed", title="The data cannot be trained", detail="one class only")
            yield self._record(stream, version + 1, JobFailed(attempt=1, problem=problem), self._worker)
            return
        if name is None:
            yield self._record(stream, version + 1, model_trained(None, None), self._worker)
            return
        self._models += 1
        trained = self._record(
            stream, version + 1, model_trained(name, self._models), self._worker, kind=f"trained {self._models}"
        )
        yield trained
        registered = ModelVersionRegistered(
            model_version=self._models,
            job_id=stream,
            model=DIGEST,
            fingerprint="5e" * 32,
            metrics=METRICS,
            task="classification",
            target="target",
            estimator="logistic_regression",
        )
        yield self._record(self._model_stream, self._models, registered, self._worker, beside=trained)

    def _record(
        self,
        stream: str,
        version: int,
        event: DomainEvent,
        actor: Actor,
        kind: str | None = None,
        beside: Recorded | None = None,
    ) -> Recorded:
        """One record; events of the same ``kind`` under one dataset have the same data, and are encoded once."""
        self._position += 1
        if kind is None:
            data = event.model_dump_json().encode()
        else:
            data = self._data.get(kind) or self._data.setdefault(kind, event.model_dump_json().encode())
        return Recorded(
            position=self._position,
            stream=stream,
            version=version,
            id=new_id(),
            type=type(event).__name__,
            schema=event.SCHEMA,
            metadata=beside.metadata if beside else metadata(actor, self._position),
            ordinal=1 if beside else 0,
            data=data,
        )


def records(count: int) -> Iterator[Recorded]:
    """Exactly ``count`` records."""
    history = History().records(count)
    for _ in range(count):
        yield next(history)
