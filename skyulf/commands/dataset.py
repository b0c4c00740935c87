"""What may be asked of a dataset."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from skyulf.commands.base import Command, Decided, Handler, Streams, Title, own_stream
from skyulf.errors import Erased, NotAllowed, NotFound
from skyulf.events.base import Value
from skyulf.events.dataset import (
    Column,
    ColumnType,
    DatasetCreated,
    DatasetErased,
    DatasetErasureFinished,
    DatasetErasureListed,
    DatasetProfiled,
    DatasetState,
    DatasetVersionAdded,
    Source,
    Suspicion,
    Unfit,
)
from skyulf.events.deployment import Target

NAMED_AT_ONCE = 2_000
"""Artifacts, versions of models and deployments that one event names: below 500 kB, half of what Kafka takes."""


class AskedUri(Value):
    """What a caller sends in place of a file: where it lies, and what they say of how it is to be read."""

    uri: str
    types: dict[str, ColumnType] = {}
    delimiter: str | None = None
    decimal: str | None = None
    header: bool = True
    unfit: Unfit = "refuse"


class Ingested(Command):
    """A file that was taken in: uploaded, or read from the URI that was ``asked`` for.

    Of an upload, its bytes are what the caller sent. Of a URI, the URI is: sent again it is the same command, whatever
    lies there by then.
    """

    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"artifact", "rows", "columns"})

    digest: str
    artifact: str
    rows: int
    source: Source
    columns: tuple[Column, ...]
    asked: AskedUri | None = None

    def not_sent(self) -> dict[str, Any]:
        """See `Command.not_sent`; what commands had before URIs and before ``unfit``, so that they are known again."""
        if self.asked is None:
            plain = {"unfit"} if self.source.unfit == "refuse" else set()
            return super().not_sent() | {"asked": True, "source": {"uri"} | plain}
        found: dict[str, Any] = {"digest": True, "source": True}
        return super().not_sent() | found | ({"asked": {"unfit"}} if self.asked.unfit == "refuse" else {})


class CreateDataset(Ingested):
    """Name a dataset and add its first version."""

    CREATES = "dataset"

    name: Title

    def fingerprint(self, reason: str | None) -> str:
        """See `Command.fingerprint`; the id is made before the file is read, since its table is kept under its key."""
        return Ingested.fingerprint(self.model_copy(update={"id": ""}), reason)


class AddDatasetVersion(Ingested):
    """Add a version to a dataset."""


class EraseDataset(Command):
    """Give up the data of a dataset for good; what there is of it has been looked up for the caller."""

    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"artifacts", "models", "deployments"})

    artifacts: tuple[str, ...]
    models: tuple[Target, ...]
    deployments: tuple[str, ...]


class FinishErasure(Command):
    """Say that the data of an erased dataset is gone."""

    artifacts: tuple[str, ...]
    shared: tuple[str, ...]


class ProfileDataset(Command):
    """Hand in the profile of a version of a dataset."""

    dataset_version: int
    profile: str
    sampled: int
    warnings: tuple[Suspicion, ...] = ()


def _added(command: Ingested, number: int) -> DatasetVersionAdded:
    return DatasetVersionAdded(
        dataset_version=number,
        digest=command.digest,
        artifact=command.artifact,
        rows=command.rows,
        source=command.source,
        columns=command.columns,
    )


def version_of(stream: str, dataset: DatasetState, number: int | None) -> DatasetVersionAdded:
    """The version of a dataset, its newest where no number is given; raises `NotFound` and `Erased`."""
    not_erased(stream, dataset)
    number = len(dataset.versions) if number is None else number
    if not 1 <= number <= len(dataset.versions):
        raise NotFound(f"{stream} has no version {number}; its newest is {len(dataset.versions)}")
    return dataset.versions[number - 1]


def not_erased(stream: str, dataset: DatasetState) -> None:
    """Raise `Erased` for a dataset of which nothing is left to be used."""
    if dataset.erased:
        raise Erased(f"{stream} was erased; its data is gone for good")


def create_dataset(command: CreateDataset, streams: Streams) -> Decided:  # noqa: ARG001 - a new stream
    """Decide `CreateDataset`."""
    return [(command.id, DatasetCreated(name=command.name)), (command.id, _added(command, 1))]


def add_dataset_version(command: AddDatasetVersion, streams: Streams) -> Decided:
    """Decide `AddDatasetVersion`."""
    dataset = streams.dataset(command.id)
    not_erased(command.id, dataset)
    return [(command.id, _added(command, len(dataset.versions) + 1))]


def profile_dataset(command: ProfileDataset, streams: Streams) -> Decided:
    """Decide `ProfileDataset`: once for each version; said again, it is left as it is."""
    dataset = streams.dataset(command.id)
    version_of(command.id, dataset, command.dataset_version)
    if command.dataset_version in dataset.profiled:
        return []
    return [(command.id, DatasetProfiled(**command.model_dump(exclude={"id"})))]


def erase_dataset(command: EraseDataset, streams: Streams) -> Decided:
    """Decide `EraseDataset`; one that is erased stays so, for the first reason."""
    if streams.dataset(command.id).erased:
        return []
    return _in_parts(
        command.id,
        DatasetErased,
        {"artifacts": command.artifacts, "models": command.models, "deployments": command.deployments},
    )


def finish_erasure(command: FinishErasure, streams: Streams) -> Decided:
    """Decide `FinishErasure`: once."""
    dataset = streams.dataset(command.id)
    if not dataset.erased:
        raise NotAllowed(f"nobody asked for {command.id} to be erased")
    if dataset.finished:
        return []
    return _in_parts(command.id, DatasetErasureFinished, {"artifacts": command.artifacts, "shared": command.shared})


def _in_parts(
    stream: str, first: type[DatasetErased | DatasetErasureFinished], listed: Mapping[str, Sequence[Any]]
) -> Decided:
    """The event with what it names; what is more than `NAMED_AT_ONCE` stands in events behind it."""
    begin, *more = _parts(listed)
    return [(stream, first(**begin)), *((stream, DatasetErasureListed(**part)) for part in more)]


def _parts(listed: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, tuple[Any, ...]]]:
    """All that is listed, so much at once, in the same order; one part at least."""
    named = [(member, each) for member, names in listed.items() for each in names]
    for begin in range(0, max(len(named), 1), NAMED_AT_ONCE):
        at_once = named[begin : begin + NAMED_AT_ONCE]
        yield {member: tuple(each for its, each in at_once if its == member) for member in listed}


HANDLERS: dict[type[Command], Handler] = {
    CreateDataset: Handler(own_stream, create_dataset),
    AddDatasetVersion: Handler(own_stream, add_dataset_version),
    ProfileDataset: Handler(own_stream, profile_dataset),
    EraseDataset: Handler(own_stream, erase_dataset),
    FinishErasure: Handler(own_stream, finish_erasure),
}
