"""What of the log is to be delivered to one webhook next, and what became of it: no I/O, and no clock of its own.

The log is read once, in order, and each stream with something to deliver is a lane: one event of it is under way at a
time, so that its order holds, and lanes do not wait for each other. A lane that is in trouble, or has more to deliver
than is kept in memory, is *detached*: where it stands is kept by itself, so that all others can be remembered as one
position. What it lacks it reads again from the log.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.delivery_store import Progress, Waiting

MOST_LANES = 1_000
"""With so many streams that wait the log is not read on: the receiver is away, and they are remembered one by one."""

IN_HAND = 50
"""Events of one stream in memory; further ones are read again when it is their turn."""

FIRST_PAUSE, LAST_PAUSE = 0.5, 60.0
"""Seconds before an event that failed is tried again: the first time, and at most, doubled in between."""

PARKED_AFTER = 12
"""So many failures park the stream: five minutes, or so."""

PARKED_PAUSE = 300.0
"""Seconds after which what is parked is tried again: an outage heals by itself, whenever it ends."""

LONGEST_WISH = 3_600.0
"""Seconds for which a receiver may ask not to be tried again (``Retry-After``)."""


@dataclass(slots=True)
class Lane:
    """A stream with something to deliver.

    All of it at or below ``done`` is delivered. ``queue`` has what follows, up to ``newest``, the last event known of
    it, unless there is a ``gap`` between the two.
    """

    stream: str
    done: int
    newest: int
    queue: deque[Recorded] = field(default_factory=deque)
    gap: bool = False
    detached: bool = False
    trouble: Waiting | None = None
    busy: bool = False

    @property
    def position(self) -> int:
        """The first position at which something is to be delivered."""
        return self.queue[0].position if self.queue else self.done + 1

    @property
    def resting(self) -> bool:
        """Whether nothing is to be delivered; it stays a lane where the log has not been read so far again."""
        return not (self.queue or self.gap or self.busy)


class Lanes:
    """The lanes of one webhook, beginning where ``progress`` says.

    ``skipped`` are positions of events that are passed over; ``share`` gives a random number from 0 to 1.
    """

    def __init__(self, progress: Progress, share: Callable[[], float], skipped: frozenset[int] = frozenset()) -> None:
        self.position = progress.position
        self._epoch = progress.epoch
        self._share = share
        self._skipped = skipped
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._due: list[tuple[datetime, str]] = []
        for waiting in progress.waiting:
            newest = max(progress.position, waiting.position)
            lane = Lane(waiting.stream, waiting.position - 1, newest, gap=True, detached=True)
            lane.trouble = waiting if waiting.error else None
            self._lanes[waiting.stream] = lane
            self._ready.append(lane)  # at once, whenever it was due: this process has not tried it yet

    @property
    def room(self) -> bool:
        """Whether the log is to be read on."""
        return len(self._lanes) < MOST_LANES

    def take(self, events: Iterable[Recorded], position: int) -> None:
        """Note the events that the log holds up to a position, which is how far it has been read."""
        for event in events:
            lane = self._lanes.get(event.stream)
            if lane is None:
                lane = Lane(event.stream, event.position - 1, event.position, deque([event]))
                self._lanes[event.stream] = lane
                self._ready.append(lane)
            elif event.position > lane.newest:
                lane.newest = event.position
                if lane.resting:
                    self._ready.append(lane)
                if lane.gap or lane.trouble is not None or len(lane.queue) >= IN_HAND:
                    lane.gap = lane.detached = True
                else:
                    lane.queue.append(event)
        self.position = position
        for stream in [lane.stream for lane in self._lanes.values() if lane.resting and lane.done <= position]:
            del self._lanes[stream]

    def refill(self, lane: Lane, events: Iterable[Recorded], position: int, until: int) -> None:
        """Give a lane what it had lacked, as the log holds it up to ``position``; all was asked for up to ``until``."""
        lane.queue.extend(events)
        lane.gap = position < until or lane.newest > until
        if not lane.queue:
            lane.done = max(lane.done, position)

    def next(self, now: datetime) -> Lane | None:
        """The lane whose turn it is, busy from now on; it must come back by `delivered`, `failed` or `untried`."""
        while self._due and self._due[0][0] <= now:
            due, stream = heapq.heappop(self._due)
            lane = self._lanes.get(stream)
            if lane is not None and lane.trouble is not None and lane.trouble.due == due:
                self._ready.append(lane)
        while self._ready:
            lane = self._ready.popleft()
            if not lane.busy and self._lanes.get(lane.stream) is lane:
                lane.busy = True
                return lane
        return None

    def head(self, lane: Lane) -> Recorded | None:
        """The event that is to be delivered; None where the log must be read first, or nothing is left to deliver."""
        while lane.queue and lane.queue[0].position in self._skipped:
            self._past(lane)
        return lane.queue[0] if lane.queue else None

    def delivered(self, lane: Lane) -> None:
        """The lane's first event has been delivered."""
        self._past(lane)
        self.untried(lane)

    def untried(self, lane: Lane) -> None:
        """Nothing was tried, or no more than that: the lane goes on in its turn, or ends where nothing is left."""
        lane.busy = False
        if not lane.resting:
            self._ready.append(lane)
        elif lane.done <= self.position:
            del self._lanes[lane.stream]

    def failed(self, lane: Lane, error: str, now: datetime, wish: float | None = None) -> Waiting | None:
        """The lane's first event could not be delivered; ``wish`` is how long the receiver asks to be left alone.

        What is known of it from now on; None where it was skipped meanwhile.
        """
        first, before = lane.queue[0], lane.trouble
        if first.position in self._skipped:
            self.delivered(lane)
            return None
        attempts = 1 + (before.attempts if before else 0)
        parked = attempts >= PARKED_AFTER or (before is not None and before.parked)
        pause = pause_after(attempts, self._share()) if not parked else PARKED_PAUSE * (1 + self._share()) / 2
        pause = max(pause, min(wish or 0.0, LONGEST_WISH))
        due = now + timedelta(seconds=pause)
        since = before.since if before else now
        lane.trouble = Waiting(lane.stream, first.position, attempts, error, since, due, parked)
        lane.detached = True
        lane.gap = lane.gap or len(lane.queue) > 1
        lane.queue = deque([first])
        lane.busy = False
        heapq.heappush(self._due, (due, lane.stream))
        return lane.trouble

    def retry(self, stream: str) -> None:
        """Have what waits of a stream tried now, and as patiently as the first time."""
        lane = self._lanes.get(stream)
        if lane is None or lane.trouble is None:
            return
        told = lane.trouble
        lane.trouble = msgspec.structs.replace(told, attempts=0, parked=False)
        if not lane.busy:
            self._ready.append(lane)

    def skip(self, positions: frozenset[int]) -> None:
        """Pass over these events from now on; what waited behind one of them goes on."""
        self._skipped = positions
        for lane in self._lanes.values():
            if lane.trouble is not None and lane.trouble.position in positions and not lane.busy:
                self._ready.append(lane)

    def waiting(self) -> Iterator[Waiting]:
        """The lanes that are remembered one by one."""
        for lane in self._lanes.values():
            if lane.trouble is not None:
                yield lane.trouble
            elif lane.detached:
                yield Waiting(lane.stream, lane.position)

    def progress(self) -> Progress:
        """What is to be remembered: wherever deliveries end, they can go on from there without leaving anything out."""
        attached = (lane.position - 1 for lane in self._lanes.values() if not lane.detached)
        return Progress(self._epoch, min((self.position, *attached)), tuple(self.waiting()))

    def due(self) -> datetime | None:
        """When something is to be tried again, at the earliest."""
        return self._due[0][0] if self._due else None

    def oldest(self) -> datetime | None:
        """When the oldest event happened that is in hand and not delivered."""
        return min((lane.queue[0].metadata.recorded_at for lane in self._lanes.values() if lane.queue), default=None)

    def _past(self, lane: Lane) -> None:
        lane.done = lane.queue.popleft().position
        lane.trouble = None


def pause_after(attempts: int, share: float) -> float:
    """Seconds until the next attempt after so many that failed; at random from the half of it on."""
    doubled: float = min(FIRST_PAUSE * 2.0 ** min(attempts - 1, 30), LAST_PAUSE)
    return doubled * (1 + share) / 2
