"""What can happen to a webhook, a subscription of another system to events, and the state that follows from it."""

from dataclasses import dataclass, replace
from typing import Self

from skyulf.events.base import DomainEvent, Recorded, Value, noun_of


class Filter(Value):
    """Which events are delivered: of one of the types, the nouns and the streams; an empty list asks for nothing."""

    types: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()

    def takes(self, recorded: Recorded) -> bool:
        """Whether an event of one of the types is to be delivered: the log is asked for types, as they are stored."""
        return (not self.nouns or noun_of(recorded.stream) in self.nouns) and (
            not self.streams or recorded.stream in self.streams
        )


class WebhookCreated(DomainEvent):
    """Another system is told of events, above position ``after`` or, where it is None, of those that follow this one.

    ``secret_hash`` is the SHA-256 of the secret that deliveries are signed with; that was shown once, and stands beside
    the log (`delivery_store`).
    """

    url: str
    filter: Filter
    secret_hash: str
    after: int | None = None


class WebhookChanged(DomainEvent):
    """Deliveries go to another URL, or are of other events, from the next one on."""

    url: str
    filter: Filter


class WebhookSecretReplaced(DomainEvent):
    """Deliveries are signed with another secret."""

    secret_hash: str


class WebhookPaused(DomainEvent):
    """Nothing is delivered until the webhook is resumed; what happens meanwhile waits."""


class WebhookResumed(DomainEvent):
    """What has happened since the webhook was paused is delivered, and all that follows."""


class WebhookReplayed(DomainEvent):
    """Everything above position ``after`` is delivered, again where it had been."""

    after: int


class DeliveryRetried(DomainEvent):
    """What waits of a stream is to be delivered now."""

    stream: str


class DeliverySkipped(DomainEvent):
    """An event is never to be delivered to the webhook, so that those behind it can be; the reason says why."""

    stream: str
    position: int


class WebhookRemoved(DomainEvent):
    """Nothing is delivered any more, and the secret is forgotten."""


WebhookEvent = (
    WebhookCreated
    | WebhookChanged
    | WebhookSecretReplaced
    | WebhookPaused
    | WebhookResumed
    | WebhookReplayed
    | DeliveryRetried
    | DeliverySkipped
    | WebhookRemoved
)


@dataclass(frozen=True, slots=True)
class WebhookState:
    """A webhook as it is; ``skipped`` are the positions of events that it never gets."""

    url: str
    filter: Filter
    secret_hash: str
    paused: bool = False
    removed: bool = False
    skipped: frozenset[int] = frozenset()

    @classmethod
    def of(cls, event: WebhookCreated) -> Self:
        """The state at the beginning."""
        return cls(url=event.url, filter=event.filter, secret_hash=event.secret_hash)


def evolve(state: WebhookState | None, event: WebhookEvent) -> WebhookState:
    """The state after ``event``."""
    if isinstance(event, WebhookCreated):
        return WebhookState.of(event)
    assert state is not None
    match event:
        case WebhookChanged():
            return replace(state, url=event.url, filter=event.filter)
        case WebhookSecretReplaced():
            return replace(state, secret_hash=event.secret_hash)
        case WebhookPaused():
            return replace(state, paused=True)
        case WebhookResumed():
            return replace(state, paused=False)
        case WebhookReplayed() | DeliveryRetried():
            return state  # whoever delivers looks at the events themselves
        case DeliverySkipped():
            return replace(state, skipped=state.skipped | {event.position})
        case WebhookRemoved():
            return replace(state, removed=True)
