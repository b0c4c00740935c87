"""Events to workers straight from the log, followed from its head in the same process."""

import threading
from collections.abc import Sequence

from skyulf.adapters.unread import UnreadShelf
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.reactions.feed import Unread

PAGE = 500


class LogFeed:
    """`EventFeed` over the log: what was recorded before it was made is not given."""

    def __init__(self, log: EventLog, types: Sequence[str], unread: UnreadShelf | None = None) -> None:
        self._log = log
        self._types = types
        self._after = log.head()
        self._unread = unread or UnreadShelf()
        self._woken = threading.Event()
        self._unsubscribe = log.subscribe(self._woken.set)

    def poll(self, seconds: float) -> tuple[Recorded, ...]:
        """See `EventFeed.poll`."""
        self._woken.wait(seconds)
        self._woken.clear()
        page = self._log.read(self._after, PAGE, types=self._types)
        self._after = page.position
        if len(page.events) == PAGE:
            self._woken.set()
        readable = self._unread.readable
        return tuple(event for event in page.events if readable(event, f"position {event.position} of the log"))

    def wake(self) -> None:
        """See `EventFeed.wake`."""
        self._woken.set()

    def unread(self) -> tuple[Unread, ...]:
        """See `EventFeed.unread`."""
        return self._unread.all()

    def close(self) -> None:
        """See `EventFeed.close`."""
        self._unsubscribe()
        self._unread.close()
