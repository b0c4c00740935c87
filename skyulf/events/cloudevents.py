"""Recorded ⇄ CloudEvent 1.0 (JSON format), without loss: the form in which events leave the system and return.

The envelope travels in extension attributes; the specification allows lower-case letters and digits in their
names (CloudEvents 1.0 §3.1), hence ``streamversion``.
"""

from datetime import datetime

import msgspec

from skyulf.errors import Damaged
from skyulf.events.base import Actor, ActorKind, Metadata, Recorded

SOURCE = "skyulf"


class CloudEvent(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A CloudEvent as JSON holds it; ``type`` is ``skyulf.JobCreated`` and ``subject`` is the stream."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    dataschema: str
    position: int
    streamversion: int
    actor: str
    actorkind: ActorKind
    correlationid: str
    causationid: str | None = None
    commandid: str
    commandprint: str
    ordinal: int
    reason: str | None = None
    traceparent: str | None = None
    data: msgspec.Raw


_decoder = msgspec.json.Decoder(CloudEvent)


def to_json(recorded: Recorded) -> bytes:
    """The event as one line of JSON."""
    metadata = recorded.metadata
    return msgspec.json.encode(
        CloudEvent(
            specversion="1.0",
            id=recorded.id,
            source=SOURCE,
            type=f"skyulf.{recorded.type}",
            subject=recorded.stream,
            time=metadata.recorded_at,
            datacontenttype="application/json",
            dataschema=f"urn:skyulf:event:{recorded.name}",
            position=recorded.position,
            streamversion=recorded.version,
            actor=metadata.actor.id,
            actorkind=metadata.actor.kind,
            correlationid=metadata.correlation_id,
            causationid=metadata.causation_id,
            commandid=metadata.command_id,
            commandprint=metadata.fingerprint,
            ordinal=recorded.ordinal,
            reason=metadata.reason,
            traceparent=metadata.traceparent,
            data=msgspec.Raw(recorded.data),
        )
    )


def from_json(line: bytes | str) -> Recorded:
    """The event that `to_json` wrote; raises `Damaged` when the line is not one."""
    try:
        event = _decoder.decode(line)
        name, _, schema = event.dataschema.rpartition(":")[2].partition("@")
        if event.type != f"skyulf.{name}":
            raise Damaged(f"the type {event.type} and the schema {event.dataschema} name different events")
        metadata = Metadata(
            actor=Actor(id=event.actor, kind=event.actorkind),
            command_id=event.commandid,
            fingerprint=event.commandprint,
            recorded_at=event.time,
            correlation_id=event.correlationid,
            causation_id=event.causationid,
            reason=event.reason,
            traceparent=event.traceparent,
        )
        return Recorded(
            position=event.position,
            stream=event.subject,
            version=event.streamversion,
            id=event.id,
            type=name,
            schema=int(schema),
            metadata=metadata,
            ordinal=event.ordinal,
            data=bytes(event.data),
        )
    except (msgspec.DecodeError, ValueError) as error:
        raise Damaged(f"not an event of Skyulf: {error}") from error
