"""What is shown of webhooks; how far each has got stands beside the log, and is put in by who shows it."""

from datetime import datetime
from typing import get_args

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.webhook import (
    DeliveryRetried,
    DeliverySkipped,
    WebhookChanged,
    WebhookCreated,
    WebhookEvent,
    WebhookPaused,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretReplaced,
)
from skyulf.projections.base import Projection, Row, by_stream


class WebhookRow(Row, frozen=True, kw_only=True):
    """A webhook as it is now; ``version`` is its stream's. Everything above ``after`` was or will be delivered.

    ``epoch`` is the version at which that was said, ``skipped`` how many events it never gets; ``secret_hash`` tells
    whether the secret is here, and is not shown.
    """

    id: str
    version: int
    url: str
    types: tuple[str, ...]
    nouns: tuple[str, ...]
    streams: tuple[str, ...]
    after: int
    epoch: int
    created_at: datetime
    created_position: int
    secret_at: datetime
    secret_hash: str
    skipped: int = 0
    paused: bool = False
    removed: bool = False


def fold_webhook(row: WebhookRow | None, event: WebhookEvent, recorded: Recorded) -> WebhookRow:
    """The webhook's row after the event."""
    at = recorded.metadata.recorded_at
    if isinstance(event, WebhookCreated):
        return WebhookRow(
            id=recorded.stream,
            version=recorded.version,
            url=event.url,
            types=event.filter.types,
            nouns=event.filter.nouns,
            streams=event.filter.streams,
            after=recorded.position if event.after is None else event.after,
            epoch=recorded.version,
            created_at=at,
            created_position=recorded.position,
            secret_at=at,
            secret_hash=event.secret_hash,
        )
    assert row is not None
    row = msgspec.structs.replace(row, version=recorded.version)
    match event:
        case WebhookChanged():
            taken = event.filter
            return msgspec.structs.replace(
                row, url=event.url, types=taken.types, nouns=taken.nouns, streams=taken.streams
            )
        case WebhookSecretReplaced():
            return msgspec.structs.replace(row, secret_at=at, secret_hash=event.secret_hash)
        case WebhookPaused() | WebhookResumed():
            return msgspec.structs.replace(row, paused=isinstance(event, WebhookPaused))
        case WebhookReplayed():
            return msgspec.structs.replace(row, after=event.after, epoch=recorded.version)
        case DeliverySkipped():
            return msgspec.structs.replace(row, skipped=row.skipped + 1)
        case DeliveryRetried():
            return row
        case WebhookRemoved():
            return msgspec.structs.replace(row, removed=True)


WEBHOOKS = Projection(
    name="webhooks",
    version=1,
    row=WebhookRow,
    folds=get_args(WebhookEvent),
    key=by_stream,
    fold=fold_webhook,
    columns={"created_position": "position", "removed": "boolean"},
    indexes=(("created_position",), ("removed", "created_position")),
)
