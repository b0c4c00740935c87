"""What a feed could not read: told once in the log of this process, and kept for whoever asks."""

import logging
import threading
from collections import deque

from skyulf.errors import Damaged
from skyulf.events.base import Recorded
from skyulf.events.registry import Undecodable, decode
from skyulf.reactions.feed import Unread

KEPT = 1_000

logger = logging.getLogger(__name__)


class UnreadShelf:
    """Where unreadable things are parked; safe from any thread. ``count`` is of all, also of those forgotten."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._kept: deque[Unread] = deque(maxlen=KEPT)

    def all(self) -> tuple[Unread, ...]:
        """What is kept, the newest last."""
        with self._lock:
            return tuple(self._kept)

    def park(self, place: str, error: Damaged | Undecodable) -> None:
        """Keep and tell what could not be read."""
        with self._lock:
            self.count += 1
            self._kept.append(Unread(place, error.detail))
        logger.error("passed over %s, which cannot be read: %s", place, error.detail)

    def readable(self, recorded: Recorded, place: str) -> bool:
        """Whether this version can decode the event; one that it cannot is parked."""
        try:
            decode(recorded)
        except Undecodable as error:
            self.park(place, error)
            return False
        return True
