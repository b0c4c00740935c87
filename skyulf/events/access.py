"""What can happen to an access key, and the state that follows from it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from skyulf.events.base import ActorKind, DomainEvent, Value

Role = Literal["viewer", "scientist", "operator", "admin", "auditor", "worker"]

DENIALS = "access-denials"
"""The stream of what was denied; every other stream of the noun is a key."""


class KeyIssued(DomainEvent):
    """A key was made for someone; only the SHA-256 of it is kept, and it was shown once.

    ``actor`` is how events call whoever uses the key: several keys may act as one. ``expires_at`` is UTC, or None
    when it holds until it is revoked.
    """

    name: str
    actor: str
    kind: ActorKind
    hash: str
    expires_at: datetime | None = None


class KeyRevoked(DomainEvent):
    """A key opens nothing any more."""


class RoleGranted(DomainEvent):
    """Who has the key may do what the role may."""

    role: Role


class RoleRevoked(DomainEvent):
    """The role no longer comes with the key."""

    role: Role


class Denial(Value):
    """Requests that were turned away alike; ``actor`` is None where no key was known.

    ``status`` is 401, 403 or 429; ``operation`` is a method and the pattern of a path, never the path itself.
    """

    actor: str | None
    operation: str
    status: int
    count: int


class CommandsDenied(DomainEvent):
    """What was turned away between two moments, counted."""

    since: datetime
    until: datetime
    denials: tuple[Denial, ...]


AccessEvent = KeyIssued | KeyRevoked | RoleGranted | RoleRevoked | CommandsDenied


@dataclass(frozen=True, slots=True)
class AccessState:
    """A key, and what it is good for."""

    issued: KeyIssued
    roles: frozenset[Role] = frozenset()
    revoked: bool = False

    def good(self, at: datetime) -> bool:
        """Whether the key opens anything at that time."""
        return not self.revoked and (self.issued.expires_at is None or at < self.issued.expires_at)


def evolve(state: AccessState | None, event: AccessEvent) -> AccessState | None:
    """The state after ``event``; denials leave none."""
    if isinstance(event, KeyIssued):
        return AccessState(issued=event)
    if isinstance(event, CommandsDenied):
        return state
    assert state is not None
    match event:
        case KeyRevoked():
            return replace(state, revoked=True)
        case RoleGranted():
            return replace(state, roles=state.roles | {event.role})
        case RoleRevoked():
            return replace(state, roles=state.roles - {event.role})
