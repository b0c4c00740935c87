"""What can happen to a pipeline, and the state that follows from it."""

from dataclasses import dataclass, replace
from typing import Any

from skyulf.events.base import DomainEvent


class PipelineCreated(DomainEvent):
    """A pipeline was named and given its first spec."""

    name: str
    spec: dict[str, Any]


class PipelineRevised(DomainEvent):
    """A pipeline was given another name or spec; jobs created before keep theirs."""

    name: str
    spec: dict[str, Any]


class PipelineArchived(DomainEvent):
    """A pipeline was put away: no new job may use it."""


PipelineEvent = PipelineCreated | PipelineRevised | PipelineArchived


@dataclass(frozen=True, slots=True)
class PipelineState:
    """What commands need to know of a pipeline."""

    name: str
    spec: dict[str, Any]
    archived: bool = False


def evolve(state: PipelineState | None, event: PipelineEvent) -> PipelineState:
    """The state after ``event``."""
    match event:
        case PipelineCreated() | PipelineRevised():
            return PipelineState(name=event.name, spec=event.spec)
        case PipelineArchived():
            assert state is not None
            return replace(state, archived=True)
