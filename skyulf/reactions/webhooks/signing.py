"""What a delivery looks like: a CloudEvent in structured mode, signed as Standard Webhooks 1.0 has it.

In structured mode the whole event is the body, and so all of it is under the signature; in binary mode its attributes
would be headers, which that does not cover. Source: the specification at standardwebhooks.com.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from skyulf.events.base import Recorded
from skyulf.events.cloudevents import to_json

PREFIX = "whsec_"
"""What every secret begins with, so that one that has leaked is found by those who look for such."""

CONTENT_TYPE = "application/cloudevents+json"

Headers = tuple[tuple[str, str], ...]


def secret_of(seed: bytes) -> str:
    """The text of a secret, as the receiver is given it."""
    return PREFIX + base64.b64encode(seed).decode()


def hash_of(secret: str) -> str:
    """What the log holds of a secret: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_of(secret: str) -> bytes:
    """The key that a secret is the text of; raises `ValueError`."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no secret of a webhook") from error


def delivery(recorded: Recorded, key: bytes, at: datetime) -> tuple[Headers, bytes]:
    """The headers and the body of one attempt; the id is the event's, the same at every attempt."""
    body = to_json(recorded)
    timestamp = str(int(at.timestamp()))
    return (
        ("content-type", CONTENT_TYPE),
        ("webhook-id", recorded.id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signature(key, recorded.id, timestamp, body)),
    ), body


def signature(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    """The signature of a message with an id and a time, in seconds since 1970."""
    signed = b".".join((message.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
