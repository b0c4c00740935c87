"""What may be asked of a job that scores a dataset; being claimed, cancelled and retried it shares with all jobs."""

from collections.abc import Sequence
from typing import ClassVar

from skyulf.commands.base import Command, Decided, Handler, Name, Streams
from skyulf.commands.dataset import version_of
from skyulf.commands.deployment import active_target
from skyulf.commands.job import current
from skyulf.commands.made import Made, end_of_erased, made_reads
from skyulf.commands.model import target_of
from skyulf.errors import Fault, Invalid, NotAllowed
from skyulf.events.dataset import DatasetVersionAdded
from skyulf.events.deployment import Target
from skyulf.events.job import JobCancelled, Limits
from skyulf.events.scoring import DatasetScored, ScoreFormat, ScoringCreated


class CreateScoring(Command):
    """Predict every row of a version of a dataset, with what a deployment serves now or with a version of a model.

    Exactly one of ``deployment`` and ``model`` is given, and with the model one of ``model_version`` and ``alias``.
    """

    CREATES = "job"
    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"limits"})

    dataset_id: str
    dataset_version: int | None = None
    deployment: Name | None = None
    model: Name | None = None
    model_version: int | None = None
    alias: Name | None = None
    format: ScoreFormat = "parquet"
    keep: tuple[str, ...] = ()
    limits: Limits


class CompleteScoring(Made):
    """Hand in the predictions of an attempt."""

    attempt: int
    output: str
    size: int
    rows: int
    missing: int
    timings: dict[str, float]


def _create_reads(command: CreateScoring) -> Sequence[str]:
    named = [("deployment", command.deployment), ("model", command.model)]
    return (command.id, command.dataset_id, *(f"{noun}-{name}" for noun, name in named if name is not None))


def create_scoring(command: CreateScoring, streams: Streams) -> Decided:
    """Decide `CreateScoring`; whether the model can take the dataset's columns is found out when it is loaded."""
    target = _target(command, streams)
    version = version_of(command.dataset_id, streams.dataset(command.dataset_id), command.dataset_version)
    if faults := _not_to_be_kept(command.keep, version):
        raise Invalid("some columns cannot stand beside the predictions", faults)
    event = ScoringCreated(
        dataset_id=command.dataset_id,
        dataset_version=version.dataset_version,
        dataset_digest=version.digest,
        dataset_artifact=version.artifact,
        target=target,
        deployment=command.deployment,
        format=command.format,
        keep=command.keep,
        limits=command.limits,
    )
    return [(command.id, event)]


def _target(command: CreateScoring, streams: Streams) -> Target:
    if (command.deployment is None) == (command.model is None):
        raise Invalid("a dataset is scored with a deployment or with a model", [Fault("deployment", "or model")])
    if command.model is not None:
        stream = f"model-{command.model}"
        return target_of(stream, streams.model(stream), command.model_version, command.alias)
    if command.model_version is not None or command.alias is not None:
        raise Invalid("a deployment says itself which version it is", [Fault("model_version", "leave it out")])
    stream = f"deployment-{command.deployment}"
    return active_target(stream, streams.deployment(stream))


def _not_to_be_kept(keep: Sequence[str], version: DatasetVersionAdded) -> list[Fault]:
    known = {column.name for column in version.columns}
    faults = [Fault(f"keep.{name}", "the dataset has no such column") for name in keep if name not in known]
    return faults + [Fault(f"keep.{name}", "is named twice") for name in sorted(set(keep)) if keep.count(name) > 1]


def complete_scoring(command: CompleteScoring, streams: Streams) -> Decided:
    """Decide `CompleteScoring`; a cancel that came first wins."""
    job = streams.job(command.id)
    current(command, job)
    if job.cancel_requested:
        return [(command.id, JobCancelled())]
    if (end := end_of_erased(command, command.attempt, streams)) is not None:
        return end
    if not isinstance(job.created, ScoringCreated):
        raise NotAllowed(f"{command.id} scores no dataset")
    return [(command.id, DatasetScored(**command.model_dump(exclude={"id", "dataset_id"})))]


HANDLERS: dict[type[Command], Handler] = {
    CreateScoring: Handler(_create_reads, create_scoring),
    CompleteScoring: Handler(made_reads, complete_scoring),
}
