"""Events published to a list in this process: what the relay can be tried on without a broker."""

import threading
import time
from collections.abc import Sequence

from skyulf.events.base import Recorded
from skyulf.reactions.relay import SILENCE, Mark, Superseded

MOMENT = 0.1
"""Seconds that a look at the others takes."""


class MemoryTopics:
    """What sinks publish to, as a broker would keep it: events in order, the mark, and whose turn it is."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.events: list[Recorded] = []
        self.mark: Mark | None = None
        self.owner: object | None = None
        self.heard = float("-inf")


class MemorySink:
    """`EventSink` over `MemoryTopics`, which several sinks may share."""

    def __init__(self, topics: MemoryTopics) -> None:
        self._topics = topics
        self._session: object | None = None

    def vacant(self) -> bool:
        """See `EventSink.vacant`."""
        with self._topics.lock:
            return self._topics.lock.wait_for(self._free, MOMENT)

    def open(self) -> Mark | None:
        """See `EventSink.open`."""
        with self._topics.lock:
            self._session = self._topics.owner = object()
            return self._topics.mark

    def publish(self, events: Sequence[Recorded]) -> None:
        """See `EventSink.publish`."""
        with self._topics.lock:
            if self._topics.owner is not self._session:
                raise Superseded("another relay publishes now")
            self._topics.events.extend(events)
            self._topics.heard = time.monotonic()
            if events:
                self._topics.mark = Mark(events[-1].position, events[-1].id)

    def leave(self) -> None:
        """See `EventSink.leave`."""
        with self._topics.lock:
            self._topics.owner = None
            self._topics.heard = float("-inf")
            self._topics.lock.notify_all()

    def close(self) -> None:
        """See `EventSink.close`."""
        self._session = None

    def _free(self) -> bool:
        return time.monotonic() - self._topics.heard > SILENCE
