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

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target
        self.samples: list[Sample] = []
        self.lost = 0


class Sampler:
    """Draws requests by chance: ``draw`` gives numbers from 0 to 1, ``now`` the time. Safe from any thread."""

    def __init__(self, draw: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._draw = draw
        self._now = now
        self._lock = threading.Lock()
        self._drawn: dict[tuple[str, str, int], Batch] = {}
        self._bytes = 0
        self.full = threading.Event()
        """Set once there is so much that it is to be taken soon."""

    def offer(
        self, share: float, name: str, target: Target, sent: Format, body: bytes, wanted: Format, answer: bytes
    ) -> None:
        """Note a request with the probability ``share``."""
        if self._draw() >= share:
            return
        size, key = len(body) + len(answer), (name, target.model, target.model_version)
        with self._lock:
            batch = self._drawn.get(key)
            if batch is None:
                batch = self._drawn[key] = Batch(name, target)
            if self._bytes + size > BYTES:
                batch.lost += 1
                self.full.set()
                return
            self._bytes += size
            batch.samples.append(Sample(self._now(), sent, body, wanted, answer))
        if self._bytes > BYTES // 2:
            self.full.set()

    def take(self) -> list[Batch]:
        """All that was drawn since the last call."""
        with self._lock:
            drawn, self._drawn, self._bytes = self._drawn, {}, 0
            self.full.clear()
        return list(drawn.values())
