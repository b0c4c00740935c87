"""What can happen to a deployment, and the state that follows from it."""

from dataclasses import dataclass, replace

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


DeploymentEvent = DeploymentCreated | DeploymentRolledOut | DeploymentRolledBack | DeploymentRetired


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What is served now, and what a roll-back would return to, the latest last."""

    active: Target | None = None
    earlier: tuple[Target, ...] = ()
    retired: bool = False


def evolve(state: DeploymentState | None, event: DeploymentEvent) -> DeploymentState:
    """The state after ``event``."""
    state = state or DeploymentState()
    match event:
        case DeploymentCreated():
            return DeploymentState()
        case DeploymentRolledOut():
            earlier = state.earlier if event.before is None else (*state.earlier, event.before)
            return DeploymentState(active=event.after, earlier=earlier)
        case DeploymentRolledBack():
            return replace(state, active=event.after, earlier=state.earlier[:-1])
        case DeploymentRetired():
            return DeploymentState(retired=True)
