"""What other systems may count on: an AsyncAPI 3 document of every event, made from the classes themselves.

``python -m skyulf.events.asyncapi > docs/asyncapi.json``. A channel is a Kafka topic, one for each noun; the same
events in the same words come by ``GET /v1/events``. Headers are CloudEvents' binary mode (events/cloudevents.py).
"""

import json
import sys
from collections.abc import Mapping
from inspect import getdoc
from typing import Any, get_type_hints

import msgspec

from skyulf.events.base import DomainEvent
from skyulf.events.cloudevents import DATAREF, PREFIX, Attributes
from skyulf.events.registry import EVENTS, UNIONS, classes_of
from skyulf.events.schemas import inlined

VERSION = "3.0.0"
"""Of AsyncAPI."""

KAFKA = "0.5.0"
"""Of the Kafka bindings."""

ATTRIBUTES: Mapping[str, str] = {
    "specversion": "The version of CloudEvents.",
    "id": "Of the event; it never changes, and no two events share one.",
    "source": "Which system it is of.",
    "type": "What happened.",
    "subject": "The stream: the thing that it happened to.",
    "time": "When it was recorded, by the clock of whoever recorded it; clocks may jump, positions do not.",
    "datacontenttype": "Of the data.",
    "dataschema": "The type with the number of its schema.",
    "position": "In the log: strictly rising in the order that every reader sees, with gaps.",
    "streamversion": "In the stream: 1, 2, 3, without gaps.",
    "actor": "Who asked for it.",
    "actorkind": "What kind of caller that is.",
    "correlationid": "The same for all that one request led to.",
    "causationid": "The event that led to it.",
    "commandid": "The command that wrote it; who sent it twice is answered twice, and it is recorded once.",
    "commandprint": "A SHA-256 over what the caller sent.",
    "ordinal": "Which of the events of its command it is, from 0.",
    "reason": "Why, in the caller's words.",
    "traceparent": "The W3C trace that it belongs to.",
}


def document(prefix: str = "skyulf") -> dict[str, Any]:
    """The document, for topics that begin with ``prefix`` (``SKYULF_KAFKA_PREFIX``)."""
    nouns = {noun: [cls.__name__ for cls in classes_of(noun)] for noun in UNIONS}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Skyulf",
            "version": "0.1.0",
            "description": (
                "Everything that happened, as CloudEvents. Each topic holds the events of one noun; the key is the "
                "stream, so that the events of one thing are in order. An event may come more than once, and then has "
                "the same id. New fields may appear; a changed one comes under a new dataschema."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {noun: _channel(noun, names, prefix) for noun, names in nouns.items()},
        "operations": {f"publish_{noun}": _operation(noun, names) for noun, names in nouns.items()},
        "components": {"messages": {name: _message(cls) for name, cls in EVENTS.items()}},
    }


def _channel(noun: str, names: list[str], prefix: str) -> dict[str, Any]:
    return {
        "address": f"{prefix}.{noun}",
        "description": f"What happens to a {noun}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"kafka": {"topic": f"{prefix}.{noun}", "bindingVersion": KAFKA}},
    }


def _operation(noun: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{noun}"},
        "messages": [{"$ref": f"#/channels/{noun}/messages/{name}"} for name in names],
    }


def _message(cls: type[DomainEvent]) -> dict[str, Any]:
    key = {"type": "string", "description": "The stream."}
    return {
        "name": f"skyulf.{cls.__name__}",
        "title": cls.__name__,
        "summary": (getdoc(cls) or "").split("\n\n")[0].replace("\n", " "),
        "contentType": "application/json",
        "headers": _headers(cls),
        "payload": inlined(cls.model_json_schema(mode="serialization")),
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA}},
    }


def _headers(cls: type[DomainEvent]) -> dict[str, Any]:
    """The headers of a message; all are text."""
    fixed = {
        "specversion": "1.0",
        "type": f"skyulf.{cls.__name__}",
        "dataschema": f"urn:skyulf:event:{cls.stored_name()}",
    }
    required = {each.name for each in msgspec.structs.fields(Attributes) if each.required}
    names = [name for name in get_type_hints(Attributes) if name != "datacontenttype"]
    properties: dict[str, Any] = {
        f"{PREFIX}{name}": {
            "type": "string",
            "description": ATTRIBUTES[name],
            **({"const": fixed[name]} if name in fixed else {}),
        }
        for name in names
    }
    properties[f"{PREFIX}partitionkey"] = {"type": "string", "description": "The stream again, as the message's key."}
    properties[DATAREF] = {
        "type": "string",
        "description": "Where the event is, relative to a server, if it is too large for a message and has no data.",
    }
    properties["content-type"] = {"type": "string", "const": "application/json", "description": "Of the data."}
    return {
        "type": "object",
        "required": [f"{PREFIX}{name}" for name in names if name in required],
        "properties": properties,
    }


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
