"""The port through which deliveries are sent."""

from dataclasses import dataclass
from typing import Protocol

from skyulf.reactions.webhooks.signing import Headers


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: ``error`` is None where the receiver has taken the event.

    ``wish`` is for how many seconds it asked to be left alone, if it did.
    """

    error: str | None = None
    wish: float | None = None


class Sender(Protocol):
    """Sends deliveries; belongs to the event loop that it is used in."""

    async def send(self, url: str, headers: Headers, body: bytes) -> Outcome:
        """Send one, and wait for the answer for a bounded time; raises nothing that a receiver could cause."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
