"""What is shown of pipelines."""

from datetime import datetime
from typing import Any, get_args

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.pipeline import PipelineArchived, PipelineCreated, PipelineEvent, PipelineRevised
from skyulf.projections.base import Projection, Row, by_stream


class PipelineRow(Row, frozen=True, kw_only=True):
    """A pipeline as it is now; ``version`` is its stream's."""

    id: str
    version: int
    name: str
    spec: dict[str, Any]
    created_at: datetime
    created_position: int
    archived: bool = False


def fold_pipeline(row: PipelineRow | None, event: PipelineEvent, recorded: Recorded) -> PipelineRow:
    """The pipeline's row after the event."""
    match event:
        case PipelineCreated():
            return PipelineRow(
                id=recorded.stream,
                version=recorded.version,
                name=event.name,
                spec=event.spec,
                created_at=recorded.metadata.recorded_at,
                created_position=recorded.position,
            )
        case PipelineRevised():
            assert row is not None
            return msgspec.structs.replace(row, version=recorded.version, name=event.name, spec=event.spec)
        case PipelineArchived():
            assert row is not None
            return msgspec.structs.replace(row, version=recorded.version, archived=True)


PIPELINES = Projection(
    name="pipelines",
    version=1,
    row=PipelineRow,
    folds=get_args(PipelineEvent),
    key=by_stream,
    fold=fold_pipeline,
    columns={"created_position": "position", "name": "text", "archived": "boolean"},
    indexes=(("created_position",), ("name", "created_position"), ("archived", "created_position")),
)
