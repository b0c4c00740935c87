"""What a feed could not read: told once in the log of this process, and parked where every process sees it."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from skyulf.errors import Damaged
from skyulf.events.base import Recorded
from skyulf.events.registry import Undecodable, decode
from skyulf.projections.store import ParkedMessage, ReadStore
from skyulf.reactions.feed import Unread

KEPT = 1_000

AGAIN = 1.0
"""Seconds after which what could not be parked is tried again."""

FAREWELL = 2.0
"""Seconds that an end waits for what is still to be parked."""

logger = logging.getLogger(__name__)

Park = Callable[[Sequence[Unread]], None]


class UnreadShelf:
    """Where unreadable things are parked; safe from any thread. ``count`` is of all, also of those forgotten.

    ``park`` keeps them for other processes; it is called from a thread of its own, until it succeeds: whoever reads
    the feed has leases to renew, and must not wait for a database.
    """

    def __init__(self, park: Park | None = None) -> None:
        self.count = 0
        self._park = park
        self._lock = threading.Lock()
        self._kept: deque[Unread] = deque(maxlen=KEPT)
        self._waiting: deque[Unread] = deque(maxlen=KEPT)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def all(self) -> tuple[Unread, ...]:
        """What is kept here, the newest last."""
        with self._lock:
            return tuple(self._kept)

    def park(self, place: str, error: Damaged | Undecodable) -> None:
        """Keep and tell what could not be read."""
        unread = Unread(place, error.detail)
        logger.error("passed over %s, which cannot be read: %s", place, error.detail)
        with self._lock:
            self.count += 1
            self._kept.append(unread)
            if self._park is None:
                return
            self._waiting.append(unread)
            if self._thread is None:
                self._thread = threading.Thread(target=self._park_waiting, args=(self._park,), name="unread")
                self._thread.daemon = True
                self._thread.start()

    def readable(self, recorded: Recorded, place: str) -> bool:
        """Whether this version can decode the event; one that it cannot is parked."""
        try:
            decode(recorded)
        except Undecodable as error:
            self.park(place, error)
            return False
        return True

    def close(self) -> None:
        """Park what waits, if that can be done now."""
        self._closing.set()
        if (thread := self._thread) is not None:
            thread.join(FAREWELL)

    def _park_waiting(self, park: Park) -> None:
        """Park what waits, until nothing does."""
        while True:
            with self._lock:
                some = tuple(self._waiting)
                self._waiting.clear()
                if not some:
                    self._thread = None
                    return
            try:
                park(some)
            except Exception as error:  # noqa: BLE001 - whatever it is, what was unread must still be told
                if self._closing.is_set():
                    return
                logger.warning("what could not be read is not parked yet (%s); it is tried again", type(error).__name__)
                with self._lock:
                    self._waiting.extendleft(reversed(some))
                self._closing.wait(AGAIN)


def parking(store: ReadStore, feed: str, now: Callable[[], datetime]) -> Park:
    """What parks under the name of a feed in the read models; ``now`` is the clock."""

    def park(unread: Sequence[Unread]) -> None:
        since = now()
        store.park_messages([ParkedMessage(feed, each.place, each.error, since) for each in unread], KEPT)

    return park
