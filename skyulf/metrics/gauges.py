"""Which gauges there are: a function for each part of a system, by whose state they are read."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from skyulf.events.base import Recorded
from skyulf.events.job import JobStatus
from skyulf.events.log import EventLog
from skyulf.metrics.counted import WAITING_SECONDS, Durations
from skyulf.projections.job import JOBS
from skyulf.projections.store import NotBuilt, Parked, ReadStore
from skyulf.queries.audit import Unsealed
from skyulf.queries.job import JobRepository
from skyulf.queries.projection import ProjectionRepository, ProjectionStatus
from skyulf.queries.reaction import ReactionRepository
from skyulf.reactions.relay import RelayStatus
from skyulf.reactions.sealing import SealerStatus
from skyulf.reactions.webhooks.deliverer import DelivererStatus

STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)

OLDEST = 100
"""Of so many waiting jobs, the first created, it is looked up how long they wait."""


def gauge(name: str, text: str, values: Mapping[str, float], label: str) -> GaugeMetricFamily:
    """A gauge with a value for each value of one label."""
    family = GaugeMetricFamily(f"skyulf_{name}", text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def single(name: str, text: str, number: float) -> GaugeMetricFamily:
    """A gauge with one value."""
    return GaugeMetricFamily(f"skyulf_{name}", text, value=number)


def age(recorded: Recorded, now: datetime) -> float:
    """Seconds since an event was recorded; 0 where clocks disagree."""
    return max(0.0, (now - recorded.metadata.recorded_at).total_seconds())


def of_rows(log: EventLog, store: ReadStore, now: Callable[[], datetime]) -> Iterator[Metric]:
    """How far the rows are behind the log, and what is parked."""
    statuses = ProjectionRepository(log, store).all()
    seconds = _behind(log, statuses, now())
    yield single("log_head_position", "Position of the log's last event.", log.head())
    yield gauge(
        "projection_lag_events",
        "Positions of the log that a projection has not got to.",
        {status.name: status.lag for status in statuses},
        "projection",
    )
    yield gauge(
        "projection_lag_seconds",
        "Age of the oldest event that a projection has not got to; 0 when there is none.",
        {status.name: seconds[status.position] for status in statuses},
        "projection",
    )
    yield gauge(
        "projection_live",
        "Whether a projection has rows that can be read (1), or is being built for the first time (0).",
        {status.name: float(status.status == "live") for status in statuses},
        "projection",
    )
    yield gauge(
        "parked_keys",
        "Keys of a projection behind which events wait, since one could not be folded.",
        {status.name: len({parked.key for parked in status.parked}) for status in statuses},
        "projection",
    )
    yield gauge(
        "parked_events",
        "Events of a projection that wait: those that could not be folded, and those behind them.",
        {status.name: len(status.parked) for status in statuses},
        "projection",
    )
    yield gauge(
        "purged_events",
        "Events that the rows of a projection are without, since they were purged.",
        {status.name: len(status.purged) for status in statuses},
        "projection",
    )
    yield gauge(
        "projection_rebuilt",
        "How far a projection's rebuild is, from 0 to 1; 1 where none is under way.",
        {status.name: status.rebuild.fraction if status.rebuild else 1.0 for status in statuses},
        "projection",
    )
    yield gauge(
        "parked_oldest_seconds",
        "Age of the oldest event that a projection has parked; 0 when there is none.",
        {status.name: _oldest(log, status.parked, now()) for status in statuses},
        "projection",
    )
    yield gauge(
        "parked_messages",
        "Messages that were to wake a reaction, could not be read, and have not been seen to.",
        {status.name: len(status.parked) for status in ReactionRepository(log, store).all()},
        "reaction",
    )


def _behind(log: EventLog, statuses: Iterable[ProjectionStatus], now: datetime) -> dict[int, float]:
    """For each place that a projection is at, how old the next event is."""
    found: dict[int, float] = {}
    for status in statuses:
        if status.position not in found:
            following = log.read(status.position, 1).events if status.lag else ()
            found[status.position] = age(following[0], now) if following else 0.0
    return found


def _oldest(log: EventLog, parked: tuple[Parked, ...], now: datetime) -> float:
    if not parked:
        return 0.0
    found = log.read(parked[0].position - 1, 1, until=parked[0].position).events
    return age(found[0], now) if found else 0.0


def of_jobs(log: EventLog, store: ReadStore, now: Callable[[], datetime]) -> Iterator[Metric]:
    """Jobs by status, and how long the oldest waits."""
    try:
        shares = store.shares(JOBS, "status")
        waiting = JobRepository(store).find_by_status("created", OLDEST)
    except NotBuilt:
        return
    counted: dict[str, float] = {status: shares.get(status, 0) for status in STATUSES}
    yield gauge("jobs", "Jobs by status.", counted, "status")
    # A job waits since its newest event: what made it, or what let it wait again.
    since = log.load({job.id: job.version - 1 for job in waiting}) if waiting else {}
    ages = [age(events[0], now()) for events in since.values() if events]
    yield single(
        "queue_oldest_seconds",
        "How long the job waits that has waited longest; 0 when none does.",
        max(ages, default=0.0),
    )


class QueueTimes:
    """How long jobs had waited when this process claimed them: ``claims`` are looked up when somebody asks."""

    def __init__(self, log: EventLog, claims: deque[Recorded]) -> None:
        self._log = log
        self._claims = claims
        self._waited = Durations(
            "skyulf_queue_seconds", "How long jobs had waited when this process claimed them.", (), WAITING_SECONDS
        )

    def measure(self) -> Iterator[Metric]:
        """The times waited until now. A job waits from the event before its claim."""
        claims = [self._claims.popleft() for _ in range(len(self._claims))]
        before: dict[str, int] = {}
        for claim in claims:
            before[claim.stream] = min(claim.version - 2, before.get(claim.stream, claim.version))
        try:
            loaded = self._log.load(before) if before else {}
        except BaseException:
            self._claims.extendleft(reversed(claims))
            raise
        found = {(event.stream, event.version): event for events in loaded.values() for event in events}
        for claim in claims:
            waiting = found[claim.stream, claim.version - 1].metadata.recorded_at
            self._waited.add((), max(0.0, (claim.metadata.recorded_at - waiting).total_seconds()))
        yield self._waited.collect()


def of_relay(status: Callable[[], RelayStatus]) -> Iterator[Metric]:
    """How far the relay is behind the log, where it is the one that publishes."""
    state = status()
    if state.lag is not None and state.seconds is not None:
        yield single("relay_lag_events", "Positions of the log that are not published yet.", state.lag)
        yield single(
            "relay_lag_seconds", "Age of the oldest event that is not published; 0 when there is none.", state.seconds
        )
    yield single(
        "relay_failing",
        "Whether something keeps the relay from working (1); its log says what.",
        state.problem is not None,
    )


def of_sealer(status: Callable[[], SealerStatus], unsealed: Callable[[], Unsealed]) -> Iterator[Metric]:
    """What of the log no checkpoint covers yet, and whether the sealer is kept from its work."""
    window = unsealed()
    yield single("unsealed_events", "Events that no signed checkpoint covers yet.", window.events)
    yield single(
        "unsealed_seconds", "Age of the oldest event that no checkpoint covers; 0 when there is none.", window.seconds
    )
    yield single(
        "sealer_failing",
        "Whether something keeps the sealer from its work (1), such as a log that was changed; its log says what.",
        status().problem is not None,
    )


def of_webhooks(
    status: Callable[[], DelivererStatus],
    attempts: Counter[tuple[str, str]],
    head: Callable[[], int],
    now: Callable[[], datetime],
) -> Iterator[Metric]:
    """How far each webhook is behind the log, where this process delivers, and what has become of its attempts."""
    state = status()
    known = {each.webhook: each.progress for each in state.webhooks if each.progress is not None}
    if state.working:
        at = head()
        yield gauge(
            "webhook_lag_events",
            "Positions of the log that a webhook has not got to; streams that wait are counted by themselves.",
            {webhook: max(0, at - progress.position) for webhook, progress in known.items()},
            "webhook",
        )
        ages = {each.webhook: (now() - each.oldest).total_seconds() for each in state.webhooks if each.oldest}
        yield gauge(
            "webhook_lag_seconds",
            "Age of the oldest event in hand that a webhook has not been given; 0 when there is none.",
            {webhook: max(0.0, ages.get(webhook, 0.0)) for webhook in known},
            "webhook",
        )
        yield gauge(
            "webhook_parked_streams",
            "Streams that a webhook keeps failing to take.",
            {webhook: sum(each.parked for each in progress.waiting) for webhook, progress in known.items()},
            "webhook",
        )
        yield gauge(
            "webhook_failing",
            "Whether something keeps a webhook from being delivered anything (1); the log says what.",
            {each.webhook: float(each.problem is not None) for each in state.webhooks},
            "webhook",
        )
    made = CounterMetricFamily(
        "skyulf_webhook_attempts", "Deliveries that this process has tried.", labels=("webhook", "outcome")
    )
    for (webhook, outcome), number in tuple(attempts.items()):
        made.add_metric((webhook, outcome), number)
    yield made


def of_working(working: Mapping[str, Callable[[], bool]]) -> Iterator[Metric]:
    """Of the parts of which one works in all the system, whether it is the one in this process."""
    yield gauge(
        "working",
        "Whether the part in this process is the one that works (1), or stands by (0).",
        {part: float(is_working()) for part, is_working in working.items()},
        "part",
    )


def of_slots(slots: int, running: Callable[[], int]) -> Iterator[Metric]:
    """What the worker in this process does."""
    yield single("worker_slots", "Jobs that this worker can run at once.", slots)
    yield single("worker_running", "Jobs that this worker runs.", running())


def of_transactions(oldest: Callable[[], float]) -> Iterator[Metric]:
    """The age of the oldest transaction that is open in the database, as far as its user may see."""
    yield single(
        "database_oldest_transaction_seconds",
        "Age of the oldest transaction that is open in the database; 0 when there is none.",
        oldest(),
    )


def of_cache(size: Callable[[], int], limit: int, requests: Counter[str]) -> Iterator[Metric]:
    """How full the cache of artifacts is, and how often it had what was asked for."""
    yield single("artifact_cache_bytes", "Bytes in the cache of artifacts.", size())
    yield single("artifact_cache_limit_bytes", "Bytes that the cache of artifacts is held to.", limit)
    asked = CounterMetricFamily("skyulf_artifact_cache_requests", "Artifacts asked for.", labels=("outcome",))
    for outcome in ("hit", "miss"):
        asked.add_metric((outcome,), requests[outcome])
    yield asked
