"""What is measured of a running system: the gauges of each part that its role starts."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.encrypted_artifacts import EncryptedArtifacts
from skyulf.events.log import EventLog
from skyulf.metrics import gauges
from skyulf.metrics.measured import Measures
from skyulf.projections.projector import Projector
from skyulf.queries.audit import AuditService
from skyulf.reactions.relay import Relay
from skyulf.reactions.sealing import Sealer
from skyulf.reactions.training import Worker
from skyulf.reactions.webhooks.deliverer import Deliverer
from skyulf.runtime.making import in_postgres

if TYPE_CHECKING:
    from skyulf.runtime.system import Closable, Runtime

DATABASE, CACHE = "database", "cache"
"""What may be away, and then is told to be."""


def measure(it: "Runtime", closing: "Callable[[Closable], object]") -> None:
    """Have everything read that can be said of the parts that are started here; ``closing`` closes what is made."""
    started = [part for part in it.role.starts(it) if part is not None]
    working: dict[str, Callable[[], bool]] = {}
    if it.role.answers or any(isinstance(part, Projector) for part in started):
        measure_database(it, closing)
    for part in started:
        if isinstance(part, Projector):
            working["projector"] = working_of(part)
        elif isinstance(part, Relay):
            working["relay"] = working_of(part)
            it.metrics.measure(DATABASE, relay_of(part))
        elif isinstance(part, Sealer):
            working["sealer"] = working_of(part)
            it.metrics.measure(DATABASE, sealer_of(part, it.audit, it.now))
        elif isinstance(part, Deliverer):
            working["webhooks"] = working_of(part)
            it.metrics.measure(DATABASE, deliverer_of(part, it.log, it.now))
        elif isinstance(part, Worker):
            it.metrics.measure(DATABASE, gauges.QueueTimes(it.log, it.metrics.claims).measure)
            it.metrics.measure(None, slots_of(part, it.settings.worker_slots))
    if working:
        it.metrics.measure(None, lambda: gauges.of_working(working))
    artifacts = it.__dict__.get("artifacts")  # only where this process has use of them
    cache = artifacts.store if isinstance(artifacts, EncryptedArtifacts) else None
    if isinstance(cache, CachedArtifacts):
        limit = it.settings.artifact_cache_bytes
        it.metrics.measure(CACHE, lambda: gauges.of_cache(cache.size, limit, cache.requests))


def measure_database(it: "Runtime", closing: "Callable[[Closable], object]") -> None:
    """What any process can say that looks at rows: it says the same as the others."""
    log, store, now = it.log, it.store, it.now
    it.metrics.measure(DATABASE, lambda: gauges.of_rows(log, store, now))
    it.metrics.measure(DATABASE, lambda: gauges.of_jobs(log, store, now))
    if in_postgres(it.settings):
        from skyulf.adapters.postgres_activity import PostgresActivity  # its driver is loaded only where it is used

        activity = PostgresActivity(it.settings.database_url)
        closing(activity)
        it.metrics.measure(DATABASE, lambda: gauges.of_transactions(activity.oldest_transaction))


def working_of(part: Projector | Relay | Sealer | Deliverer) -> Callable[[], bool]:
    """What tells whether a part is the one that works."""
    return lambda: part.working


def relay_of(relay: Relay) -> Measures:
    """What a relay says of itself."""
    return lambda: gauges.of_relay(relay.status)


def sealer_of(sealer: Sealer, audit: AuditService, now: Callable[[], datetime]) -> Measures:
    """What a sealer says of itself."""
    return lambda: gauges.of_sealer(sealer.status, lambda: audit.unsealed(now()))


def deliverer_of(deliverer: Deliverer, log: EventLog, now: Callable[[], datetime]) -> Measures:
    """What a deliverer says of its webhooks."""
    return lambda: gauges.of_webhooks(deliverer.status, deliverer.attempts, log.head, now)


def slots_of(worker: Worker, slots: int) -> Measures:
    """What a worker says of itself."""
    return lambda: gauges.of_slots(slots, lambda: len(worker.at_work_on()))
