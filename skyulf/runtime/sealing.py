"""From settings to what seals a log: the ledger's store, where checkpoints are published, the key, the sealer."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

from skyulf.adapters.checkpoint_files import KEY_SETTING, FolderCheckpoints, S3Checkpoints, make_key, read_key
from skyulf.adapters.data_dir import DataDirectory
from skyulf.adapters.ledger_store import SqlLedgerStore
from skyulf.adapters.memory_ledger import MemoryLedgerStore
from skyulf.adapters.read_engines import lead_for
from skyulf.adapters.system import new_id, new_seed, now
from skyulf.errors import Misconfigured
from skyulf.events.keys import SigningKey
from skyulf.events.ledger_store import LedgerStore
from skyulf.events.log import EventLog
from skyulf.reactions.publishing import CheckpointSink, Everywhere
from skyulf.reactions.sealing import Sealer
from skyulf.runtime.making import in_postgres, kafka_of, unknown
from skyulf.settings import Settings

URL_SETTING = "SKYULF_CHECKPOINTS_URL"

LEAD = ("the seal",)
"""What one process at a time has the lock of, whatever the version of its projections."""

logger = logging.getLogger(__name__)


def make_ledger(settings: Settings, directory: DataDirectory, *, writing: bool = True) -> LedgerStore:
    """The ledger beside the log; not ``writing``, one that is not there is empty, and is not made."""
    if urlsplit(settings.database_url).scheme == "memory":
        return MemoryLedgerStore()
    if in_postgres(settings):
        return SqlLedgerStore(settings.database_url)
    if writing:
        return SqlLedgerStore(f"sqlite:///{directory.ledger.absolute()}")
    if not directory.ledger.exists():
        return MemoryLedgerStore()
    return SqlLedgerStore(f"sqlite:///file:{directory.ledger.absolute()}?mode=ro&uri=true", writing=False)


def make_sink(settings: Settings, directory: DataDirectory, *, files: bool = True) -> CheckpointSink | None:
    """Where the settings say that checkpoints are published; ``files`` allows the default, a folder."""
    sinks = [make_store_sink(settings, directory, files=files), make_topic_sink(settings)]
    there = [sink for sink in sinks if sink is not None]
    return Everywhere(there) if len(there) > 1 else there[0] if there else None


def make_topic_sink(settings: Settings) -> CheckpointSink | None:
    """The topic that ``SKYULF_CHECKPOINTS_TOPIC`` names, if any."""
    if not settings.checkpoints_topic:
        return None
    if not settings.kafka_bootstrap:
        raise Misconfigured("SKYULF_CHECKPOINTS_TOPIC: a topic needs SKYULF_KAFKA_BOOTSTRAP, which names the brokers")
    from skyulf.adapters.kafka_checkpoints import KafkaCheckpoints  # a laptop has no need of the library

    return KafkaCheckpoints(kafka_of(settings), settings.checkpoints_topic)


def make_store_sink(settings: Settings, directory: DataDirectory, *, files: bool) -> CheckpointSink | None:
    """Where ``SKYULF_CHECKPOINTS_URL`` says that checkpoints are published; ``files`` allows the default, a folder."""
    url = urlsplit(settings.checkpoints_url)
    match url.scheme:
        case "":
            kept = files and urlsplit(settings.database_url).scheme != "memory"
            return FolderCheckpoints(directory.checkpoints) if kept else None
        case "file" if not url.netloc and url.path:
            return FolderCheckpoints(Path(url.path))
        case "file":
            raise Misconfigured(f"{URL_SETTING}: a folder is named as file:///FOLDER")
        case "s3" if url.netloc:
            from skyulf.adapters.s3 import make_client  # boto3 takes memory, which only who uses it should pay

            return S3Checkpoints(make_client(URL_SETTING), url.netloc, url.path)
        case scheme:
            raise unknown(URL_SETTING, scheme, "s3://bucket/prefix, file:///FOLDER, or nothing for the data directory")


def key_file(settings: Settings, directory: DataDirectory) -> Path:
    """The file of the signing key."""
    return settings.signing_key or directory.signing_key


def signing_key(settings: Settings, directory: DataDirectory) -> SigningKey:
    """The key of the log; the default one is made when there is none. Raises `Misconfigured`."""
    path = key_file(settings, directory)
    if settings.signing_key is None and not path.exists():
        return make_key(path, SigningKey(new_origin(), new_seed()))
    return read_key(path)


def new_origin() -> str:
    """A name that no other log has."""
    return f"skyulf/{new_id()}"


def make_sealer(
    settings: Settings,
    directory: DataDirectory,
    log: EventLog,
    store: LedgerStore,
    files: bool,
) -> Sealer | None:
    """What seals the log; None in a process without files of its own and without a key, which says so.

    Raises `Misconfigured` where ``SKYULF_SIGNING_KEY`` names no file.
    """
    if settings.signing_key is not None and not settings.signing_key.is_file():
        raise Misconfigured(f"{KEY_SETTING}: there is no file {settings.signing_key}; skyulf audit key makes one")
    if settings.signing_key is None and not files:
        logger.warning("events are not sealed here: %s names no key (docs/audit.md)", KEY_SETTING)
        return None
    in_memory = urlsplit(settings.database_url).scheme == "memory"
    made: list[SigningKey] = []

    def key() -> SigningKey:
        if not in_memory:
            return signing_key(settings, directory)  # read each time: another may have taken its place
        if not made:
            made.append(SigningKey(new_origin(), new_seed()))
        return made[0]

    sink = make_sink(settings, directory, files=files)
    lead = lead_for(settings.database_url if in_postgres(settings) else "sqlite:")
    return Sealer(log, store, sink, key, lambda: bool(lead.held(LEAD)), now, settings.checkpoint_seconds, lead.give_up)
