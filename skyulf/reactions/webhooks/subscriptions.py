"""Which webhooks there are and what each gets, folded from the log by whoever delivers: rows may be behind it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.events.registry import Undecodable, decode, stored_types
from skyulf.events.webhook import (
    DeliveryRetried,
    WebhookCreated,
    WebhookEvent,
    WebhookReplayed,
    WebhookState,
    evolve,
)

TYPES = stored_types(*(cls.__name__ for cls in get_args(WebhookEvent)))

PAGE = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook, and from where it is to get events: above ``after``, said at version ``epoch`` of its stream."""

    id: str
    state: WebhookState
    after: int
    epoch: int

    @property
    def active(self) -> bool:
        """Whether anything is to be delivered."""
        return not (self.state.paused or self.state.removed)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked of deliveries that wait: to try a stream of a webhook now."""

    webhook: str
    stream: str


class Subscriptions:
    """Every webhook, as the log has them up to where it was read."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._position = 0
        self._found: dict[str, Subscription] = {}
        self._stale: set[str] = set()

    def all(self) -> tuple[Subscription, ...]:
        """Every webhook that is not removed."""
        return tuple(each for each in self._found.values() if not each.state.removed)

    def take_stale(self) -> tuple[str, ...]:
        """Hashes of secrets that nothing is signed with any more, since they were asked for last."""
        stale = self._stale - {each.state.secret_hash for each in self.all()}
        self._stale = set()
        return tuple(stale)

    def refresh(self) -> tuple[Asked, ...]:
        """Take in what the log holds by now; what was asked of deliveries meanwhile."""
        asked: list[Asked] = []
        while True:
            page = self._log.read(self._position, PAGE, TYPES)
            for recorded in page.events:
                asked.extend(self._take(recorded))
            moved, self._position = page.position > self._position, page.position
            if not moved or len(page.events) < PAGE:
                return tuple(asked)

    def _take(self, recorded: Recorded) -> Iterator[Asked]:
        webhook = recorded.stream
        before = self._found.get(webhook)
        try:
            event = decode(recorded)
            state = evolve(before and before.state, event)  # type: ignore[arg-type]
        except (Undecodable, AssertionError):
            logger.exception("the webhook %s cannot be read from the log; nothing is delivered to it", webhook)
            self._found.pop(webhook, None)
            return
        after, epoch = (before.after, before.epoch) if before else (recorded.position, recorded.version)
        if isinstance(event, WebhookCreated) and event.after is not None:
            after = event.after
        elif isinstance(event, WebhookReplayed):
            after, epoch = event.after, recorded.version
        elif isinstance(event, DeliveryRetried):
            yield Asked(webhook, event.stream)
        if before is not None and (state.removed or before.state.secret_hash != state.secret_hash):
            self._stale.add(before.state.secret_hash)
        self._found[webhook] = Subscription(webhook, state, after, epoch)
