"""The clock and the source of ids: the one place where the time is read and randomness is drawn."""

import secrets
from datetime import UTC, datetime
from random import Random

import uuid_utils


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A UUIDv7 (RFC 9562): unique, and in order of time."""
    return str(uuid_utils.uuid7())


def new_secret() -> str:
    """256 random bits, as text that fits in a header."""
    return secrets.token_urlsafe(32)


def new_seed() -> bytes:
    """256 random bits: a private key of Ed25519."""
    return secrets.token_bytes(32)


def new_chance() -> Random:
    """Chance where nothing secret hangs on it; of its own, for whoever seeds the process's generator counts on it."""
    return Random()  # noqa: S311 - nothing secret
