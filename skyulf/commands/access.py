"""What may be asked of access keys."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from skyulf.commands.base import Command, Decided, Handler, Streams, Title, own_stream
from skyulf.errors import Fault, Invalid, NotAllowed
from skyulf.events.access import (
    DENIALS,
    AccessState,
    CommandsDenied,
    Denial,
    KeyIssued,
    KeyRevoked,
    Role,
    RoleGranted,
    RoleRevoked,
)
from skyulf.events.base import ActorKind

RESERVED = frozenset({"local", "server"})
"""Actors that are no one's key: callers without keys, and the server itself."""

ActorId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class IssueKey(Command):
    """Make a key; ``hash`` is the SHA-256 of its secret in hexadecimal. Without ``actor``, its own id is the actor."""

    CREATES: ClassVar[str | None] = "access"
    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"id", "hash"})

    name: Title
    roles: tuple[Role, ...] = Field(min_length=1)
    kind: ActorKind = "human"
    actor: ActorId | None = None
    hash: str
    expires_at: datetime | None = None


class RevokeKey(Command):
    """Take a key back for good."""


class GrantRole(Command):
    """Let a key do what a role may."""

    role: Role


class RevokeRole(Command):
    """Take a role from a key."""

    role: Role


class RecordDenials(Command):
    """Keep what was turned away between two moments."""

    id: str = DENIALS
    since: datetime
    until: datetime
    denials: tuple[Denial, ...]


def issue_key(command: IssueKey, streams: Streams) -> Decided:  # noqa: ARG001 - a new stream
    """Decide `IssueKey`."""
    if command.actor in RESERVED:
        raise Invalid("the key cannot act so", [Fault("actor", f"{command.actor} is no one's; choose another name")])
    issued = KeyIssued(
        name=command.name,
        actor=command.actor or command.id,
        kind=command.kind,
        hash=command.hash,
        expires_at=command.expires_at,
    )
    granted = [(command.id, RoleGranted(role=role)) for role in dict.fromkeys(command.roles)]
    return [(command.id, issued), *granted]


def revoke_key(command: RevokeKey, streams: Streams) -> Decided:
    """Decide `RevokeKey`; one that is revoked stays so."""
    return [] if streams.access(command.id).revoked else [(command.id, KeyRevoked())]


def grant_role(command: GrantRole, streams: Streams) -> Decided:
    """Decide `GrantRole`; a role that the key has is not granted again."""
    key = _in_use(command.id, streams)
    return [] if command.role in key.roles else [(command.id, RoleGranted(role=command.role))]


def revoke_role(command: RevokeRole, streams: Streams) -> Decided:
    """Decide `RevokeRole`; a role that the key has not is nothing to take."""
    key = _in_use(command.id, streams)
    return [(command.id, RoleRevoked(role=command.role))] if command.role in key.roles else []


def record_denials(command: RecordDenials, streams: Streams) -> Decided:  # noqa: ARG001 - only added to
    """Decide `RecordDenials`."""
    return [(DENIALS, CommandsDenied(since=command.since, until=command.until, denials=command.denials))]


def _in_use(stream: str, streams: Streams) -> AccessState:
    key = streams.access(stream)
    if key.revoked:
        raise NotAllowed(f"{stream} is revoked; issue another key")
    return key


HANDLERS: dict[type[Command], Handler] = {
    IssueKey: Handler(own_stream, issue_key),
    RevokeKey: Handler(own_stream, revoke_key),
    GrantRole: Handler(own_stream, grant_role),
    RevokeRole: Handler(own_stream, revoke_role),
    RecordDenials: Handler(own_stream, record_denials),
}
