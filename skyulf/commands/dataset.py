"""What may be asked of a dataset."""

from typing import ClassVar

from skyulf.commands.base import Command, Decided, Handler, Streams, Title, own_stream
from skyulf.events.dataset import Column, DatasetCreated, DatasetVersionAdded, Source


class CreateDataset(Command):
    """Name a dataset and add its first version, which has been ingested."""

    CREATES = "dataset"
    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"artifact", "rows", "columns"})

    name: Title
    digest: str
    artifact: str
    rows: int
    source: Source
    columns: tuple[Column, ...]


class AddDatasetVersion(Command):
    """Add a version, which has been ingested, to a dataset."""

    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"artifact", "rows", "columns"})

    digest: str
    artifact: str
    rows: int
    source: Source
    columns: tuple[Column, ...]


def _added(command: CreateDataset | AddDatasetVersion, number: int) -> DatasetVersionAdded:
    return DatasetVersionAdded(
        dataset_version=number,
        digest=command.digest,
        artifact=command.artifact,
        rows=command.rows,
        source=command.source,
        columns=command.columns,
    )


def create_dataset(command: CreateDataset, streams: Streams) -> Decided:  # noqa: ARG001 - a new stream
    """Decide `CreateDataset`."""
    return [(command.id, DatasetCreated(name=command.name)), (command.id, _added(command, 1))]


def add_dataset_version(command: AddDatasetVersion, streams: Streams) -> Decided:
    """Decide `AddDatasetVersion`."""
    dataset = streams.dataset(command.id)
    return [(command.id, _added(command, len(dataset.versions) + 1))]


HANDLERS: dict[type[Command], Handler] = {
    CreateDataset: Handler(own_stream, create_dataset),
    AddDatasetVersion: Handler(own_stream, add_dataset_version),
}
