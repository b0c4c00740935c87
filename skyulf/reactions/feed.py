"""What wakes the worker: the port through which events reach it, and what is done with one that cannot be read."""

from dataclasses import dataclass
from typing import Protocol

from skyulf.events.base import Recorded

WAKING = (
    "JobCreated",
    "ScoringCreated",
    "ReproductionCreated",
    "JobRetried",
    "JobReclaimed",
    "JobCancelRequested",
)
"""The types of event that the worker's feed gives."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something in a feed that this version cannot read: where it is, and why not. It was passed over."""

    place: str
    error: str


class EventFeed(Protocol):
    """Events as they happen; one may be missed or come twice."""

    def poll(self, seconds: float) -> tuple[Recorded, ...]:
        """New events, or none after ``seconds`` or a `wake`; never waits longer, whatever is the matter."""
        ...

    def wake(self) -> None:
        """Let a `poll` return at once."""
        ...

    def unread(self) -> tuple[Unread, ...]:
        """What could not be read since the feed was made, the newest last; the oldest are forgotten at some point."""
        ...

    def close(self) -> None:
        """Stop following."""
        ...
