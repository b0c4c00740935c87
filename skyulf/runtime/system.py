"""A running system in this process, or the part of one that a role needs."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol, TypeVar

from skyulf.adapters.job_queue import RowsJobQueue
from skyulf.adapters.system import new_chance, new_id, new_secret, new_seed, now
from skyulf.adapters.unfinished_jobs import RowsUnfinishedJobs
from skyulf.artifacts import DataStore
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.errors import Misconfigured, Unavailable
from skyulf.events.delivery_store import DeliveryStore
from skyulf.events.ledger_store import LedgerStore
from skyulf.events.log import EventLog
from skyulf.ingest.service import IngestService
from skyulf.metrics import Metrics
from skyulf.projections import ALL
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore
from skyulf.queries.access import Keyring
from skyulf.queries.audit import AuditService
from skyulf.queries.freshness import Freshness
from skyulf.queries.job import JobRepository
from skyulf.queries.projection import ProjectionRepository
from skyulf.queries.queue import QueueLimit
from skyulf.queries.report.facts import FactsOfModels
from skyulf.queries.report.service import ReportService
from skyulf.reactions.collecting import Collector
from skyulf.reactions.drift_watch import DriftWatch
from skyulf.reactions.erasure import Eraser
from skyulf.reactions.exporting import ExportService
from skyulf.reactions.finishing import Finisher
from skyulf.reactions.leases import Leases
from skyulf.reactions.prediction_log import PredictionLogger
from skyulf.reactions.profiling import ProfileService
from skyulf.reactions.relay import Relay
from skyulf.reactions.sandbox import SandboxServer
from skyulf.reactions.sealing import Sealer
from skyulf.reactions.training import Worker
from skyulf.reactions.webhooks.addresses import AddressRules
from skyulf.reactions.webhooks.deliverer import Deliverer
from skyulf.runtime.cluster import cluster_of
from skyulf.runtime.delivering import make_address_rules, make_deliverer, make_deliveries
from skyulf.runtime.making import (
    directory_of,
    in_postgres,
    make_artifacts,
    make_feed,
    make_leases,
    make_log,
    make_progress_listener,
    make_progress_teller,
    make_read_store,
    make_relay,
    make_uris,
)
from skyulf.runtime.measured import measure
from skyulf.runtime.queries import Queries, make_queries
from skyulf.runtime.roles import LOOK_AGAIN, ROLES, Role
from skyulf.runtime.sealing import make_ledger, make_sealer
from skyulf.serving import PredictionService
from skyulf.serving.logged import Part, write_part
from skyulf.serving.sampling import Sampler
from skyulf.settings import Settings

if TYPE_CHECKING:
    from skyulf.adapters.postgres_progress import ProgressListener


class Closable(Protocol):
    """What has an end of its own."""

    def close(self) -> None:
        """End."""
        ...


C = TypeVar("C", bound=Closable)

YOUNG_COLLECTION = 10_000
"""A garbage collection comes after so many objects; by default it is 700, of which a page of a rebuild makes 20,000."""

FULL_COLLECTION = 100
"""A full garbage collection comes after so many of the middle generation; by default it is 10."""


class Runtime:
    """A system in this process, or the part of one that a role needs; `start` begins it, `close` ends it in order.

    What a role uses is made when it is first asked for, and all that its role holds at once: what is wrong with the
    settings shows before anything has begun. What was made last is closed first.
    """

    def __init__(self, settings: Settings, role: Role = ROLES["all"]) -> None:
        for check in role.needs:
            check(role.name, settings)
        self.settings = settings
        self.role = role
        self.now = now
        self.new_id = new_id
        self.new_secret = new_secret
        self.new_seed = new_seed
        self.metrics = Metrics(version("skyulf"), role.name)
        self.made_at = time.monotonic()
        self._stops: list[Callable[[], None]] = []
        self._closes = ExitStack()
        self.directory = directory_of(settings)
        try:
            if role.files:
                self.directory.own()
                self._closes.callback(self.directory.release)
            self.head_at_start = self.log.head()
            role.holds(self)
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Begin what the role is made of, in threads and processes of its own."""
        for part in self.role.starts(self):
            if part is not None:
                part.start()
        measure(self, self._closing)
        spare_collections()

    def close(self) -> None:
        """Hand back what runs, settle what was sent, and let go of everything."""
        while self._stops:
            self._stops.pop()()
        self._closes.close()

    def claim_no_more(self) -> tuple[str, ...]:
        """Leave jobs that wait to others; ids of those that run here."""
        if "worker" not in vars(self):  # asking for it would make one
            return ()
        self.worker.claim_no_more()
        return self.worker.at_work_on()

    def drain(self, seconds: float, hurried: Callable[[], bool]) -> None:
        """Before `close`: let jobs that run here end, for so long at most, or until ``hurried``."""
        self.worker.drain(seconds, hurried)

    def ready(self) -> dict[str, str]:
        """What there is to say of a role that can do its work now; raises `Unavailable` saying what it waits for."""
        told = {"status": "ready", "role": self.role.name}
        try:
            for check in self.role.checks:
                told |= check(self)
        except Misconfigured as error:  # a right that was taken away, for one: whoever gives it back need not restart
            raise Unavailable(error.detail, LOOK_AGAIN) from error
        return told

    # What every role stands on

    @cached_property
    def log(self) -> EventLog:
        """The event log."""
        return self._closing(make_log(self.settings, self.directory))

    @cached_property
    def keyring(self) -> Keyring:
        """Who may call."""
        return self._closing(Keyring(self.log, now))

    # The read side

    @cached_property
    def store(self) -> ReadStore:
        """The read models."""
        return self._closing(make_read_store(self.settings, self.directory))

    @cached_property
    def projections(self) -> ProjectionRepository:
        """How far the read models are."""
        return ProjectionRepository(self.log, self.store)

    @cached_property
    def queue_limit(self) -> QueueLimit:
        """How many jobs may wait."""
        return QueueLimit(self.store, self.settings.queue_length)

    @cached_property
    def freshness(self) -> Freshness:
        """Waiting for a position."""
        return Freshness(self.log, self.store, self.settings.position_seconds)

    @cached_property
    def projector(self) -> Projector:
        """What keeps the read models up with the log, here or, where it is not started, in another process."""
        projector = Projector(self.log, self.store, ALL, self.settings.rebuilds_at_once)
        projector.on_advance(self.freshness.moved)
        if (teller := make_progress_teller(self.settings)) is not None:
            projector.on_advance(self._closing(teller).moved)
        return self._closing(projector)

    @cached_property
    def progress(self) -> "ProgressListener | None":
        """What hears how far the projectors of other processes are."""
        listener = make_progress_listener(self.settings, self.freshness.moved)
        return listener and self._closing(listener)

    @cached_property
    def artifacts(self) -> DataStore:
        """Tables, models and evaluations."""
        return self._closing(make_artifacts(self.settings, self.directory))

    @cached_property
    def ledger(self) -> LedgerStore:
        """The tree over the log, and its checkpoints."""
        return self._closing(make_ledger(self.settings, self.directory))

    @cached_property
    def audit(self) -> AuditService:
        """Proofs of what the log holds."""
        return AuditService(self.log, self.ledger)

    @cached_property
    def queries(self) -> Queries:
        """All that can be asked."""
        return make_queries(self.log, self.store, self.artifacts, self.deliveries, self.projections, self.freshness)

    @cached_property
    def reports(self) -> ReportService:
        """What is known of a model, for an auditor."""
        facts = FactsOfModels(self.log, self.artifacts, self.queries.history)
        return ReportService(facts, self.audit, version("skyulf"))

    # The write side, and what crashes or blocks

    @cached_property
    def bus(self) -> CommandBus:
        """What takes commands."""
        return self._closing(CommandBus(self.log, COMMANDS, now, new_id, self.metrics.settled))

    @cached_property
    def sandbox(self) -> SandboxServer:
        """Where child processes come from."""
        sandbox = self._closing(SandboxServer())
        # Before the worker is waited for: a slot may be waiting for the sandbox to be warm.
        self._stops.append(sandbox.close)
        return sandbox

    @cached_property
    def ingest(self) -> IngestService:
        """Files become tables."""
        return self._closing(
            IngestService(self.sandbox, self.artifacts, make_uris(self.settings), self.directory.scratch)
        )

    @cached_property
    def profiles(self) -> ProfileService:
        """What tables look like, and how they differ."""
        return self._closing(
            ProfileService(
                name=f"profiler-{new_id()}",
                log=self.log,
                bus=self.bus,
                sandbox=self.sandbox,
                artifacts=self.artifacts,
                scratch=self.directory.scratch,
            )
        )

    @cached_property
    def exports(self) -> ExportService:
        """Trained pipelines as code."""
        return self._closing(ExportService(self.sandbox))

    @cached_property
    def predictions(self) -> PredictionService:
        """What models that are deployed say; ends with the event loop that it belongs to."""
        return PredictionService(self.log, self.artifacts, self.sandbox, self.settings.predict_seconds, self.sampler)

    @cached_property
    def sampler(self) -> Sampler:
        """What draws predictions that are to be logged."""
        return Sampler(new_chance().random, now)

    @cached_property
    def drift_watch(self) -> DriftWatch:
        """What compares what is served with what was trained on."""
        return DriftWatch(name=f"drift-{new_id()}", log=self.log, bus=self.bus, profiles=self.profiles)

    @cached_property
    def prediction_log(self) -> PredictionLogger:
        """What puts away the predictions that were drawn."""
        sandbox, bus = self.sandbox, self.bus
        logger = PredictionLogger(
            name=f"predictions-{new_id()}",
            samples=self.sampler,
            part=Part,
            write=write_part,
            seconds=self.settings.prediction_log_seconds,
            log=self.log,
            bus=bus,
            sandbox=sandbox,
            artifacts=self.artifacts,
            scratch=self.directory.scratch,
            added=self.drift_watch.look,
        )
        self._stops.append(logger.stop)
        return logger

    # What follows from events

    @cached_property
    def leases(self) -> Leases:
        """Who is at work on what, here and in other processes."""
        return self._closing(make_leases(self.settings))

    @cached_property
    def worker(self) -> Worker:
        """What trains."""
        sandbox, leases, jobs = self.sandbox, self.leases, JobRepository(self.store)
        worker = self._closing(
            Worker(
                name=f"worker-{new_id()}",
                log=self.log,
                bus=self.bus,
                feed=make_feed(self.settings, self.log, self.store),
                queue=RowsJobQueue(jobs, shared=in_postgres(self.settings)),
                leases=leases,
                sandbox=sandbox,
                artifacts=self.artifacts,
                scratch=self.directory.scratch,
                slots=self.settings.worker_slots,
                threads=self.settings.training_threads,
                cluster=cluster_of(self.settings),
            )
        )
        self._stops.append(worker.stop)
        return worker

    @cached_property
    def finisher(self) -> Finisher:
        """What makes copies of models for serving, and weighs their columns."""
        sandbox, leases, worker, jobs = self.sandbox, self.leases, self.worker, JobRepository(self.store)
        finisher = self._closing(
            Finisher(
                name=f"finisher-{new_id()}",
                log=self.log,
                bus=self.bus,
                jobs=RowsUnfinishedJobs(jobs),
                leases=leases,
                training=lambda: bool(worker.at_work_on()),
                sandbox=sandbox,
                artifacts=self.artifacts,
                scratch=self.directory.scratch,
            )
        )
        self._stops.append(finisher.stop)
        return finisher

    @cached_property
    def collector(self) -> Collector:
        """What removes files that no event names."""
        return Collector(self.log, self.artifacts, now)

    @cached_property
    def eraser(self) -> Eraser:
        """What makes an end of data that was erased."""
        bus, artifacts, leases, predictions = self.bus, self.artifacts, self.leases, self.predictions
        return self._closing(
            Eraser(
                name=f"eraser-{new_id()}",
                log=self.log,
                bus=bus,
                leases=leases,
                artifacts=artifacts,
                let_go=predictions.let_go,
            )
        )

    @cached_property
    def relay(self) -> Relay | None:
        """What publishes the log to Kafka, where there is one."""
        relay = make_relay(self.settings, self.log)
        return relay and self._closing(relay)

    @cached_property
    def deliveries(self) -> DeliveryStore:
        """How far webhooks have got, and what their deliveries are signed with."""
        return self._closing(make_deliveries(self.settings, self.directory))

    @cached_property
    def address_rules(self) -> AddressRules:
        """Where webhooks may go."""
        return make_address_rules(self.settings)

    @cached_property
    def deliverer(self) -> Deliverer:
        """What delivers events to webhooks."""
        return self._closing(make_deliverer(self.settings, self.log, self.deliveries, self.address_rules))

    @cached_property
    def sealer(self) -> Sealer | None:
        """What seals the log, where this process has the key; closed after all that appends, to seal that too."""
        sealer = make_sealer(self.settings, self.directory, self.log, self.ledger, self.role.files)
        return sealer and self._closing(sealer)

    def _closing(self, part: C) -> C:
        """The part, to be closed before all that was made before it."""
        self._closes.callback(part.close)
        return part


def spare_collections() -> None:
    """Keep the garbage collector from holding the interpreter, and with it every request, for 200 ms at a time.

    What is there by now stays to the end, and most of it is modules: collections need not go through it. The full
    ones are made rare besides, since the rows of a rebuild would call for many; cycles hardly ever live so long.
    """
    gc.freeze()
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(YOUNG_COLLECTION, middle, FULL_COLLECTION)


@contextmanager
def running(settings: Settings) -> Iterator[Runtime]:
    """A started system that is closed at the end of the block."""
    runtime = Runtime(settings)
    try:
        runtime.start()
        yield runtime
    finally:
        runtime.close()
