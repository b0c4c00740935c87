"""Responses about proofs: checkpoints, and what shows that an event is under one. Hashes are in base64."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.schemas.base import Response

Hash = Annotated[str, Field(description="A SHA-256 in base64.", min_length=44, max_length=44)]


class CheckpointOut(Response):
    """A signed checkpoint: the tree over the first ``size`` events, up to ``position``, has this root.

    ``note`` is the checkpoint as it was signed (C2SP tlog-checkpoint); ``key`` verifies it, once you know from
    somewhere else that it is the log's.
    """

    origin: str
    size: int
    root: Hash
    position: int
    signed_at: datetime | None
    note: str
    key: str


class UnsealedOut(Response):
    """What no checkpoint covers yet: so many events, the oldest recorded so many seconds ago."""

    events: int
    seconds: float


class NewestCheckpointOut(CheckpointOut):
    """The newest checkpoint, and what it does not cover."""

    unsealed: UnsealedOut


class InclusionOut(Response):
    """Proof that an event is under a checkpoint (RFC 6962, 2.1.1): from ``leaf`` over ``path`` to the note's root.

    The leaf is the hash of the event's line in an export; docs/audit.md says how to compute it.
    """

    origin: str
    position: int
    index: int
    size: int
    leaf: Hash
    path: list[Hash]
    root: Hash
    note: str


class ConsistencyOut(Response):
    """Proof that the log of ``to_size`` events begins with the one of ``from_size`` (RFC 6962, 2.1.2)."""

    origin: str
    from_size: int
    from_root: Hash
    to_size: int
    to_root: Hash
    path: list[Hash]
