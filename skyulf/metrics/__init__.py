"""What a process tells Prometheus of itself: counted as it happens, or measured when it is asked.

Each running system has a `Metrics` of its own; there is no global registry. What happens often is counted in plain
numbers (`counted`), which costs a fraction of a microsecond; what stands in the database is read when somebody asks,
for a bounded time and not too often (`measured`); which gauges there are stands in `gauges`.
"""

import platform
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import InfoMetricFamily
from prometheus_client.registry import Collector

from skyulf.commands.settled import Settled
from skyulf.events.base import Recorded
from skyulf.events.registry import decode
from skyulf.events.reproduction import ModelReproduced
from skyulf.events.scoring import DatasetScored
from skyulf.metrics.counted import COMMAND_SECONDS, PREDICTION_SECONDS, REQUEST_SECONDS, Counts, Durations
from skyulf.metrics.measured import Measured, Measures

PREDICTION = "POST /v1/deployments/{name}/predict"
"""The operation whose answers are counted as predictions; only those that fail are counted as requests as well."""

SCRAPES = 2
"""So many may ask at once; others wait for them."""

CLAIMS_KEPT = 10_000
"""At most so many claims of jobs are remembered until somebody asks how long the jobs had waited."""


class Metrics(Collector):
    """Everything that this process counts and measures; ``version`` is that of Skyulf, ``role`` what it does."""

    def __init__(self, version: str, role: str) -> None:
        self.requests = Counts("skyulf_http_requests", "Requests answered.", ("operation", "status"))
        self.request_seconds = Durations(
            "skyulf_http_request_seconds", "Time until an answer begins.", ("operation",), REQUEST_SECONDS
        )
        self.predictions = Durations(
            "skyulf_prediction_seconds", "Time that a prediction took.", ("deployment",), PREDICTION_SECONDS
        )
        self.commands = Counts("skyulf_commands", "Commands settled.", ("command", "outcome"))
        self.command_seconds = Durations(
            "skyulf_command_seconds", "Time from handing a command in to its answer.", ("command",), COMMAND_SECONDS
        )
        self.events = Counts("skyulf_events_appended", "Events that this process has appended.", ("type",))
        self.scored_rows = Counts("skyulf_scored_rows", "Rows predicted by jobs that scored datasets.", ())
        self.reproductions = Counts("skyulf_reproductions", "Models trained again, by verdict.", ("verdict",))
        self.claims: deque[Recorded] = deque(maxlen=CLAIMS_KEPT)
        self.measured = Measured()
        self.threads = ThreadPoolExecutor(SCRAPES, thread_name_prefix="metrics")
        """Where `page` is made for who must not wait for it."""
        self._info = InfoMetricFamily("skyulf_build", "What runs.")
        self._info.add_metric((), {"version": version, "python": platform.python_version(), "role": role})
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def settled(self, settled: Settled) -> None:
        """Count a command, and what it has written."""
        self.commands.add((settled.name, settled.outcome))
        self.command_seconds.add((settled.name,), settled.seconds)
        for event in settled.written:
            self.events.add((event.type,))
            if event.type == "JobStarted":
                self.claims.append(event)
            elif event.type == "DatasetScored":
                scored = decode(event)
                assert isinstance(scored, DatasetScored)
                self.scored_rows.add((), scored.rows)
            elif event.type == "ModelReproduced":
                reproduced = decode(event)
                assert isinstance(reproduced, ModelReproduced)
                self.reproductions.add((reproduced.verdict,))

    def measure(self, what: str | None, read: Measures) -> None:
        """Have ``read`` give gauges whenever somebody asks; see `Measured.add`."""
        self.measured.add(what, read)

    def collect(self) -> Iterable[Metric]:
        """Everything, as the library wants it."""
        yield self._info
        requests = self.requests.collect()
        if predicted := self.predictions.number():
            requests.add_metric((PREDICTION, "200"), predicted)
        yield requests
        counted = (self.request_seconds, self.predictions, self.commands, self.command_seconds, self.events)
        for each in (*counted, self.scored_rows, self.reproductions):
            yield each.collect()
        yield from self.measured.collect()

    def page(self, accept: str) -> tuple[bytes, str]:
        """Everything in the format that an ``Accept`` header prefers, and its content type; may take two seconds."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
