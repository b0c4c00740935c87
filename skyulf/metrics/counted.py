"""Numbers that are counted as things happen: plain integers, without locks, so that who counts does not feel it.

Each is counted by one thread: requests and predictions by the event loop, commands by the one that commits them.
"""

from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

Labels = tuple[str, ...]

PREDICTION_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)
REQUEST_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)
COMMAND_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)
WAITING_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)
"""Upper bounds of buckets, in seconds."""


class Counts:
    """How often things happened, by labels."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._counts: dict[Labels, int] = {}

    def add(self, labels: Labels, number: int = 1) -> None:
        """Count something."""
        self._counts[labels] = self._counts.get(labels, 0) + number

    def collect(self) -> CounterMetricFamily:
        """The counts until now."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, number in tuple(self._counts.items()):
            family.add_metric(labels, number)
        return family


class Durations:
    """How long things took, by labels: for each a bucket up to every bound, one for all above, and the sum."""

    def __init__(self, name: str, text: str, labels: Sequence[str], bounds: tuple[float, ...]) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._bounds = bounds
        self._buckets: dict[Labels, list[float]] = {}

    def add(self, labels: Labels, seconds: float) -> None:
        """Count something that took so long."""
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = [0.0] * (len(self._bounds) + 2)
        buckets[bisect_left(self._bounds, seconds)] += 1
        buckets[-1] += seconds

    def number(self) -> int:
        """How many there were, of all labels."""
        return int(sum(sum(counted[:-1]) for counted in tuple(self._buckets.values())))

    def collect(self) -> HistogramMetricFamily:
        """The durations until now."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        names = [*(str(bound) for bound in self._bounds), "+Inf"]
        for labels, counted in tuple(self._buckets.items()):
            *counts, total = counted.copy()
            below, buckets = 0.0, []
            for name, count in zip(names, counts, strict=True):
                below += count
                buckets.append((name, below))
            family.add_metric(labels, buckets, sum_value=total)
        return family
