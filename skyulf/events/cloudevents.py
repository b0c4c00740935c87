"""Recorded ⇄ CloudEvent 1.0, without loss: the form in which events leave the system and return.

The envelope travels in extension attributes; the specification allows lower-case letters and digits in their
names (CloudEvents 1.0 §3.1), hence ``streamversion``. There are two forms: JSON, and Kafka's binary mode, in which
attributes are headers and the message's value is the data (CloudEvents Kafka Protocol Binding 1.0 §3.2).
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from skyulf.errors import Damaged
from skyulf.events.base import Actor, ActorKind, Metadata, Recorded

SOURCE = "skyulf"


PREFIX = "ce_"
"""What the name of an attribute begins with as a header of a Kafka message."""

DATAREF = f"{PREFIX}dataref"
"""The header of a message whose event is too large for it: where the data is, relative to a server's address."""

Headers = list[tuple[str, bytes]]


class Attributes(msgspec.Struct, omit_defaults=True, kw_only=True):
    """All of a CloudEvent but its data; ``type`` is ``skyulf.JobCreated`` and ``subject`` is the stream."""

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


class CloudEvent(Attributes, omit_defaults=True, kw_only=True):
    """A CloudEvent as JSON holds it."""

    data: msgspec.Raw


_decoder = msgspec.json.Decoder(CloudEvent)


def to_json(recorded: Recorded) -> bytes:
    """The event as one line of JSON: what is sealed (docs/audit.md), so that it may never change for what is there."""
    attributes = msgspec.json.encode(attributes_of(recorded))
    return b'%b,"data":%b}' % (attributes[:-1], recorded.data)  # the last member of a `CloudEvent`, as it is stored


def from_json(line: bytes | str) -> Recorded:
    """The event that `to_json` wrote; raises `Damaged` when the line is not one."""
    try:
        event = _decoder.decode(line)
        return recorded_of(event, bytes(event.data))
    except (msgspec.DecodeError, ValueError) as error:
        raise Damaged(f"not an event of Skyulf: {error}") from error


def to_headers(recorded: Recorded) -> Headers:
    """The headers of a Kafka message whose value is ``recorded.data`` and whose key is the stream."""
    attributes = msgspec.to_builtins(attributes_of(recorded))
    content_type = attributes.pop("datacontenttype")
    headers = [(PREFIX + name, str(value).encode()) for name, value in attributes.items()]
    # The key stays an attribute, for readers who no longer have the message (Partitioning extension).
    return [*headers, (f"{PREFIX}partitionkey", recorded.stream.encode()), ("content-type", content_type.encode())]


def to_headers_by_reference(recorded: Recorded) -> Headers:
    """The headers of a Kafka message without a value, for an event that is too large: they say where it is."""
    reference = f"/v1/events?after={recorded.position - 1}&limit=1"
    return [*to_headers(recorded), (DATAREF, reference.encode())]


def from_headers(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Recorded:
    """The event of a Kafka message that `to_headers` wrote; raises `Damaged` when it is not one.

    Headers that are not ours are passed over. Of an event by reference there is nothing here to be read.
    """
    try:
        texts = {name: text.decode() for name, text in headers if name.startswith(PREFIX) or name == "content-type"}
        if DATAREF in texts:
            raise Damaged(f"the event is not in the message, but at {texts[DATAREF]}")
        attributes = {name.removeprefix(PREFIX): text for name, text in texts.items()}
        if "content-type" in attributes:
            attributes["datacontenttype"] = attributes.pop("content-type")
        data = value or b""
        msgspec.json.decode(data)
        return recorded_of(msgspec.convert(attributes, Attributes, strict=False), data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Damaged(f"not an event of Skyulf: {error}") from error


def attributes_of(recorded: Recorded) -> Attributes:
    """The envelope as attributes."""
    metadata = recorded.metadata
    return Attributes(
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
    )


def recorded_of(event: Attributes, data: bytes) -> Recorded:
    """The envelope that attributes tell of; raises `Damaged` when they contradict each other."""
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
        data=data,
    )
