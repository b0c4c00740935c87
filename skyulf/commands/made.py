"""What is made of a dataset's data by a job, and what becomes of it when that data was erased meanwhile."""

from collections.abc import Sequence

from skyulf.commands.base import Command, Decided, Streams
from skyulf.commands.dataset import not_erased
from skyulf.events.job import JobFailed, Problem


class Made(Command):
    """Something that was made of the data of a dataset, ``dataset_id``, which must not have been erased meanwhile."""

    dataset_id: str | None = None


def made_reads(command: Made) -> Sequence[str]:
    """The job, and the dataset that it was made for."""
    return (command.id,) if command.dataset_id is None else (command.id, command.dataset_id)


def end_of_erased(command: Made, attempt: int, streams: Streams) -> Decided | None:
    """How an attempt ends whose data was erased under it: it failed, and leaves nothing; None where it was not."""
    if command.dataset_id is None or not streams.dataset(command.dataset_id).erased:
        return None
    return [(command.id, JobFailed(attempt=attempt, problem=erased_problem(command.dataset_id)))]


def erased_problem(dataset_id: str) -> Problem:
    """Why a job cannot be done whose data was erased."""
    return Problem(
        type="dataset-erased",
        title="The dataset was erased",
        detail=f"{dataset_id} was erased, and nothing can be made of it any more.",
    )


def not_of_erased(command: Made, artifact: str | None, streams: Streams) -> None:
    """Refuse what was made of data that was erased meanwhile; that there is nothing may be said."""
    if artifact is not None and command.dataset_id is not None:
        not_erased(command.dataset_id, streams.dataset(command.dataset_id))
