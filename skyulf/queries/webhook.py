"""Webhooks: what they are, by their rows, and how far each has got, by what is kept of it beside the log."""

from collections.abc import Sequence
from dataclasses import dataclass

from skyulf.errors import NotFound
from skyulf.events.delivery_store import DeliveryStore, Progress, Waiting
from skyulf.events.log import EventLog
from skyulf.projections.store import ReadStore
from skyulf.projections.webhook import WEBHOOKS, WebhookRow
from skyulf.queries.base import Repository


class WebhookRepository(Repository[WebhookRow]):
    """Webhooks, by id."""

    noun = "webhook"

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, WEBHOOKS)


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far a webhook has got: everything at or below ``position`` is delivered, save what waits.

    ``lag`` is how many positions the log's head is further; ``waiting`` the streams that are behind, of which so many
    are ``parked``. Without its secret (``has_secret``) nothing is delivered here.
    """

    position: int
    lag: int
    waiting: tuple[Waiting, ...]
    has_secret: bool

    @property
    def parked(self) -> int:
        """How many streams are parked."""
        return sum(each.parked for each in self.waiting)


class DeliveryReader:
    """How far webhooks have got; the same in every process that shares the log."""

    def __init__(self, log: EventLog, store: DeliveryStore) -> None:
        self._log = log
        self._store = store

    def of(self, rows: Sequence[WebhookRow]) -> tuple[Delivered, ...]:
        """How far each of some webhooks has got."""
        if not rows:
            return ()
        kept, head = self._store.load_all(), self._log.head()
        secrets = self._store.known([row.secret_hash for row in rows])
        return tuple(_delivered(row, kept.get(row.id), head, row.secret_hash in secrets) for row in rows)

    def waiting(self, row: WebhookRow, stream: str) -> Waiting:
        """What waits of a stream; raises `NotFound`."""
        (found,) = self.of([row])
        for each in found.waiting:
            if each.stream == stream:
                return each
        raise NotFound(f"nothing of {stream} waits to be delivered to {row.id}")


def _delivered(row: WebhookRow, kept: Progress | None, head: int, has_secret: bool) -> Delivered:
    if kept is None or kept.epoch < row.epoch:
        kept = Progress(row.epoch, row.after)
    waiting = tuple(sorted(kept.waiting, key=lambda each: each.position))
    return Delivered(kept.position, max(0, head - kept.position), waiting, has_secret)
