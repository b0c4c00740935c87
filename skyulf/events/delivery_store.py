"""The DeliveryStore port: how far each webhook has got, and the secrets that deliveries are signed with.

It stands beside the log. How far a webhook has got is no truth but a bookmark: lost, events are delivered again. The
secrets are in no event, so that neither an export nor a copy of the log can sign anything, or deliver to anybody.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol

import msgspec


class Waiting(msgspec.Struct, frozen=True):
    """A stream that is behind the others: its next event waits, at or above ``position``, and the rest behind that.

    ``attempts`` is how often it was tried since it failed first or somebody asked to try again, ``error`` what came of
    the last time, ``since`` when it failed first, and ``due`` when it is tried next. Once it is ``parked`` it has kept
    failing, and is tried seldom. Without an error the stream is catching up.
    """

    stream: str
    position: int
    attempts: int = 0
    error: str = ""
    since: datetime | None = None
    due: datetime | None = None
    parked: bool = False


class Progress(msgspec.Struct, frozen=True):
    """Everything at or below ``position`` is delivered, save what waits.

    ``epoch`` is the version of the webhook's stream at which somebody last said from where it is to be delivered: a
    later replay begins anew.
    """

    epoch: int
    position: int
    waiting: tuple[Waiting, ...] = ()


class DeliveryStore(Protocol):
    """Safe from any thread; every method may raise `Unavailable`, and `Misconfigured` where its tables are missing."""

    def load(self, webhook: str) -> Progress | None:
        """How far a webhook has got; None where nothing was kept."""
        ...

    def load_all(self) -> dict[str, Progress]:
        """How far every webhook has got of which something was kept."""
        ...

    def save(self, webhook: str, progress: Progress) -> None:
        """Keep how far a webhook has got, in place of what was kept: as one, and durable when this returns."""
        ...

    def keep_secret(self, secret_hash: str, secret: str) -> None:
        """Keep a secret under its SHA-256; durable when this returns."""
        ...

    def secret(self, secret_hash: str) -> str | None:
        """The secret of which this is the SHA-256; None where it is not here."""
        ...

    def known(self, hashes: Collection[str]) -> frozenset[str]:
        """Those of the hashes whose secrets are here."""
        ...

    def forget(self, webhook: str | None = None, secrets: Iterable[str] = ()) -> None:
        """Remove what is kept of a webhook, and secrets by their hashes."""
        ...

    def close(self) -> None:
        """Release what the store holds."""
        ...
