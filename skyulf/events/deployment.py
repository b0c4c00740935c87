"""What can happen to a deployment, and the state that follows from it."""

from dataclasses import dataclass, replace
from datetime import datetime

from skyulf.events.base import DomainEvent, Value


class Target(Value):
    """What a deployment serves: a version of a model, and the digest of its artifact."""

    model: str
    model_version: int
    artifact: str


class DeploymentCreated(DomainEvent):
    """A name came to stand for something that is served."""


class DeploymentRolledOut(DomainEvent):
    """A deployment began to serve ``after``; ``alias`` is what the caller named, resolved then and not followed."""

    before: Target | None
    after: Target
    alias: str | None = None


class DeploymentRolledBack(DomainEvent):
    """A deployment went back from ``before`` to ``after``, what it had served until its last roll-out."""

    before: Target
    after: Target


class DeploymentRetired(DomainEvent):
    """A deployment serves nothing any more."""


class PredictionLogSet(DomainEvent):
    """From now on a ``share`` of the requests, drawn at random, is kept: of their rows the newest ``keep_rows``."""

    share: float
    keep_rows: int


class PredictionsLogged(DomainEvent):
    """Rows that were predicted, and what was said of them, were put away.

    ``artifact`` is the digest of the table, in which ``target`` predicted ``rows`` rows of ``requests`` requests.
    ``lost`` counts requests that were drawn as well and could not be kept.
    """

    target: Target
    artifact: str
    requests: int
    rows: int
    lost: int
    since: datetime
    until: datetime


class PredictionsForgotten(DomainEvent):
    """An old part of the log is kept no longer, since newer ones are enough: the artifact is removed."""

    artifact: str


DeploymentEvent = (
    DeploymentCreated
    | DeploymentRolledOut
    | DeploymentRolledBack
    | DeploymentRetired
    | PredictionLogSet
    | PredictionsLogged
    | PredictionsForgotten
)


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What is served now, and what a roll-back would return to, the latest last.

    ``share`` of the requests are logged, and of the rows ``keep_rows`` kept; ``logged`` are the artifacts that hold
    them and their rows, the latest last. ``forgotten`` are those that are kept no longer, since the last one was added.
    """

    active: Target | None = None
    earlier: tuple[Target, ...] = ()
    retired: bool = False
    share: float = 0.0
    keep_rows: int = 0
    logged: tuple[tuple[str, int], ...] = ()
    forgotten: tuple[str, ...] = ()


def evolve(state: DeploymentState | None, event: DeploymentEvent) -> DeploymentState:
    """The state after ``event``."""
    state = state or DeploymentState()
    match event:
        case DeploymentCreated():
            return DeploymentState()
        case DeploymentRolledOut():
            earlier = state.earlier if event.before is None else (*state.earlier, event.before)
            return replace(state, active=event.after, earlier=earlier, retired=False)
        case DeploymentRolledBack():
            return replace(state, active=event.after, earlier=state.earlier[:-1])
        case DeploymentRetired():
            return replace(state, active=None, earlier=(), retired=True)
        case PredictionLogSet():
            return replace(state, share=event.share, keep_rows=event.keep_rows)
        case PredictionsLogged():
            return replace(state, logged=(*state.logged, (event.artifact, event.rows)), forgotten=())
        case PredictionsForgotten():
            logged = tuple(part for part in state.logged if part[0] != event.artifact)
            return replace(state, logged=logged, forgotten=(*state.forgotten, event.artifact))
