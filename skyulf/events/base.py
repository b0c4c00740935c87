"""What every event has: its class, the metadata of the command that caused it, and the recorded envelope."""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict

ActorKind = Literal["human", "service", "worker"]


class DomainEvent(BaseModel):
    """Something that happened, in the past tense; frozen, and without data values.

    A subclass is stored under its class name and ``SCHEMA`` (``JobCreated@1``), never under a Python path.
    Changing its shape means a higher ``SCHEMA`` and an upcaster in ``events/registry.py``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    SCHEMA: ClassVar[int] = 1

    @classmethod
    def stored_name(cls) -> str:
        """The name under which this class is stored, such as ``JobCreated@1``."""
        return f"{cls.__name__}@{cls.SCHEMA}"


class Value(BaseModel):
    """A part of an event or a state: frozen, closed, compared by content."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Actor(msgspec.Struct, frozen=True):
    """Who asked: an opaque id, and what kind of caller it is."""

    id: str
    kind: ActorKind


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The circumstances of one command, shared by every event that it causes.

    ``command_id`` is unique per actor; ``fingerprint`` is a SHA-256 over what the caller sent, so that the same
    id with another payload is told apart. ``recorded_at`` is the server's UTC time; it may jump.
    """

    actor: Actor
    command_id: str
    fingerprint: str
    recorded_at: datetime
    correlation_id: str
    causation_id: str | None = None
    reason: str | None = None
    traceparent: str | None = None


class Recorded(msgspec.Struct, frozen=True):
    """One event as it stands in the log: the envelope, with ``data`` as the JSON text that is stored.

    ``position`` is global and strictly increasing in the order that every reader sees, with gaps;
    ``version`` counts from 1, dense within ``stream``; ``ordinal`` counts from 0 within its command.
    ``data`` is decoded only when asked for (``events.registry.decode``), since most readers need few types.
    """

    position: int
    stream: str
    version: int
    id: str
    type: str
    schema: int
    metadata: Metadata
    ordinal: int
    data: bytes

    @property
    def noun(self) -> str:
        """The kind of thing that this event is about: ``job`` for ``job-0192…``."""
        return noun_of(self.stream)

    @property
    def name(self) -> str:
        """The stored name of the event's class, such as ``JobCreated@1``."""
        return f"{self.type}@{self.schema}"


def noun_of(stream: str) -> str:
    """The noun that a stream's id begins with."""
    return stream.partition("-")[0]
