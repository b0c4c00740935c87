"""Small, valid things to test with: events of every noun, metadata, a clock that stands still, ids in sequence."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from skyulf.adapters.stored import data_of
from skyulf.commands.base import Context
from skyulf.events.base import Actor, DomainEvent, Metadata, Recorded
from skyulf.events.dataset import Column, DatasetCreated, DatasetVersionAdded, Source
from skyulf.events.deployment import PredictionsLogged, Target
from skyulf.events.job import CandidateScore, JobCreated, Limits, ModelTrained, Problem, Trial
from skyulf.events.log import Append, EventLog, Write
from skyulf.events.model import ModelVersionRegistered
from skyulf.events.pipeline import PipelineCreated, PipelineRevised
from skyulf.events.reproduction import Comparison, Fact, ModelReproduced, ReproductionCreated
from skyulf.events.scoring import DatasetScored, ScoringCreated
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import ReadStore, Selection

NOW = datetime(2026, 3, 3, 12, 30, 15, 123456, tzinfo=UTC)

ANN = Actor("ann", "human")
BOB = Actor("bob", "service")

LIMITS = Limits(seconds=600, memory_bytes=2**30)

SPEC: dict[str, Any] = {
    "task": "classification",
    "target": "y",
    "steps": [{"node": "impute", "columns": "numeric", "params": {"strategy": "median"}}],
    "model": {"node": "logistic_regression", "params": {"C": 1.0}},
}

COLUMNS = (
    Column(name="x", type="number", nulls=3, distinct=90, commonest=2, rarest=1, skewness=0.25, unfit=2),
    Column(name="y", type="string", nulls=0, distinct=2, commonest=60, rarest=40, mean_words=1.25),
)


class Clock:
    """Stands still until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def sequential_ids() -> Callable[[], str]:
    """Ids in the form of UUIDv7, one after the other; safe from any thread."""
    numbers = itertools.count(1)
    return lambda: f"01900000-0000-7000-8000-{next(numbers):012d}"


def metadata(command_id: str = "command-1", actor: Actor = ANN, **changes: Any) -> Metadata:
    circumstances: dict[str, Any] = {
        "fingerprint": "f" * 64,
        "recorded_at": NOW,
        "correlation_id": command_id,
        **changes,
    }
    return Metadata(actor=actor, command_id=command_id, **circumstances)


def full_metadata(command_id: str = "command-1") -> Metadata:
    """Metadata of which nothing is left out."""
    return metadata(
        command_id,
        correlation_id="request-7",
        causation_id="command-0",
        reason='Zahl größer als „5“, said 健 \\ "quoted"',
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )


def context(command_id: str | None = None, actor: Actor = ANN, **changes: Any) -> Context:
    return Context(actor=actor, command_id=command_id, **changes)


def named(name: str = "a") -> PipelineCreated:
    """Some event, told from others by a name."""
    return PipelineCreated(name=name, spec={})


def renamed(name: str = "b") -> PipelineRevised:
    return PipelineRevised(name=name, spec={})


_commands = itertools.count(1)


def writing(stream: str, expected: int, *events: DomainEvent, **metadata_changes: Any) -> Append:
    """An append to one stream, under a command id of its own unless one is given."""
    command_id = metadata_changes.pop("command_id", None) or f"made-{next(_commands)}"
    return Append((Write(stream, expected, events),), metadata(command_id, **metadata_changes))


def written(log: EventLog, stream: str, expected: int, *events: DomainEvent, **changes: Any) -> tuple[Recorded, ...]:
    """Append to one stream, and see that it went well."""
    (result,) = log.append([writing(stream, expected, *events, **changes)])
    assert isinstance(result, tuple), result
    return result


def record(
    event: DomainEvent, position: int = 1, stream: str = "pipeline-1", version: int = 1, **changes: Any
) -> Recorded:
    """The event as the log would record it."""
    values: dict[str, Any] = {
        "id": f"01900000-0000-7000-8000-{position:012d}",
        "type": type(event).__name__,
        "schema": event.SCHEMA,
        "metadata": metadata(f"command-{position}"),
        "ordinal": 0,
        "data": data_of(event),
        **changes,
    }
    return Recorded(position=position, stream=stream, version=version, **values)


def records(stream: str, events: Iterable[DomainEvent], after: int = 0, **changes: Any) -> Iterator[Recorded]:
    """The events of one stream as the log would record them, at positions above ``after``."""
    for version, event in enumerate(events, start=1):
        yield record(event, after + version, stream, version, **changes)


def everything(log: EventLog) -> list[Recorded]:
    return list(log.read(0, 1_000_000).events)


def dataset_created(name: str = "irises") -> DatasetCreated:
    return DatasetCreated(name=name)


def version_added(number: int = 1, **changes: Any) -> DatasetVersionAdded:
    values: dict[str, Any] = {
        "digest": f"sha256:digest-{number}",
        "artifact": f"sha256:table-{number}",
        "rows": 100,
        "source": Source(filename="irises.csv", size=4_000),
        "columns": COLUMNS,
        **changes,
    }
    return DatasetVersionAdded(dataset_version=number, **values)


def job_created(**changes: Any) -> JobCreated:
    values: dict[str, Any] = {
        "dataset_id": "dataset-1",
        "dataset_version": 1,
        "dataset_digest": "sha256:digest-1",
        "dataset_artifact": "sha256:table-1",
        "pipeline_id": None,
        "spec": SPEC,
        "candidates": (SPEC,),
        "model_name": None,
        "seed": 7,
        "limits": LIMITS,
        **changes,
    }
    return JobCreated(**values)


def scoring_created(**changes: Any) -> ScoringCreated:
    values: dict[str, Any] = {
        "dataset_id": "dataset-1",
        "dataset_version": 1,
        "dataset_digest": "sha256:digest-1",
        "dataset_artifact": "sha256:table-1",
        "target": target(),
        "deployment": None,
        "format": "parquet",
        "keep": (),
        "limits": LIMITS,
        **changes,
    }
    return ScoringCreated(**values)


SCORES: dict[str, Any] = {
    "output": "sha256:predictions",
    "size": 2_000,
    "rows": 100,
    "missing": 1,
    "timings": {"load": 0.1, "read": 0.01, "predict": 0.2, "write": 0.05},
}
"""What an attempt at a scoring hands in, but for its number."""


def dataset_scored(attempt: int = 1, **changes: Any) -> DatasetScored:
    return DatasetScored(attempt=attempt, **{**SCORES, **changes})


def reproduction_created(**changes: Any) -> ReproductionCreated:
    values: dict[str, Any] = {
        "job_id": "job-1",
        "dataset_id": "dataset-1",
        "dataset_version": 1,
        "dataset_digest": "sha256:digest-1",
        "dataset_artifact": "sha256:table-1",
        "model": "sha256:model",
        "model_name": "irises",
        "model_version": 1,
        "seed": None,
        "limits": LIMITS,
        **changes,
    }
    return ReproductionCreated(**values)


FOUND: dict[str, Any] = {
    "verdict": "equivalent",
    "causes": ("package",),
    "facts": (
        Fact(aspect="data", name="table", recorded="table-1", now="table-1"),
        Fact(aspect="package", name="scikit-learn", recorded="1.8.0", now="1.9.0"),
        Fact(aspect="code", name="code", recorded=None, now="code"),
    ),
    "comparison": Comparison(rows=100, otherwise=0, largest_difference=1e-12),
    "not_compared": None,
    "metrics": {"accuracy": 0.9, "roc_auc": None},
    "timings": {"fit": 0.5},
}
"""What an attempt at a reproduction hands in, but for its number and the fingerprint."""


def model_reproduced(attempt: int = 1, **changes: Any) -> ModelReproduced:
    return ModelReproduced(attempt=attempt, **{**FOUND, "fingerprint": "f2", **changes})


RESULT: dict[str, Any] = {
    "model": "sha256:model",
    "evaluation": "sha256:evaluation",
    "metrics": {"accuracy": 0.9, "roc_auc": None},
    "spec": SPEC,
    "candidate_scores": (
        CandidateScore(
            candidate=0, model="logistic_regression", metric="accuracy", scores=(0.8, None), mean=0.8, chosen=True
        ),
    ),
    "environment": {"python": "3.11"},
    "rows": {"total": 100, "train": 80, "test": 20, "dropped": 0},
    "timings": {"fit": 0.5},
    "warnings": ("the classes are uneven",),
}
"""What an attempt hands in, but for its number, its fingerprint and the model's name."""


def model_trained(attempt: int = 1, **changes: Any) -> ModelTrained:
    values = {**RESULT, "fingerprint": "f1", "model_name": None, "model_version": None, **changes}
    return ModelTrained(attempt=attempt, **values)


def trial(number: int = 0, **changes: Any) -> Trial:
    values: dict[str, Any] = {
        "number": number,
        "parameters": {"model.C": 0.5 + number},
        "state": "finished",
        "scores": (0.75, 0.5),
        "mean": 0.625,
        "seconds": 0.25,
        **changes,
    }
    return Trial(**values)


def registered(number: int = 1, **changes: Any) -> ModelVersionRegistered:
    values: dict[str, Any] = {
        "job_id": f"job-{number}",
        "model": f"sha256:model-{number}",
        "fingerprint": f"f{number}",
        "metrics": {"accuracy": 0.9},
        "task": "classification",
        "target": "y",
        "estimator": "logistic_regression",
        **changes,
    }
    return ModelVersionRegistered(model_version=number, **values)


def target(number: int = 1, model: str = "irises") -> Target:
    return Target(model=model, model_version=number, artifact=f"sha256:model-{number}")


def predictions_logged(number: int = 1, **changes: Any) -> PredictionsLogged:
    values: dict[str, Any] = {
        "target": target(),
        "artifact": f"sha256:logged-{number}",
        "requests": 10,
        "rows": 100,
        "lost": 0,
        "since": NOW,
        "until": NOW,
        **changes,
    }
    return PredictionsLogged(**values)


def rows_of(store: ReadStore, projection: Projection[Any]) -> dict[str, Row]:
    """Every row of a projection, by key."""
    found = store.select(projection, Selection(projection.indexes[0][-1], {}, limit=1_000_000))
    return {key: msgspec.json.decode(text, type=projection.row) for key, text in found.rows}


PROBLEM = Problem(type="bad-column", title="A column cannot be used", detail="x has only missing cells")
