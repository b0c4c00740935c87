"""Requests for predictions that are drawn to be logged: a bounded buffer between those who answer and who writes them.

To draw and to note a request costs a microsecond or so, and a deployment that is not logged pays for none of it. What
does not fit is counted, and forgotten.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from skyulf.events.deployment import Target
from skyulf.serving.media import Format

BYTES = 16 << 20
"""Bytes of requests and answers that wait to be written at most; from half of them on, they are written at once."""


class Sample(NamedTuple):
    """A request for predictions and its answer, as they came and went."""

    at: datetime
    sent: Format
    body: bytes
    wanted: Format
    answer: bytes


class Batch:
    """What was drawn of one deployment while it served one version: samples, and how many more did not fit."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.lost = 0


Drawn = dict[tuple[str, Target], Batch]


class Sampler:
    """Draws requests by chance: ``draw`` gives numbers from 0 to 1, ``now`` the time. Safe from any thread."""

    def __init__(self, draw: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._draw = draw
        self._now = now
        self._lock = threading.Lock()
        self._drawn: Drawn = {}
        self._bytes = 0
        self.full = threading.Event()
        """Set once there is so much that it is to be taken soon."""

    def offer(
        self, share: float, name: str, target: Target, sent: Format, body: bytes, wanted: Format, answer: bytes
    ) -> None:
        """Note a request with the probability ``share``."""
        if self._draw() >= share:
            return
        size = len(body) + len(answer)
        with self._lock:
            batch = self._drawn.get((name, target))
            if batch is None:
                batch = self._drawn[name, target] = Batch()
            if self._bytes + size > BYTES:
                batch.lost += 1
                self.full.set()
                return
            self._bytes += size
            batch.samples.append(Sample(self._now(), sent, body, wanted, answer))
        if self._bytes > BYTES // 2:
            self.full.set()

    def take(self) -> Drawn:
        """All that was drawn since the last call."""
        with self._lock:
            drawn, self._drawn, self._bytes = self._drawn, {}, 0
            self.full.clear()
        return drawn
