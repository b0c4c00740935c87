"""What may be asked of a job that trains a model again; the rest of its life it shares with all jobs."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from skyulf.commands.base import Command, Decided, Handler, Name, Streams
from skyulf.commands.dataset import not_erased
from skyulf.commands.job import current
from skyulf.commands.made import Made, end_of_erased, made_reads
from skyulf.commands.model import numbered
from skyulf.errors import NotAllowed
from skyulf.events.job import JobCancelled, Limits
from skyulf.events.model import ModelState
from skyulf.events.reproduction import Cause, Comparison, Fact, ModelReproduced, ReproductionCreated, Verdict


class CreateReproduction(Command):
    """Train a model again, from what its job recorded, and compare.

    The caller names the job, or a model by a version's number or by an alias: then ``training`` is the job that this
    means, found out for the caller, as ``dataset_id`` is, which it was trained on. ``seed`` is another one to train
    with than the recorded.
    """

    CREATES = "job"
    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"limits", "dataset_id"})

    training: str
    dataset_id: str | None
    model: Name | None = None
    model_version: int | None = None
    alias: Name | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    limits: Limits

    def not_sent(self) -> dict[str, Any]:
        """See `Command.not_sent`; an alias that has been moved makes no other command of the same request."""
        return super().not_sent() | ({} if self.model is None else {"training": True})


class CompleteReproduction(Made):
    """Hand in what an attempt found."""

    attempt: int
    verdict: Verdict
    causes: tuple[Cause, ...]
    facts: tuple[Fact, ...]
    fingerprint_of_model: str | None
    comparison: Comparison | None
    not_compared: str | None
    metrics: dict[str, float | None]
    timings: dict[str, float]


def training_of(stream: str, model: ModelState, number: int | None, alias: str | None) -> str:
    """The job that trained the version that a caller named, retired or not; raises `NotFound`."""
    return model.jobs[numbered(stream, model, number, alias)]


def _create_reads(command: CreateReproduction) -> Sequence[str]:
    return tuple(stream for stream in (command.id, command.training, command.dataset_id) if stream)


def create_reproduction(command: CreateReproduction, streams: Streams) -> Decided:
    """Decide `CreateReproduction`; whether data and model are still there is found out when they are fetched."""
    job = streams.job(command.training)
    trained = job.training
    if job.model is None:
        raise NotAllowed(f"{command.training} is {job.status}, and has no model that could be reproduced")
    not_erased(trained.dataset_id, streams.dataset(trained.dataset_id))
    event = ReproductionCreated(
        job_id=command.training,
        dataset_id=trained.dataset_id,
        dataset_version=trained.dataset_version,
        dataset_digest=trained.dataset_digest,
        dataset_artifact=trained.dataset_artifact,
        model=job.model,
        model_name=trained.model_name,
        model_version=job.model_version,
        seed=None if command.seed == trained.seed else command.seed,
        limits=command.limits,
    )
    return [(command.id, event)]


def complete_reproduction(command: CompleteReproduction, streams: Streams) -> Decided:
    """Decide `CompleteReproduction`; a cancel that came first wins."""
    job = streams.job(command.id)
    current(command, job)
    if job.cancel_requested:
        return [(command.id, JobCancelled())]
    if (end := end_of_erased(command, command.attempt, streams)) is not None:
        return end
    if not isinstance(job.created, ReproductionCreated):
        raise NotAllowed(f"{command.id} reproduces no model")
    told = command.model_dump(exclude={"id", "dataset_id", "fingerprint_of_model"})
    return [(command.id, ModelReproduced(**told, fingerprint=command.fingerprint_of_model))]


HANDLERS: dict[type[Command], Handler] = {
    CreateReproduction: Handler(_create_reads, create_reproduction),
    CompleteReproduction: Handler(made_reads, complete_reproduction),
}
