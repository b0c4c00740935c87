"""The composition root: settings → a running system. The only module that knows the adapters."""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.data_dir import DataDirectory, Owner
from skyulf.adapters.job_queue import RowsJobQueue
from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.local_artifacts import LocalArtifacts
from skyulf.adapters.log_feed import LogFeed
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id, new_secret, now
from skyulf.adapters.unfinished_jobs import RowsUnfinishedJobs
from skyulf.adapters.uri_sources import FileSource
from skyulf.artifacts import ArtifactStore
from skyulf.commands import COMMANDS
from skyulf.commands.bus import CommandBus
from skyulf.errors import Damaged, Invalid, Misconfigured, NotFound
from skyulf.events.log import EventLog
from skyulf.events.registry import EVOLVE
from skyulf.ingest.service import IngestService
from skyulf.ingest.uris import UriFiles, UriSource, place_of
from skyulf.projections import PROJECTIONS
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore
from skyulf.queries.access import KeyRepository, Keyring
from skyulf.queries.dataset import DatasetRepository, DatasetVersionRepository
from skyulf.queries.deployment import DeploymentRepository
from skyulf.queries.freshness import Freshness
from skyulf.queries.job import EvaluationService, JobRepository
from skyulf.queries.model import ModelRepository, ModelVersionRepository
from skyulf.queries.pipeline import PipelineRepository
from skyulf.queries.projection import ProjectionRepository
from skyulf.reactions.feed import WAKING, EventFeed
from skyulf.reactions.finishing import Finisher
from skyulf.reactions.relay import Relay
from skyulf.reactions.sandbox import SandboxServer
from skyulf.reactions.training import Worker
from skyulf.serving import PredictionService
from skyulf.settings import Settings

if TYPE_CHECKING:
    from skyulf.adapters.kafka_client import Kafka

logger = logging.getLogger(__name__)

DATABASES = "postgresql://, memory://, or nothing for SQLite files in the data directory"

YOUNG_COLLECTION = 10_000
"""A garbage collection comes after so many objects; by default it is 700, of which a page of a rebuild makes 20,000."""

FULL_COLLECTION = 100
"""A full garbage collection comes after so many of the middle generation; by default it is 10."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Everything that can be asked of the read side."""

    datasets: DatasetRepository
    dataset_versions: DatasetVersionRepository
    pipelines: PipelineRepository
    jobs: JobRepository
    evaluations: EvaluationService
    models: ModelRepository
    model_versions: ModelVersionRepository
    deployments: DeploymentRepository
    keys: KeyRepository
    projections: ProjectionRepository
    freshness: Freshness


class Runtime:
    """A whole system in this process; `start` begins its roles, `close` ends them in order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = DataDirectory(settings.data_dir)
        self.directory.own()
        self.log = make_log(settings, self.directory)
        self.store = make_read_store(settings, self.directory)
        self.head_at_start = self.log.head()
        self.artifacts = make_artifacts(settings, self.directory)
        self.keyring = Keyring(self.log, now)
        self.now = now
        self.new_secret = new_secret
        self.sandbox = SandboxServer()
        self.bus = CommandBus(self.log, COMMANDS, now, new_id)
        self.projector = Projector(self.log, self.store, PROJECTIONS)
        self.queries = make_queries(self.log, self.store, self.artifacts, settings)
        self.projector.on_advance(self.queries.freshness.moved)
        self.ingest = IngestService(self.sandbox, self.artifacts, make_uris(settings), self.directory.scratch)
        self.predictions = PredictionService(self.log, self.artifacts, self.sandbox, settings.predict_seconds)
        self.worker = Worker(
            name=f"worker-{new_id()}",
            log=self.log,
            bus=self.bus,
            feed=make_feed(settings, self.log),
            queue=RowsJobQueue(self.queries.jobs),
            leases=MemoryLeases(),
            sandbox=self.sandbox,
            artifacts=self.artifacts,
            scratch=self.directory.scratch,
            slots=settings.worker_slots,
            threads=settings.training_threads,
        )
        self.finisher = Finisher(
            name=f"finisher-{new_id()}",
            log=self.log,
            bus=self.bus,
            jobs=RowsUnfinishedJobs(self.queries.jobs),
            sandbox=self.sandbox,
            artifacts=self.artifacts,
            scratch=self.directory.scratch,
        )
        self.relay = make_relay(settings, self.log)

    def start(self) -> None:
        """Begin to project, to train, to publish and to warm the sandbox."""
        self.keyring.start()
        self.sandbox.start()
        self.projector.start()
        self.worker.start()
        self.finisher.start()
        if self.relay is not None:
            self.relay.start()
        spare_collections()

    def close(self) -> None:
        """Hand back what runs, settle what was sent, and let go of everything."""
        self.worker.stop()
        self.finisher.stop()
        self.sandbox.close()  # before the worker is waited for: a slot may be waiting for the sandbox to be warm
        self.worker.close()
        self.finisher.close()
        self.keyring.close()
        self.ingest.close()
        self.projector.close()
        self.bus.close()
        if self.relay is not None:
            self.relay.close()
        self.store.close()
        self.log.close()
        self.directory.release()


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


def owner_of(data_dir: Path) -> Owner | None:
    """The process that owns an embedded data directory now, or None."""
    return DataDirectory(data_dir).owner()


@contextmanager
def reading(settings: Settings) -> Iterator[tuple[EventLog, Callable[[], ArtifactStore]]]:
    """The log, read beside the processes that append to it, and what opens its artifacts if need be.

    Raises `NotFound` when the log is to be in the data directory, and there is none.
    """
    directory = DataDirectory(settings.data_dir)
    if in_postgres(settings):
        log = make_log(settings, directory)
    elif directory.events.exists():
        log = SqliteEventLog(directory.events, new_id, read_only=True)
    else:
        raise NotFound(f"{settings.data_dir} holds no events; name a directory with --data-dir")
    try:
        yield log, partial(make_artifacts, settings, directory, writing=False)
    finally:
        log.close()


@contextmanager
def restoring(settings: Settings) -> Iterator[tuple[EventLog, ArtifactStore]]:
    """The log and the artifacts of a data directory that is to be filled, owned meanwhile."""
    directory = DataDirectory(settings.data_dir)
    directory.own()
    try:
        log = make_log(settings, directory)
        if log.head() == 0:
            directory.forget_rows()
        try:
            yield log, make_artifacts(settings, directory)
        finally:
            log.close()
    finally:
        directory.release()


def make_log(settings: Settings, directory: DataDirectory) -> EventLog:
    """The event log that ``SKYULF_DATABASE_URL`` names; a SQLite file by default."""
    match urlsplit(settings.database_url).scheme:
        case "":
            return SqliteEventLog(directory.events, new_id)
        case "memory":
            return MemoryEventLog(new_id)
        case "postgresql" | "postgres":
            from skyulf.adapters.postgres_log import PostgresEventLog  # its driver is not loaded where it is not used

            return PostgresEventLog(settings.database_url, new_id)
        case scheme:
            raise unknown("SKYULF_DATABASE_URL", scheme, DATABASES)


def in_postgres(settings: Settings) -> bool:
    """Whether events and read models are in Postgres, where other processes use them too."""
    return urlsplit(settings.database_url).scheme in ("postgresql", "postgres")


def migrate(settings: Settings, role: str | None) -> tuple[int, int] | None:
    """Bring the database's tables to what this code needs; from which version to which, None where there are none.

    ``role`` is the user that the application will work as, when it is another than this one.
    """
    if not in_postgres(settings):
        if (scheme := urlsplit(settings.database_url).scheme) not in ("", "memory"):
            raise unknown("SKYULF_DATABASE_URL", scheme, DATABASES)
        return None
    from skyulf.adapters.postgres_schema import migrate_database

    return migrate_database(settings.database_url, role)


def make_read_store(settings: Settings, directory: DataDirectory) -> ReadStore:
    """The read models beside the log; files that cannot be opened are made anew, as they follow from the log."""
    if urlsplit(settings.database_url).scheme == "memory":
        return MemoryReadStore()
    if in_postgres(settings):
        try:
            return SqlReadStore(settings.database_url)
        except Damaged as error:
            raise Misconfigured(f"SKYULF_DATABASE_URL: {error.detail}") from error
    url = f"sqlite:///{directory.rows.absolute()}"
    try:
        return SqlReadStore(url)
    except Damaged as error:
        logger.warning("%s; they are made anew from the log", error.detail)
        directory.forget_rows()
        return SqlReadStore(url)


def make_artifacts(settings: Settings, directory: DataDirectory, writing: bool = True) -> ArtifactStore:
    """The artifact store that ``SKYULF_ARTIFACTS_URL`` names; a folder by default.

    Raises `Misconfigured` for one that cannot be used, or not written when ``writing`` is wanted.
    """
    url = urlsplit(settings.artifacts_url)
    match url.scheme:
        case "":
            return LocalArtifacts(directory.artifacts)
        case "file":
            return LocalArtifacts(Path(url.path))
        case "memory":
            return MemoryArtifacts()
        case "s3":
            from skyulf.adapters.s3_artifacts import open_s3  # boto3 takes memory, which only who uses it should pay

            return CachedArtifacts(
                open_s3(settings.artifacts_url, writing), directory.cache, settings.artifact_cache_bytes
            )
        case scheme:
            known = "s3://bucket/prefix, file://, memory://, or nothing for the data directory"
            raise unknown("SKYULF_ARTIFACTS_URL", scheme, known)


def make_uris(settings: Settings) -> UriFiles:
    """What ``SKYULF_URI_ROOTS`` allows to be read; by default the bucket that artifacts are kept in, if any."""
    given = settings.uri_roots
    if given is None:
        artifacts = urlsplit(settings.artifacts_url)
        given = f"s3://{artifacts.netloc}/" if artifacts.scheme == "s3" else ""
    sources: dict[str, UriSource] = {"file": FileSource()}
    try:
        roots = [place_of(root) for root in given.split()]
    except Invalid as error:
        raise Misconfigured(f"SKYULF_URI_ROOTS: folders by their URIs, parted by blanks: {error.faults[0]}") from error
    if any(root.scheme == "s3" for root in roots):
        from skyulf.adapters.s3_uris import S3Source

        sources["s3"] = S3Source()
    return UriFiles(roots, sources, settings.upload_bytes)


def make_feed(settings: Settings, log: EventLog) -> EventFeed:
    """What wakes the worker: Kafka where ``SKYULF_KAFKA_BOOTSTRAP`` is set, else the log itself."""
    if not settings.kafka_bootstrap:
        return LogFeed(log, WAKING)
    from skyulf.adapters.kafka_feed import KafkaFeed  # imported where it is used: a laptop has no need of the library

    return KafkaFeed(kafka_of(settings), "job", WAKING)


def make_relay(settings: Settings, log: EventLog) -> Relay | None:
    """What publishes the log to Kafka, where ``SKYULF_KAFKA_BOOTSTRAP`` is set."""
    if not settings.kafka_bootstrap:
        return None
    from skyulf.adapters.kafka_sink import KafkaSink

    return Relay(log, KafkaSink(kafka_of(settings), f"relay-{new_id()}", EVOLVE), now)


def kafka_of(settings: Settings) -> "Kafka":
    """The Kafka cluster that the settings describe."""
    from skyulf.adapters.kafka_client import Kafka

    security = {
        "security_protocol": settings.kafka_security_protocol,
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        "ssl_cafile": settings.kafka_ssl_cafile and str(settings.kafka_ssl_cafile),
        "ssl_certfile": settings.kafka_ssl_certfile and str(settings.kafka_ssl_certfile),
        "ssl_keyfile": settings.kafka_ssl_keyfile and str(settings.kafka_ssl_keyfile),
        "ssl_password": settings.kafka_ssl_key_password.get_secret_value(),
    }
    return Kafka(
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.kafka_prefix,
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
        retention_hours=settings.kafka_retention_hours,
        message_bytes=settings.kafka_message_bytes,
        security={name: value for name, value in security.items() if value},
    )


def unknown(setting: str, scheme: str, known: str) -> Misconfigured:
    """The error for a URL whose scheme has no adapter."""
    return Misconfigured(f"{setting}: {scheme}:// is not supported by this version; use {known}")


def make_queries(log: EventLog, store: ReadStore, artifacts: ArtifactStore, settings: Settings) -> Queries:
    """The read side over a store."""
    jobs = JobRepository(store)
    return Queries(
        datasets=DatasetRepository(store),
        dataset_versions=DatasetVersionRepository(store),
        pipelines=PipelineRepository(store),
        jobs=jobs,
        evaluations=EvaluationService(jobs, artifacts),
        models=ModelRepository(store),
        model_versions=ModelVersionRepository(store),
        deployments=DeploymentRepository(store),
        keys=KeyRepository(store),
        projections=ProjectionRepository(log, store),
        freshness=Freshness(log, store, settings.position_seconds),
    )
