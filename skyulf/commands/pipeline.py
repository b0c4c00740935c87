"""What may be asked of a pipeline."""

from typing import Any

from skyulf.commands.base import Command, Decided, Handler, Streams, Title, own_stream
from skyulf.core.spec import parse_spec
from skyulf.errors import NotAllowed
from skyulf.events.pipeline import PipelineArchived, PipelineCreated, PipelineRevised


class CreatePipeline(Command):
    """Name a pipeline and give it its first spec."""

    CREATES = "pipeline"

    name: Title
    spec: dict[str, Any]


class RevisePipeline(Command):
    """Give a pipeline another name or spec."""

    name: Title
    spec: dict[str, Any]


class ArchivePipeline(Command):
    """Put a pipeline away."""


def create_pipeline(command: CreatePipeline, streams: Streams) -> Decided:  # noqa: ARG001 - a new stream
    """Decide `CreatePipeline`."""
    parse_spec(command.spec)
    return [(command.id, PipelineCreated(name=command.name, spec=command.spec))]


def revise_pipeline(command: RevisePipeline, streams: Streams) -> Decided:
    """Decide `RevisePipeline`; what changes nothing yields no event."""
    pipeline = streams.pipeline(command.id)
    if pipeline.archived:
        raise NotAllowed(f"{command.id} is archived; create another pipeline")
    parse_spec(command.spec)
    if (pipeline.name, pipeline.spec) == (command.name, command.spec):
        return []
    return [(command.id, PipelineRevised(name=command.name, spec=command.spec))]


def archive_pipeline(command: ArchivePipeline, streams: Streams) -> Decided:
    """Decide `ArchivePipeline`; one that is archived stays so."""
    return [] if streams.pipeline(command.id).archived else [(command.id, PipelineArchived())]


HANDLERS: dict[type[Command], Handler] = {
    CreatePipeline: Handler(own_stream, create_pipeline),
    RevisePipeline: Handler(own_stream, revise_pipeline),
    ArchivePipeline: Handler(own_stream, archive_pipeline),
}
