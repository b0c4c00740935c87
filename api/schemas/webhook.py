"""Webhooks over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from api.schemas.base import CommandAnswer, Reason, Request, Response

Names = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(default_factory=list, max_length=200)
]


class Target(Request):
    """Where deliveries go, and which there are: of one of the types, the nouns and the streams that are named."""

    url: str = Field(min_length=1, max_length=2_000, description="https://… or http://…, to which events are posted.")
    types: Names = Field(description="Only events of these types, such as JobFailed.")
    nouns: Names = Field(description="Only what happens to these, such as model.")
    streams: Names = Field(description="Only events of these things, by their ids.")


class WebhookIn(Target):
    """What is to be delivered where; without ``after``, what happens from now on."""

    after: int | None = Field(default=None, ge=0, lt=2**63, description="Begin with the events above this position.")


class WebhookChange(Target):
    """What is to be delivered where, from the next event on, and whether that is to wait."""

    paused: bool = False
    reason: Reason | None = None


class ReplayIn(Request):
    """From where everything is to be delivered again."""

    after: int = Field(ge=0, lt=2**63, description="Everything above this position.")
    reason: Reason | None = None


class SkipIn(Request):
    """Which event is never to be delivered, and why."""

    position: int = Field(ge=1, lt=2**63, description="That of the event that waits.")
    reason: Reason


class SecretAnswer(CommandAnswer):
    """What became of a command that makes a secret.

    ``secret`` is shown this once; it is null where the same command had been sent before.
    """

    secret: str | None


class WebhookOut(Response):
    """A webhook, and how far it has got; never its secret.

    Everything at or below ``position`` is delivered, save the streams that wait; ``lag`` is how many positions the
    log's head is further. Without its secret nothing is delivered: ``has_secret`` is false on a log that was replayed
    elsewhere. Of a webhook as it was, how far it had got is not known: from ``has_secret`` on all is null.
    """

    id: str
    version: int
    url: str
    types: list[str]
    nouns: list[str]
    streams: list[str]
    after: int
    paused: bool
    removed: bool
    skipped: int
    created_at: datetime
    secret_at: datetime
    has_secret: bool | None
    position: int | None
    lag: int | None
    waiting: int | None
    parked: int | None


class WaitingOut(Response):
    """A stream that is behind: its next event waits, at or above ``position``, and the rest behind that.

    ``parked`` ones have kept failing, and are tried seldom; those without an ``error`` are catching up.
    """

    stream: str
    position: int
    attempts: int
    error: str | None
    since: datetime | None
    due: datetime | None
    parked: bool
