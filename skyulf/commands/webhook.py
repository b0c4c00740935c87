"""What may be asked of a webhook."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from skyulf.commands.base import Command, Decided, Handler, Streams, own_stream
from skyulf.errors import Fault, Invalid, NotAllowed
from skyulf.events.base import noun_of
from skyulf.events.registry import EVENTS, NOUN_OF_TYPE, UNIONS
from skyulf.events.webhook import (
    DeliveryRetried,
    DeliverySkipped,
    Filter,
    WebhookChanged,
    WebhookCreated,
    WebhookPaused,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretReplaced,
    WebhookState,
)

LONGEST_URL = 2_000
MOST_FILTERED = 200
"""Types, or nouns, or streams in one filter."""

PORTS = range(1, 65536)

STREAM = re.compile(r"[a-z]+-[A-Za-z0-9._-]{1,150}")


class CreateWebhook(Command):
    """Tell another system of events; ``secret_hash`` is the SHA-256 of the secret that was made for it."""

    CREATES: ClassVar[str | None] = "webhook"
    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"id", "secret_hash"})

    url: str
    filter: Filter = Filter()
    after: int | None = Field(default=None, ge=0)
    secret_hash: str


class ChangeWebhook(Command):
    """Say anew where deliveries go, which there are, and whether they pause."""

    url: str
    filter: Filter
    paused: bool


class ReplaceWebhookSecret(Command):
    """Have deliveries signed with another secret."""

    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"secret_hash"})

    secret_hash: str


class ReplayWebhook(Command):
    """Deliver everything above a position, again where it had been delivered."""

    after: int = Field(ge=0)


class RetryDelivery(Command):
    """Deliver what waits of a stream now, and not when it is due."""

    stream: str


class SkipDelivery(Command):
    """Never deliver an event."""

    stream: str
    position: int


class RemoveWebhook(Command):
    """Deliver nothing any more."""


def create_webhook(command: CreateWebhook, streams: Streams) -> Decided:  # noqa: ARG001 - a new stream
    """Decide `CreateWebhook`."""
    check(command.url, command.filter)
    created = WebhookCreated(
        url=command.url, filter=command.filter, secret_hash=command.secret_hash, after=command.after
    )
    return [(command.id, created)]


def change_webhook(command: ChangeWebhook, streams: Streams) -> Decided:
    """Decide `ChangeWebhook`; what changes nothing yields no event."""
    webhook = _in_use(command.id, streams)
    check(command.url, command.filter)
    events: list[tuple[str, WebhookChanged | WebhookPaused | WebhookResumed]] = []
    if (command.url, command.filter) != (webhook.url, webhook.filter):
        events.append((command.id, WebhookChanged(url=command.url, filter=command.filter)))
    if command.paused != webhook.paused:
        events.append((command.id, WebhookPaused() if command.paused else WebhookResumed()))
    return events


def replace_webhook_secret(command: ReplaceWebhookSecret, streams: Streams) -> Decided:
    """Decide `ReplaceWebhookSecret`."""
    _in_use(command.id, streams)
    return [(command.id, WebhookSecretReplaced(secret_hash=command.secret_hash))]


def replay_webhook(command: ReplayWebhook, streams: Streams) -> Decided:
    """Decide `ReplayWebhook`."""
    _in_use(command.id, streams)
    return [(command.id, WebhookReplayed(after=command.after))]


def retry_delivery(command: RetryDelivery, streams: Streams) -> Decided:
    """Decide `RetryDelivery`; whether anything waits is not known here, and asking in vain does no harm."""
    _in_use(command.id, streams)
    return [(command.id, DeliveryRetried(stream=command.stream))]


def skip_delivery(command: SkipDelivery, streams: Streams) -> Decided:
    """Decide `SkipDelivery`; what is skipped stays so."""
    webhook = _in_use(command.id, streams)
    if command.position in webhook.skipped:
        return []
    return [(command.id, DeliverySkipped(stream=command.stream, position=command.position))]


def remove_webhook(command: RemoveWebhook, streams: Streams) -> Decided:
    """Decide `RemoveWebhook`; one that is removed stays so."""
    return [] if streams.webhook(command.id).removed else [(command.id, WebhookRemoved())]


def check(url: str, filter_: Filter) -> None:
    """Raise `Invalid` naming what is wrong with where deliveries would go, and with which there would be."""
    faults = [*_url_faults(url), *_filter_faults(filter_)] or [*_empty(filter_)]
    if faults:
        raise Invalid(f"a webhook cannot be so: {faults[0]}", faults)


def _url_faults(url: str) -> Iterator[Fault]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield Fault("url", "a URL such as https://example.org/hook")
        return
    if parts.scheme not in ("http", "https"):
        yield Fault("url", "its scheme must be https or http, as in https://example.org/hook")
    elif not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        yield Fault("url", "it must name a host and have ASCII alone, as in https://example.org/hook")
    elif parts.username is not None or parts.password is not None:
        yield Fault("url", "it stands in the log for ever: leave out user and password; deliveries are signed instead")
    elif parts.fragment or len(url) > LONGEST_URL or (port is not None and port not in PORTS):
        yield Fault("url", f"at most {LONGEST_URL} characters, without a fragment; its port from 1 to 65535")


def _filter_faults(filter_: Filter) -> Iterator[Fault]:
    yield from _unknown("types", filter_.types, EVENTS)
    yield from _unknown("nouns", filter_.nouns, UNIONS)
    for stream in filter_.streams:
        if not STREAM.fullmatch(stream) or noun_of(stream) not in UNIONS:
            yield Fault("streams", "the id of a thing, such as job-0199…, model-NAME or deployment-NAME")
            return
    for place in ("types", "nouns", "streams"):
        if len(getattr(filter_, place)) > MOST_FILTERED:
            yield Fault(place, f"at most {MOST_FILTERED} of them")


def _empty(filter_: Filter) -> Iterator[Fault]:
    """The fault of a filter, right in all else, that no event could ever pass."""
    of_types = {NOUN_OF_TYPE[name] for name in filter_.types} or set(UNIONS)
    of_streams = {noun_of(stream) for stream in filter_.streams} or set(UNIONS)
    if not of_types & of_streams & (set(filter_.nouns) or set(UNIONS)):
        yield Fault("filter", "nothing is of these types, these nouns and these streams at once")


def _unknown(place: str, names: Sequence[str], known: Iterable[str]) -> Iterator[Fault]:
    if not set(names) <= set(known):
        yield Fault(place, f"each one of {', '.join(known)}")


def _in_use(stream: str, streams: Streams) -> WebhookState:
    webhook = streams.webhook(stream)
    if webhook.removed:
        raise NotAllowed(f"{stream} is removed; create another webhook, from any position")
    return webhook


HANDLERS: dict[type[Command], Handler] = {
    CreateWebhook: Handler(own_stream, create_webhook),
    ChangeWebhook: Handler(own_stream, change_webhook),
    ReplaceWebhookSecret: Handler(own_stream, replace_webhook_secret),
    ReplayWebhook: Handler(own_stream, replay_webhook),
    RetryDelivery: Handler(own_stream, retry_delivery),
    SkipDelivery: Handler(own_stream, skip_delivery),
    RemoveWebhook: Handler(own_stream, remove_webhook),
}
