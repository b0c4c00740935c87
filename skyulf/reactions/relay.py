"""The relay: publishes every event of the log, in the log's order, to where others follow it.

How far that has got is kept where the events go, and moves together with them: a crash repeats nothing that was
published whole, and never skips an event. Several relays may run; one works, and the others watch it. If the one that
works falls silent, another takes its place, and whatever the first one still tries to publish is refused.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from skyulf.errors import Misconfigured, SkyulfError
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog

BEAT = 1.0
"""Seconds after which a relay with nothing to publish shows that it is there; it looks at the log as often."""

SILENCE = 3.0
"""Seconds without a sign of the relay that works after which another takes its place."""

PACE = 0.02
"""Seconds from one batch to the next, unless more is waiting than one takes: few events cost as much as many do.

An event that comes alone is published at once; what follows on its heels, such as the claim of a job, goes together.
"""

BATCH = 500
"""At most so many events are published at once."""

BRISK = 0.5
"""Seconds that a batch may take for the next to be larger; after one that took longer, the next is smaller.

A relay that publishes shows nothing else of itself: a batch that took longer than `SILENCE` would look like an end.
"""

FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0
"""Seconds before a relay that failed tries again: the first time, and at most, doubled in between."""

FAREWELL = 5.0
"""Seconds to wait at most for a relay to end; one that hangs in a dead connection ends with its process."""

logger = logging.getLogger(__name__)


class Superseded(SkyulfError):
    """Another relay works now; what was to be published is left to it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last event that was published: its position and id."""

    position: int
    id: str


class EventSink(Protocol):
    """Where events are published, and where it is kept how far that has got; used by one thread.

    Every method may raise `Unavailable`, and `Misconfigured` naming the setting that is wrong; after any error the
    sink is closed, and may be used again.
    """

    def vacant(self) -> bool:
        """Look for a moment, and say whether no other relay works: it left, or was silent for `SILENCE` seconds."""
        ...

    def open(self) -> Mark | None:
        """Become the one that publishes: whoever was is refused from now on. The last event published by anyone."""
        ...

    def publish(self, events: Sequence[Recorded]) -> None:
        """Publish ``events`` in order and mark the last of them, all or nothing; nothing is also a sign of life.

        Once this returns, they are as safe as the sink can keep them. Raises `Superseded`.
        """
        ...

    def leave(self) -> None:
        """Tell the others that the place is free."""
        ...

    def close(self) -> None:
        """Let go of connections; soon, whatever state they are in."""
        ...


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """What a relay is at.

    ``working`` tells whether it is the one that publishes, and ``connected`` whether it has the brokers: one that does
    not work then stands by. ``position`` is the last it published, and ``lag`` the
    number of positions up to the log's head; both are None while it does not work. ``seconds`` is the age of the
    oldest event that is not published yet, 0 where there is none. ``problem`` is what keeps it from working, if
    anything does.
    """

    working: bool
    connected: bool
    position: int | None
    lag: int | None
    seconds: float | None
    problem: str | None


class Relay:
    """Publishes the log to a sink, in a thread of its own once started; ``now`` is the clock, for its status."""

    def __init__(self, log: EventLog, sink: EventSink, now: Callable[[], datetime]) -> None:
        self._log = log
        self._sink = sink
        self._now = now
        self._position: int | None = None
        self._connected = False
        self._problem: str | None = None
        self._pause = FIRST_PAUSE
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to publish, or to wait for one's turn."""
        self._unsubscribe = self._log.subscribe(self._news.set)
        self._thread.start()

    def close(self) -> None:
        """Finish the batch under way, leave the place to others, and end."""
        self._unsubscribe()
        self._stopping.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(FAREWELL)

    @property
    def working(self) -> bool:
        """Whether this is the relay that publishes; the others stand by."""
        return self._position is not None

    def status(self) -> RelayStatus:
        """What the relay is at; from any thread."""
        position = self._position
        if position is None:
            return RelayStatus(
                working=False,
                connected=self._connected,
                position=None,
                lag=None,
                seconds=None,
                problem=self._problem,
            )
        waiting = self._log.read(position, 1).events
        age = (self._now() - waiting[0].metadata.recorded_at).total_seconds() if waiting else 0.0
        lag = max(0, self._log.head() - position)
        return RelayStatus(
            working=True,
            connected=True,
            position=position,
            lag=lag,
            seconds=max(0.0, age),
            problem=self._problem,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._sink.vacant():
                    self._work()
                else:
                    self._recovered("this relay stands by again")
            except Superseded as superseded:
                logger.warning("%s", superseded.detail)
                self._rest(SILENCE / 3)  # until the other one has been heard of
            except Exception as error:  # noqa: BLE001 - told, and tried again: events must go on being published
                self._tell(error)
                self._rest(self._pause)
                self._pause = min(self._pause * 2, LAST_PAUSE)
        self._sink.close()

    def _rest(self, seconds: float) -> None:
        self._position = None
        self._connected = False
        self._sink.close()
        self._stopping.wait(seconds)

    def _work(self) -> None:
        """Publish until told to stop, or until something fails."""
        position = self._after(self._sink.open())
        self._sink.publish(())  # at once: the others must know before the first batch is there
        shown = time.monotonic()
        self._position = position
        self._recovered("events are published again")
        size = 1
        while not self._stopping.is_set():
            self._news.clear()
            page = self._log.read(position, size)
            more = len(page.events) == size
            begun = time.monotonic()
            if page.events or begun - shown >= BEAT:
                self._sink.publish(page.events)
                shown = time.monotonic()
                size = min(2 * size, BATCH) if shown - begun < BRISK else max(1, size // 2)
            position = self._position = page.position
            if not page.events:
                self._news.wait(max(0.0, shown + BEAT - time.monotonic()))
            elif not more:
                self._stopping.wait(PACE)
        self._sink.leave()

    def _after(self, mark: Mark | None) -> int:
        """The position to go on after; raises `Misconfigured` when the mark is not of this log."""
        if mark is None:
            return 0
        found = self._log.read(mark.position - 1, 1, until=mark.position).events
        if not found or found[0].id != mark.id:
            raise Misconfigured(
                f"SKYULF_KAFKA_PREFIX: the topics hold the events of another log, up to position {mark.position}; "
                "name another prefix, or delete these topics"
            )
        return mark.position

    def _tell(self, error: Exception) -> None:
        """Say what is wrong, once for as long as it stays the same."""
        if self._stopping.is_set():
            return
        problem = error.detail if isinstance(error, SkyulfError) else f"{type(error).__name__}: {error}"
        if problem != self._problem:
            fault = None if isinstance(error, SkyulfError) else error
            logger.error("events are not published, and will be later: %s", problem, exc_info=fault)
        self._problem = problem

    def _recovered(self, told: str) -> None:
        self._connected = True
        self._pause = FIRST_PAUSE
        if self._problem is not None:
            logger.warning("%s", told)
            self._problem = None
