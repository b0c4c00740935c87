"""What is shown of models and of their versions."""

from datetime import datetime
from typing import Any, get_args

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.model import (
    ModelAliasRemoved,
    ModelAliasSet,
    ModelEvent,
    ModelVersionRegistered,
    ModelVersionRetired,
)
from skyulf.projections.base import Projection, Row, by_stream
from skyulf.projections.dataset import version_key


class ModelRow(Row, frozen=True, kw_only=True):
    """A model, its newest version and its aliases; ``version`` is its stream's."""

    id: str
    version: int
    name: str
    created_at: datetime
    created_position: int
    model_version: int = 0
    aliases: dict[str, int] = {}
    retired: list[int] = []


class ModelVersionRow(Row, frozen=True, kw_only=True):
    """A version of a model; ``artifact`` is the digest of its file."""

    model: str
    model_version: int
    job_id: str
    artifact: str
    fingerprint: str
    metrics: dict[str, float | None]
    task: str
    target: str
    estimator: str
    created_at: datetime
    retired: bool = False


def fold_model(row: ModelRow | None, event: ModelEvent, recorded: Recorded) -> ModelRow:
    """The model's row after the event."""
    row = row or ModelRow(
        id=recorded.stream,
        version=recorded.version,
        name=recorded.stream.removeprefix("model-"),
        created_at=recorded.metadata.recorded_at,
        created_position=recorded.position,
    )
    changes: dict[str, Any]
    match event:
        case ModelVersionRegistered():
            changes = {"model_version": event.model_version}
        case ModelAliasSet():
            changes = {"aliases": {**row.aliases, event.alias: event.after}}
        case ModelAliasRemoved():
            changes = {"aliases": {alias: v for alias, v in row.aliases.items() if alias != event.alias}}
        case ModelVersionRetired():
            changes = {"retired": sorted({*row.retired, event.model_version})}
    return msgspec.structs.replace(row, version=recorded.version, **changes)


def fold_version(
    row: ModelVersionRow | None, event: ModelVersionRegistered | ModelVersionRetired, recorded: Recorded
) -> ModelVersionRow:
    """The version's row after the event."""
    match event:
        case ModelVersionRegistered():
            return ModelVersionRow(
                model=recorded.stream.removeprefix("model-"),
                model_version=event.model_version,
                job_id=event.job_id,
                artifact=event.model,
                fingerprint=event.fingerprint,
                metrics=event.metrics,
                task=event.task,
                target=event.target,
                estimator=event.estimator,
                created_at=recorded.metadata.recorded_at,
            )
        case ModelVersionRetired():
            assert row is not None
            return msgspec.structs.replace(row, retired=True)


MODELS = Projection(
    name="models",
    version=1,
    row=ModelRow,
    folds=get_args(ModelEvent),
    key=by_stream,
    fold=fold_model,
    columns={"created_position": "position", "name": "text"},
    indexes=(("created_position",), ("name",)),
)

MODEL_VERSIONS = Projection(
    name="model_versions",
    version=1,
    row=ModelVersionRow,
    folds=(ModelVersionRegistered, ModelVersionRetired),
    key=lambda recorded, event: version_key(recorded.stream, event.model_version),
    fold=fold_version,
    columns={"model": "text", "model_version": "integer"},
    indexes=(("model", "model_version"),),
)
