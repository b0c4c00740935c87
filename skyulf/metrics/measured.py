"""Gauges that are read when somebody asks: within a bounded time, and never so often that it could be felt.

What cannot be read, since a database is away, is left out, and ``skyulf_up`` of it is 0: the answer comes all the same.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

PATIENCE = 2.0
"""Seconds that all reads of one answer may take together."""

KEPT = 1.0
"""Seconds at least for which what was read is given again."""

SHARE, LONGEST = 20, 60.0
"""What took long to read is kept for so many times that long, but no longer than so many seconds: reading what is
large takes a twentieth of the time at most."""

Measures = Callable[[], Iterable[Metric]]

logger = logging.getLogger(__name__)


class Reading:
    """One source of gauges, read in a thread of its own; of ``what`` it is told whether it answers."""

    def __init__(self, what: str, read: Measures) -> None:
        self.what = what
        self._read = read
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._under_way = False
        self._found: Sequence[Metric] | None = None
        self._until = 0.0

    def begin(self) -> None:
        """Read anew, unless what was read last is young enough, or a read is still under way."""
        with self._lock:
            if self._under_way or time.monotonic() < self._until:
                return
            self._under_way = True
            self._done.clear()
        threading.Thread(target=self._run, name=f"measure-{self.what}", daemon=True).start()

    def result(self, seconds: float) -> Sequence[Metric] | None:
        """What was read; None when that failed, or is not there within so many seconds."""
        return self._found if self._done.wait(seconds) else None

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            found: Sequence[Metric] | None = tuple(self._read())
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer says that this could not be read
            logger.debug("%s could not be measured: %s", self.what, type(error).__name__)
            found = None
        now = time.monotonic()
        with self._lock:
            self._found = found
            self._until = now + (KEPT if found is None else min(max(KEPT, SHARE * (now - begun)), LONGEST))
            self._under_way = False
            self._done.set()


class Measured:
    """All gauges of a process."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self._here: list[Measures] = []

    def add(self, what: str | None, read: Measures) -> None:
        """Read gauges with ``read`` from now on: from ``what``, which may be away, or without that at once."""
        if what is None:
            self._here.append(read)
        else:
            self._readings.append(Reading(what, read))

    def collect(self) -> Iterable[Metric]:
        """Every gauge that can be read in time, and of what could be read, and what not."""
        for reading in self._readings:
            reading.begin()
        for read in self._here:
            yield from read()
        deadline = time.monotonic() + PATIENCE
        up: dict[str, bool] = {}
        for reading in self._readings:
            found = reading.result(max(0.0, deadline - time.monotonic()))
            up[reading.what] = up.get(reading.what, True) and found is not None
            yield from found or ()
        told = GaugeMetricFamily(
            "skyulf_up", "Whether what is measured could be read (1) or not (0).", labels=("what",)
        )
        for what, answers in up.items():
            told.add_metric((what,), float(answers))
        yield told
