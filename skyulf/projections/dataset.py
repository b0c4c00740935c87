"""What is shown of datasets and of their versions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.dataset import (
    DatasetCreated,
    DatasetErased,
    DatasetErasureFinished,
    DatasetErasureListed,
    DatasetEvent,
    DatasetProfiled,
    DatasetVersionAdded,
)
from skyulf.events.deployment import Target
from skyulf.projections.base import Projection, Row, by_stream


class DatasetRow(Row, frozen=True, kw_only=True):
    """A dataset, with the size of its newest version, and how its data was erased; ``version`` is its stream's."""

    id: str
    version: int
    name: str
    created_at: datetime
    created_position: int
    dataset_version: int = 0
    digest: str = ""
    rows: int = 0
    column_count: int = 0
    erased: dict[str, Any] | None = None


class DatasetVersionRow(Row, frozen=True, kw_only=True):
    """A version of a dataset, with how its file was read, the facts of each column, and the digest of its profile."""

    dataset_id: str
    dataset_version: int
    digest: str
    artifact: str
    rows: int
    filename: str
    size: int
    source: dict[str, Any]
    columns: list[dict[str, Any]]
    created_at: datetime
    profile: str | None = None


def version_key(stream: str, number: int) -> str:
    """The key of a numbered version in a stream; keys sort as the numbers do."""
    return f"{stream}/{number:09d}"


def fold_dataset(row: DatasetRow | None, event: DatasetEvent, recorded: Recorded) -> DatasetRow:
    """The dataset's row after the event."""
    match event:
        case DatasetCreated():
            return DatasetRow(
                id=recorded.stream,
                version=recorded.version,
                name=event.name,
                created_at=recorded.metadata.recorded_at,
                created_position=recorded.position,
            )
        case DatasetVersionAdded():
            assert row is not None
            return msgspec.structs.replace(
                row,
                version=recorded.version,
                dataset_version=event.dataset_version,
                digest=event.digest,
                rows=event.rows,
                column_count=len(event.columns),
            )
        case DatasetProfiled():
            assert row is not None
            return msgspec.structs.replace(row, version=recorded.version)
        case DatasetErased():
            assert row is not None
            erased = {
                "at": _moment(recorded),
                "by": recorded.metadata.actor.id,
                "reason": recorded.metadata.reason,
                "finished_at": None,
                **erasure_shown(event.artifacts, event.models, event.deployments),
            }
            return msgspec.structs.replace(row, version=recorded.version, erased=erased)
        case DatasetErasureFinished():
            assert row is not None
            assert row.erased is not None
            finished = {**row.erased, "artifacts": len(event.artifacts), "finished_at": _moment(recorded)}
            return msgspec.structs.replace(row, version=recorded.version, erased=finished)
        case DatasetErasureListed():
            assert row is not None
            assert row.erased is not None
            more = erasure_shown(event.artifacts, event.models, event.deployments)
            added = {member: row.erased[member] + found for member, found in more.items()}
            return msgspec.structs.replace(row, version=recorded.version, erased={**row.erased, **added})


def erasure_shown(artifacts: Sequence[str], models: Sequence[Target], deployments: Sequence[str]) -> dict[str, Any]:
    """What is shown of all that an erasure reached."""
    return {
        "artifacts": len(artifacts),
        "models": [{"model": each.model, "model_version": each.model_version} for each in models],
        "deployments": list(deployments),
    }


def _moment(recorded: Recorded) -> str:
    return msgspec.json.encode(recorded.metadata.recorded_at).decode().strip('"')


def fold_version(
    row: DatasetVersionRow | None, event: DatasetVersionAdded | DatasetProfiled, recorded: Recorded
) -> DatasetVersionRow:
    """The row of the version that was added, or profiled."""
    if isinstance(event, DatasetProfiled):
        assert row is not None
        return msgspec.structs.replace(row, profile=event.profile)
    assert row is None
    return DatasetVersionRow(
        dataset_id=recorded.stream,
        dataset_version=event.dataset_version,
        digest=event.digest,
        artifact=event.artifact,
        rows=event.rows,
        filename=event.source.filename,
        size=event.source.size,
        source=event.source.model_dump(mode="json", exclude={"filename", "size"}),
        columns=[column.model_dump(mode="json") for column in event.columns],
        created_at=recorded.metadata.recorded_at,
    )


DATASETS = Projection(
    name="datasets",
    version=3,
    row=DatasetRow,
    folds=get_args(DatasetEvent),
    key=by_stream,
    fold=fold_dataset,
    columns={"created_position": "position", "name": "text"},
    indexes=(("created_position",), ("name", "created_position")),
)

DATASET_VERSIONS = Projection(
    name="dataset_versions",
    version=5,
    row=DatasetVersionRow,
    folds=(DatasetVersionAdded, DatasetProfiled),
    key=lambda recorded, event: version_key(recorded.stream, event.dataset_version),
    fold=fold_version,
    columns={"dataset_id": "text", "dataset_version": "integer"},
    indexes=(("dataset_id", "dataset_version"),),
)
