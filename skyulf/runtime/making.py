"""From settings to adapters: for each port what makes the one that the settings name, or refuses them by name."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from skyulf.adapters.artifact_keys import ArtifactKeys
from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.data_dir import DataDirectory
from skyulf.adapters.encrypted_artifacts import EncryptedArtifacts
from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.local_artifacts import LocalArtifacts
from skyulf.adapters.log_feed import LogFeed
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id, now
from skyulf.adapters.unread import UnreadShelf, parking
from skyulf.adapters.uri_sources import FileSource
from skyulf.artifacts import ArtifactStore, DataStore
from skyulf.errors import Damaged, Invalid, Misconfigured
from skyulf.events.log import EventLog
from skyulf.events.registry import EVOLVE
from skyulf.ingest.uris import UriFiles, UriSource, place_of
from skyulf.projections.store import ReadStore
from skyulf.queries.reaction import TRAINING
from skyulf.reactions.feed import WAKING, EventFeed
from skyulf.reactions.leases import Leases
from skyulf.reactions.relay import Relay
from skyulf.settings import Settings

if TYPE_CHECKING:
    from skyulf.adapters.kafka_client import Kafka
    from skyulf.adapters.postgres_progress import ProgressListener, ProgressTeller

logger = logging.getLogger(__name__)

DATABASES = "postgresql://, memory://, or nothing for SQLite files in the data directory"


def directory_of(settings: Settings) -> DataDirectory:
    """The data directory; one that processes share where events and read models are in Postgres."""
    return DataDirectory(settings.data_dir, shared=in_postgres(settings))


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


def make_progress_teller(settings: Settings) -> "ProgressTeller | None":
    """What tells other processes how far the rows have got, where there are any."""
    if not in_postgres(settings):
        return None
    from skyulf.adapters.postgres_progress import ProgressTeller

    return ProgressTeller(settings.database_url)


def make_progress_listener(settings: Settings, moved: Callable[[str, int], None]) -> "ProgressListener | None":
    """What hears how far the projectors of other processes are, and says so to ``moved``."""
    if not in_postgres(settings):
        return None
    from skyulf.adapters.postgres_progress import ProgressListener

    return ProgressListener(settings.database_url, moved)


def make_artifacts(settings: Settings, directory: DataDirectory) -> DataStore:
    """The artifact store that ``SKYULF_ARTIFACTS_URL`` names, a folder by default; what holds data is encrypted in it.

    The keys are where the log is: in Postgres, else in a file that only its owner may read. Raises `Misconfigured` for
    a store that cannot be used.
    """
    if urlsplit(settings.artifacts_url).scheme == "memory":
        return MemoryArtifacts()
    store = make_objects(settings, directory, writing=True)
    if in_postgres(settings):
        keys = ArtifactKeys(settings.database_url)
    else:
        directory.keys.touch(0o600)
        keys = ArtifactKeys(f"sqlite:///{directory.keys.absolute()}")
    return EncryptedArtifacts(store, keys, lambda: directory.scratch / "decrypted")


@contextmanager
def reading_artifacts(settings: Settings, directory: DataDirectory) -> Iterator[ArtifactStore]:
    """The store of `make_artifacts`, to be read beside the processes that write it."""
    store = make_objects(settings, directory, writing=False)
    if in_postgres(settings):
        keys = ArtifactKeys(settings.database_url)
    elif directory.keys.exists():
        keys = ArtifactKeys(f"sqlite:///file:{directory.keys.absolute()}?mode=ro&uri=true", writing=False)
    else:
        yield store  # nothing in it was ever encrypted
        return
    with closing(EncryptedArtifacts(store, keys, lambda: directory.scratch / "decrypted")) as artifacts:
        yield artifacts


def make_objects(settings: Settings, directory: DataDirectory, writing: bool) -> ArtifactStore:
    """What artifacts are stored in, encrypted or not; raises `Misconfigured`, too, where ``writing`` is refused."""
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


def make_leases(settings: Settings) -> Leases:
    """Who is at work on what: told in Postgres where other processes work too, else known to this one alone."""
    if not in_postgres(settings):
        return MemoryLeases()
    from skyulf.adapters.postgres_leases import PostgresLeases

    return PostgresLeases(settings.database_url, new_id(), settings.lease_seconds)


def make_feed(settings: Settings, log: EventLog, store: ReadStore) -> EventFeed:
    """What wakes the worker: Kafka where ``SKYULF_KAFKA_BOOTSTRAP`` is set, else the log itself."""
    unread = UnreadShelf(parking(store, TRAINING, now))
    if not settings.kafka_bootstrap:
        return LogFeed(log, WAKING, unread)
    from skyulf.adapters.kafka_feed import KafkaFeed  # imported where it is used: a laptop has no need of the library

    return KafkaFeed(kafka_of(settings), "job", WAKING, unread)


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
