"""What is done beside running systems: looking at a log, filling an empty one, making tables, finding who serves."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from skyulf.adapters.checkpoint_files import make_key, read_key
from skyulf.adapters.data_dir import Owner
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id, new_seed
from skyulf.artifacts import ArtifactStore, DataStore
from skyulf.errors import NotFound
from skyulf.events.keys import PublicKey, SigningKey
from skyulf.events.log import EventLog
from skyulf.queries.audit import AuditService
from skyulf.runtime.making import (
    DATABASES,
    directory_of,
    in_postgres,
    make_artifacts,
    make_log,
    reading_artifacts,
    unknown,
)
from skyulf.runtime.sealing import key_file, make_ledger, new_origin
from skyulf.settings import Settings


def owner_of(settings: Settings) -> Owner | None:
    """The process that owns the data directory now, or one of those that share it and answers; else None."""
    return directory_of(settings).owner()


def places(settings: Settings) -> dict[str, str]:
    """Where the log and the artifacts are, fit to be shown: without who uses them."""
    log = str(settings.data_dir.absolute())
    if in_postgres(settings):
        from skyulf.adapters.postgres import shown

        log = shown(settings.database_url)
    return {"log": log, "artifacts": settings.artifacts_url or str((settings.data_dir / "artifacts").absolute())}


@contextmanager
def reading(settings: Settings) -> Iterator[tuple[EventLog, Callable[[], ArtifactStore]]]:
    """The log, read beside the processes that append to it, and what opens its artifacts if need be.

    Raises `NotFound` when the log is to be in the data directory, and there is none.
    """
    directory = directory_of(settings)
    if in_postgres(settings):
        log = make_log(settings, directory)
    elif directory.events.exists():
        log = SqliteEventLog(directory.events, new_id, read_only=True)
    else:
        raise NotFound(f"{settings.data_dir} holds no events; name a directory with --data-dir")
    with ExitStack() as opened:
        opened.callback(log.close)
        yield log, lambda: opened.enter_context(reading_artifacts(settings, directory))


@contextmanager
def auditing(settings: Settings) -> Iterator[tuple[EventLog, Callable[[], ArtifactStore], AuditService]]:
    """The log, its artifacts and its ledger, read beside the processes that write them; see `reading`."""
    with reading(settings) as (log, artifacts):
        ledger = make_ledger(settings, directory_of(settings), writing=False)
        try:
            yield log, artifacts, AuditService(log, ledger)
        finally:
            ledger.close()


@dataclass(frozen=True, slots=True)
class LogKey:
    """The keys of a log: the first, which verifies all that any of them signs, and the one that signs now.

    ``path`` is the file of the private key; ``made`` says that it is new.
    """

    first: PublicKey
    signs: PublicKey
    path: Path
    made: bool


def log_key(settings: Settings, origin: str | None = None) -> LogKey:
    """The key of the log, which is made where there is none; a new log is called ``origin``, or by a name of its own.

    Raises `Misconfigured`.
    """
    path = key_file(settings, directory_of(settings))
    there = path.exists()
    key = read_key(path) if there else make_key(path, SigningKey(origin or new_origin(), new_seed()))
    return LogKey(key.first, key.public, path, made=not there)


def rotate_key(settings: Settings, output: Path | None) -> LogKey:
    """Make a key that takes the place of the log's, which introduces it; in a new file, or in place of the old one.

    Raises `Misconfigured` where there is no key yet, or none can be written.
    """
    path = key_file(settings, directory_of(settings))
    following = read_key(path).successor(new_seed())
    make_key(output or path, following, replace=output is None)
    return LogKey(following.first, following.public, output or path, made=True)


@contextmanager
def restoring(settings: Settings) -> Iterator[tuple[EventLog, DataStore]]:
    """The log and the artifacts of a data directory that is to be filled, owned meanwhile."""
    directory = directory_of(settings)
    directory.own()
    try:
        log = make_log(settings, directory)
        if log.head() == 0:
            directory.forget_rows()
        try:
            with closing(make_artifacts(settings, directory)) as artifacts:
                yield log, artifacts
        finally:
            log.close()
    finally:
        directory.release()


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
