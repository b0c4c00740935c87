"""Responses about what became of things, and what they were made from."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Page, Response
from skyulf.events.base import ActorKind
from skyulf.queries.history import Change, FieldChange
from skyulf.queries.lineage import Kind, Lineage, Relation


class FieldChangeOut(Response):
    """A field of a thing by its path, before and after; null where it was not there, or is no more."""

    place: str
    before: Any
    after: Any


class ChangeOut(Response):
    """An event of a thing: what it changed, when, who asked for it, why, and in which course of events.

    ``problem`` says why it cannot be told what it changed, for an event that this version of Skyulf cannot read.
    """

    position: int
    version: int
    at: datetime
    type: str
    actor: str
    actor_kind: ActorKind
    reason: str | None
    event_id: str
    command_id: str
    correlation_id: str
    causation_id: str | None
    changes: list[FieldChangeOut]
    problem: str | None


class HistoryOut(Page[ChangeOut]):
    """The history of a thing, the first event first."""

    noun: str
    id: str


class DifferenceOut(Response):
    """What is different of a thing from one position to another."""

    noun: str
    id: str
    begin: int = Field(serialization_alias="from")
    end: int = Field(serialization_alias="to")
    changes: list[FieldChangeOut]


class NodeOut(Response):
    """A thing; ``label`` is how people call it."""

    kind: Kind
    id: str
    label: str
    status: str | None


class EdgeOut(Response):
    """That one node went into another, both by their place in ``nodes``."""

    source: int
    target: int
    relation: Relation


class ImpactOut(Response):
    """What would be touched if the thing were found to be wrong: counts, and what is served now."""

    jobs: int
    model_versions: int
    serving: list[str]


class LineageOut(Response):
    """What went into a thing and what it went into; ``complete`` is false where there are more jobs than are shown."""

    nodes: list[NodeOut]
    edges: list[EdgeOut]
    impact: ImpactOut
    complete: bool


def shown_change(change: Change) -> dict[str, Any]:
    """A change as it is answered."""
    recorded, metadata = change.recorded, change.recorded.metadata
    return {
        "position": recorded.position,
        "version": recorded.version,
        "at": metadata.recorded_at,
        "type": recorded.type,
        "actor": metadata.actor.id,
        "actor_kind": metadata.actor.kind,
        "reason": metadata.reason,
        "event_id": recorded.id,
        "command_id": metadata.command_id,
        "correlation_id": metadata.correlation_id,
        "causation_id": metadata.causation_id,
        "changes": [shown_field(each) for each in change.changes],
        "problem": change.problem,
    }


def shown_field(change: FieldChange) -> dict[str, Any]:
    """A changed field as it is answered."""
    return {"place": change.place, "before": change.before, "after": change.after}


def shown_lineage(found: Lineage) -> dict[str, Any]:
    """A lineage as it is answered."""
    return {
        "nodes": found.nodes,
        "edges": list(found.edges),
        "impact": {
            "jobs": len(found.of_kind("job")),
            "model_versions": len(found.of_kind("model_version")),
            "serving": [node.label for node in found.serving()],
        },
        "complete": not found.left_off,
    }
