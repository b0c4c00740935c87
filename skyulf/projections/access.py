"""What is shown of access keys; never the key, nor its hash."""

from datetime import datetime

import msgspec

from skyulf.events.access import KeyIssued, KeyRevoked, Role, RoleGranted, RoleRevoked
from skyulf.events.base import ActorKind, Recorded
from skyulf.projections.base import Projection, Row, by_stream

KeyEvent = KeyIssued | KeyRevoked | RoleGranted | RoleRevoked


class KeyRow(Row, frozen=True, kw_only=True):
    """A key as it is now; ``version`` is its stream's."""

    id: str
    version: int
    name: str
    actor: str
    kind: ActorKind
    roles: tuple[Role, ...]
    created_at: datetime
    created_position: int
    expires_at: datetime | None
    revoked: bool = False


def fold_key(row: KeyRow | None, event: KeyEvent, recorded: Recorded) -> KeyRow:
    """The key's row after the event."""
    if isinstance(event, KeyIssued):
        return KeyRow(
            id=recorded.stream,
            version=recorded.version,
            name=event.name,
            actor=event.actor,
            kind=event.kind,
            roles=(),
            created_at=recorded.metadata.recorded_at,
            created_position=recorded.position,
            expires_at=event.expires_at,
        )
    assert row is not None
    row = msgspec.structs.replace(row, version=recorded.version)
    match event:
        case KeyRevoked():
            return msgspec.structs.replace(row, revoked=True)
        case RoleGranted():
            return msgspec.structs.replace(row, roles=(*row.roles, event.role))
        case RoleRevoked():
            return msgspec.structs.replace(row, roles=tuple(role for role in row.roles if role != event.role))


KEYS = Projection(
    name="keys",
    version=1,
    row=KeyRow,
    folds=(KeyIssued, KeyRevoked, RoleGranted, RoleRevoked),
    key=by_stream,
    fold=fold_key,
    columns={"created_position": "position", "actor": "text", "revoked": "boolean"},
    indexes=(("created_position",), ("actor", "created_position"), ("revoked", "created_position")),
)
