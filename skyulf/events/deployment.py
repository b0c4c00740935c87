"""What can happen to a deployment, and the state that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from skyulf.events.base import DomainEvent, Value

DriftLevel = Literal["none", "moderate", "major"]
"""How far a column has moved (docs/profile.md); an alert level of ``none`` asks for no alerts."""

LEVELS: tuple[DriftLevel, ...] = ("none", "moderate", "major")


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
    """From now on a ``share`` of the requests, drawn at random, is kept: of their rows the newest ``keep_rows``.

    A column that has moved from the training data at least as far as ``alert`` is told of by `DriftFound`.
    """

    share: float
    keep_rows: int
    alert: DriftLevel


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


class ColumnDrift(Value):
    """How far a column has moved, and by which population stability index."""

    name: str
    level: DriftLevel
    psi: float | None


class DriftFound(DomainEvent):
    """What ``target`` was asked of late, ``rows`` rows, is not what it was trained on: these columns have moved.

    The target's name stands for the predictions, which are compared with it.
    """

    target: Target
    rows: int
    level: DriftLevel
    columns: tuple[ColumnDrift, ...]


class DriftAcknowledged(DomainEvent):
    """Somebody has seen to the drift that was found, and says what is to be made of it."""


DeploymentEvent = (
    DeploymentCreated
    | DeploymentRolledOut
    | DeploymentRolledBack
    | DeploymentRetired
    | PredictionLogSet
    | PredictionsLogged
    | PredictionsForgotten
    | DriftFound
    | DriftAcknowledged
)


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What is served now, and what a roll-back would return to, the latest last.

    ``share`` of the requests are logged, and of the rows ``keep_rows`` kept; ``logged`` are the artifacts that hold
    them, their rows and what predicted them, the latest last. ``forgotten`` are those that are kept no longer, since
    the last one was added. ``alert`` is the level of drift from which on it is told, ``drifted`` the highest level told
    of each column of what is active, and ``unseen`` whether nobody has acknowledged that.
    """

    active: Target | None = None
    earlier: tuple[Target, ...] = ()
    retired: bool = False
    share: float = 0.0
    keep_rows: int = 0
    logged: tuple[tuple[str, int, Target], ...] = ()
    forgotten: tuple[str, ...] = ()
    alert: DriftLevel = "none"
    drifted: Mapping[str, DriftLevel] = field(default_factory=dict)
    unseen: bool = False


def evolve(state: DeploymentState | None, event: DeploymentEvent) -> DeploymentState:
    """The state after ``event``."""
    state = state or DeploymentState()
    match event:
        case DeploymentCreated():
            return DeploymentState()
        case DeploymentRolledOut():
            earlier = state.earlier if event.before is None else (*state.earlier, event.before)
            return replace(_settled(state), active=event.after, earlier=earlier, retired=False)
        case DeploymentRolledBack():
            return replace(_settled(state), active=event.after, earlier=state.earlier[:-1])
        case DeploymentRetired():
            return replace(_settled(state), active=None, earlier=(), retired=True)
        case _:
            return _observed(state, event)


Observed = PredictionLogSet | PredictionsLogged | PredictionsForgotten | DriftFound | DriftAcknowledged


def _observed(state: DeploymentState, event: Observed) -> DeploymentState:
    """The state after an event that tells of what was asked, and not of what is served."""
    match event:
        case PredictionLogSet():
            return replace(state, share=event.share, keep_rows=event.keep_rows, alert=event.alert)
        case PredictionsLogged():
            logged = (*state.logged, (event.artifact, event.rows, event.target))
            return replace(state, logged=logged, forgotten=())
        case PredictionsForgotten():
            logged = tuple(part for part in state.logged if part[0] != event.artifact)
            return replace(state, logged=logged, forgotten=(*state.forgotten, event.artifact))
        case DriftFound():
            drifted = {**state.drifted, **{column.name: column.level for column in event.columns}}
            return replace(state, drifted=drifted, unseen=True)
        case DriftAcknowledged():
            return replace(state, unseen=False)


def _settled(state: DeploymentState) -> DeploymentState:
    """The state of a deployment that serves something else now: what has drifted from that is not known."""
    return replace(state, drifted={}, unseen=False)
