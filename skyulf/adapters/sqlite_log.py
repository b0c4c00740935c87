"""The event log in one SQLite file, on the eventsourcing library's recorder."""

# ruff: noqa: S608 - statements are put together from constants; values are always placeholders

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventsourcing.persistence import ConnectionPoolClosedError, PersistenceError, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from skyulf.adapters.stored import (
    RestoreCheck,
    command_twice,
    data_of,
    examined,
    recorded_from,
    state_of,
    wrong_version,
)
from skyulf.adapters.wakeups import Wakeups
from skyulf.errors import Damaged, NotAllowed, Unavailable
from skyulf.events.base import Metadata, Recorded
from skyulf.events.examination import Examined
from skyulf.events.log import Append, AppendResult, CommandRecorded, Page, unfounded

LOCK_TIMEOUT = 10
"""Seconds to wait for another process's write transaction."""

LOCK_PAUSE = 0.01
"""Seconds between two tries to open a file that is locked."""

TYPE_OF_TOPIC = "substr(topic, 1, instr(topic, '@') - 1)"
"""The type in a stored name, whatever its schema, as SQL; the index on it is used only by the same expression."""

HIGHEST = 2**63 - 1
"""The highest position that SQLite can hold."""

EXAMINE = (
    "SELECT rowid, CAST(originator_id AS BLOB), originator_version, CAST(topic AS BLOB), CAST(state AS BLOB), "
    "CAST(actor AS BLOB), CAST(command_id AS BLOB), ordinal FROM events WHERE rowid>? AND rowid<=? "
    "ORDER BY rowid LIMIT ?"
)

CommandKey = tuple[str, str, int]
"""(actor, command id, ordinal): what makes an event of a command unique."""


class KeyTaken(sqlite3.IntegrityError):
    """The first event of a command cannot be inserted, since the command's key stands there already; nothing was."""


class WriterTransaction(SQLiteTransaction):
    """A transaction that takes the write lock at its beginning.

    The library begins it deferred: reading and then writing beside another writer fails at once with
    "database is locked", whatever the time-out (SQLite, "Transactions", §2.2).
    """

    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        return cursor


class WriterConnection(SQLiteConnection):
    """A connection whose writing transactions are `WriterTransaction`s."""

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """A cursor within a transaction, kept if ``commit`` and nothing is raised."""
        kind = WriterTransaction if commit else SQLiteTransaction
        with kind(self, commit=commit) as cursor, cursor:
            yield cursor


class WriterConnectionPool(SQLiteConnectionPool):
    """Connections that are durable: a commit has reached the disk when it returns (``synchronous=FULL``)."""

    _closing = False

    def _create_connection(self) -> WriterConnection:
        connection = self._opened()._sqlite_conn  # noqa: SLF001 - the library offers no hook
        connection.execute("PRAGMA synchronous=FULL")
        return WriterConnection(connection, max_age=self.max_age)

    def _opened(self) -> SQLiteConnection:
        """Open the file, as often as it takes: of two that turn a new one to WAL at once, one is told it is locked.

        The busy time-out does not hold there (SQLite, "Write-Ahead Logging", §8).
        """
        give_up = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                return super()._create_connection()
            except sqlite3.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(LOCK_PAUSE)

    def get_connection(self, timeout: float | None = None, *, is_writer: bool | None = None) -> SQLiteConnection:
        """Hand out a connection, unless the pool is being closed."""
        if self._closing:
            raise ConnectionPoolClosedError
        return super().get_connection(timeout, is_writer=is_writer)

    def close(self) -> None:
        """Close once every connection has been given back: SQLite crashes a process that closes one in use."""
        self._closing = True
        with self._put_condition:
            if not self._closed:
                self._put_condition.wait_for(lambda: not self._in_use, timeout=LOCK_TIMEOUT)
        super().close()


class EnvelopeDatastore(SQLiteDatastore):
    """The library's datastore over `WriterConnectionPool`, with text for the ids of streams."""

    def __init__(self, db_name: str) -> None:
        super().__init__(db_name, originator_id_type="text")
        self.pool.close()
        self.pool = WriterConnectionPool(db_name=db_name, lock_timeout=LOCK_TIMEOUT)


class EnvelopeRecorder(SQLiteApplicationRecorder):
    """The library's recorder with positions that are never used twice, and a unique key for commands.

    The column of positions is called ``rowid``, as the library's statements expect.
    """

    def __init__(self, datastore: SQLiteDatastore, events_table_name: str = "events") -> None:
        super().__init__(datastore, events_table_name)
        self._insert = (
            f"INSERT INTO {events_table_name} "
            "(rowid, originator_id, originator_version, topic, state, actor, command_id, ordinal) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )

    def construct_create_table_statements(self) -> list[str]:
        """The table, its indexes, and a view that a person can read."""
        table = self.events_table_name
        return [
            f"CREATE TABLE IF NOT EXISTS {table} ("
            "rowid INTEGER PRIMARY KEY AUTOINCREMENT, originator_id TEXT NOT NULL, "
            "originator_version INTEGER NOT NULL, topic TEXT NOT NULL, state TEXT NOT NULL, "
            "actor TEXT, command_id TEXT, ordinal INTEGER, UNIQUE (originator_id, originator_version))",
            f"CREATE UNIQUE INDEX IF NOT EXISTS {table}_command ON {table} (actor, command_id, ordinal)",
            f"CREATE INDEX IF NOT EXISTS {table}_type ON {table} ({TYPE_OF_TOPIC})",
            f"CREATE VIEW IF NOT EXISTS {table}_readable AS "
            "SELECT rowid AS position, originator_id AS stream, originator_version AS version, topic AS type, "
            "json_extract(CAST(state AS TEXT), '$.metadata.recorded_at') AS recorded_at, actor, "
            "json_extract(CAST(state AS TEXT), '$.metadata.reason') AS reason, "
            f"json_extract(CAST(state AS TEXT), '$.data') AS data FROM {table}",
        ]

    def _insert_events(
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        command_keys: Sequence[CommandKey] = (),
        positions: Sequence[int] = (),
        **_: Any,
    ) -> Sequence[int]:
        written: list[int] = []
        for index, stored in enumerate(stored_events):
            stream = stored.originator_id
            row = (
                positions[index] if positions else None,
                stream if isinstance(stream, str) else stream.hex,
                stored.originator_version,
                stored.topic,
                stored.state,
                *(command_keys[index] if command_keys else (None, None, None)),
            )
            try:
                c.execute(self._insert, row)
            except sqlite3.IntegrityError as error:
                if not written and error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE" and "command_id" in str(error):
                    raise KeyTaken from error
                raise
            written.append(c.lastrowid)
        return written


def select_page(
    after: int, stop: int, limit: int, types: Sequence[str], stream: str | None
) -> tuple[str, list[int | str]]:
    """The statement for a page, and its parameters.

    Each type is its own range of an index, and the ranges are merged before any event is read: a page of a rare type
    costs as little in a long log as in a short one. Where there are no more events than a page holds, as there are for
    a reader at the head, or in a stream of its own, the types are only compared.
    """
    columns = "rowid, originator_id, originator_version, topic, state"
    bounds: list[int | str] = [after, stop]
    distinct = tuple(dict.fromkeys(types))
    if not distinct or stream is not None or stop - after <= limit:
        among = f" AND +{TYPE_OF_TOPIC} IN ({','.join('?' * len(distinct))})" if distinct else ""
        own, streams = ("originator_id=? AND ", [stream]) if stream is not None else ("", [])
        where = f"{own}rowid>? AND rowid<=?{among}"
        return f"SELECT {columns} FROM events WHERE {where} ORDER BY rowid LIMIT ?", [
            *streams,
            *bounds,
            *distinct,
            limit,
        ]
    part = f"SELECT rowid FROM events WHERE {TYPE_OF_TOPIC}=? AND rowid>? AND rowid<=?"
    merged = " UNION ALL ".join([part] * len(distinct))
    chosen = f"SELECT rowid FROM ({merged} ORDER BY rowid LIMIT ?)"
    parameters = [parameter for name in distinct for parameter in (name, *bounds)]
    return f"SELECT {columns} FROM events WHERE rowid IN ({chosen}) ORDER BY rowid", [*parameters, limit]


class SqliteEventLog:
    """`EventLog` in a SQLite file; ``read_only`` opens it beside the process that owns it."""

    def __init__(self, path: Path, new_id: Callable[[], str], *, read_only: bool = False) -> None:
        self._new_id = new_id
        self._wakeups = Wakeups()
        self._mark: object | None = None if read_only else object()
        mode = "ro" if read_only else "rwc"
        self._datastore = EnvelopeDatastore(f"{path.absolute().as_uri()}?mode={mode}")
        self._recorder = EnvelopeRecorder(self._datastore)
        if not read_only:
            self._create_table(path)

    def _create_table(self, path: Path) -> None:
        try:
            self._recorder.create_table()
        except (PersistenceError, sqlite3.Error) as error:
            raise Damaged(f"{path} cannot be opened as an event log: {error}") from error

    def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """See `EventLog.append`. The write lock is held throughout, so what is checked stays true."""
        try:
            with self._transaction(commit=True) as cursor:
                results: list[AppendResult] = []
                for append in appends:
                    refused = unfounded(append, lambda number: not isinstance(results[number], tuple))
                    results.append(refused or self._append_one(cursor, append))
        finally:
            self._mark = object()
        self._wakeups.wake_all()
        return results

    def _append_one(self, cursor: SQLiteCursor, append: Append) -> AppendResult:
        metadata = append.metadata
        versions = {write.stream: self._version(cursor, write.stream) for write in append.writes}
        wrong = wrong_version(append.writes, versions)
        if wrong is not None or not any(write.events for write in append.writes):
            return CommandRecorded(metadata.command_id) if self._has(cursor, metadata) else wrong or ()
        events: list[tuple[StoredEvent, str, bytes]] = []
        for write in append.writes:
            for event in write.events:
                versions[write.stream] += 1
                event_id, data = self._new_id(), data_of(event)
                state = state_of(event_id, len(events), metadata, data)
                stored = StoredEvent(write.stream, versions[write.stream], event.stored_name(), state)
                events.append((stored, event_id, data))
        keys = [(metadata.actor.id, metadata.command_id, ordinal) for ordinal in range(len(events))]
        try:
            positions = self._recorder._insert_events(  # noqa: SLF001 - the library's hook for subclasses
                cursor, [stored for stored, _, _ in events], command_keys=keys
            )
        except KeyTaken:
            return CommandRecorded(metadata.command_id)
        written: list[Recorded] = []
        for ordinal, ((stored, event_id, data), position) in enumerate(zip(events, positions, strict=True)):
            event_type, _, schema = stored.topic.partition("@")
            written.append(
                Recorded(
                    position=position,
                    stream=str(stored.originator_id),
                    version=stored.originator_version,
                    id=event_id,
                    type=event_type,
                    schema=int(schema),
                    metadata=metadata,
                    ordinal=ordinal,
                    data=data,
                )
            )
        return tuple(written)

    @staticmethod
    def _has(cursor: SQLiteCursor, metadata: Metadata) -> bool:
        """Whether the command has been written; of one with events, the unique key tells as they are inserted."""
        command = (metadata.actor.id, metadata.command_id)
        cursor.execute("SELECT 1 FROM events WHERE actor=? AND command_id=? LIMIT 1", command)
        return cursor.fetchone() is not None

    @staticmethod
    def _version(cursor: SQLiteCursor, stream: str) -> int:
        cursor.execute("SELECT MAX(originator_version) FROM events WHERE originator_id=?", (stream,))
        return cursor.fetchone()[0] or 0

    @contextmanager
    def _transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        try:
            with self._datastore.transaction(commit=commit) as cursor:
                yield cursor
        except (PersistenceError, sqlite3.Error) as error:
            raise Unavailable(f"the event log cannot be {'written' if commit else 'read'}: {error}") from error

    def load(self, after: Mapping[str, int]) -> dict[str, tuple[Recorded, ...]]:
        """See `EventLog.load`."""
        with self._transaction(commit=False) as cursor:
            return {stream: self._load_one(cursor, stream, version) for stream, version in after.items()}

    @staticmethod
    def _load_one(cursor: SQLiteCursor, stream: str, version: int) -> tuple[Recorded, ...]:
        cursor.execute(
            "SELECT rowid, originator_id, originator_version, topic, state FROM events "
            "WHERE originator_id=? AND originator_version>? ORDER BY originator_version",
            (stream, version),
        )
        return tuple(recorded_from(*row) for row in cursor.fetchall())

    def read(
        self, after: int, limit: int, types: Sequence[str] = (), stream: str | None = None, until: int | None = None
    ) -> Page:
        """See `EventLog.read`. One writer at a time: what is committed is in order, and the head is stable."""
        with self._transaction(commit=False) as cursor:
            cursor.execute("SELECT MAX(rowid) FROM events")
            stop = cursor.fetchone()[0] or 0
            if until is not None:
                stop = min(stop, until)
            statement, parameters = select_page(after, stop, limit, types, stream)
            cursor.execute(statement, parameters)
            found = tuple([recorded_from(*row) for row in cursor.fetchall()])
        return Page(found, found[-1].position if len(found) == limit else max(stop, after))

    def examine(self, after: int, limit: int, until: int | None = None) -> tuple[Examined, ...]:
        """See `EventLog.examine`. Texts are read as bytes: what is no UTF-8 would end the whole page."""
        with self._transaction(commit=False) as cursor:
            cursor.execute(EXAMINE, (after, HIGHEST if until is None else until, limit))
            return tuple([examined(*row) for row in cursor.fetchall()])

    def command(self, actor: str, command_id: str) -> tuple[Recorded, ...]:
        """See `EventLog.command`."""
        with self._transaction(commit=False) as cursor:
            cursor.execute(
                "SELECT rowid, originator_id, originator_version, topic, state FROM events "
                "WHERE actor=? AND command_id=? ORDER BY ordinal",
                (actor, command_id),
            )
            return tuple(recorded_from(*row) for row in cursor.fetchall())

    def head(self) -> int:
        """See `EventLog.head`."""
        with self._transaction(commit=False) as cursor:
            return self._recorder._max_notification_id(cursor) or 0  # noqa: SLF001 - within this transaction

    def mark(self) -> object:
        """See `EventLog.mark`. One process appends to the file: it has its own, and who reads beside it a new one."""
        return self._mark or object()

    def restore(self, records: Iterable[Recorded]) -> int:
        """See `EventLog.restore`."""
        check = RestoreCheck()
        count = 0
        with self._transaction(commit=True) as cursor:
            if self._recorder._max_notification_id(cursor):  # noqa: SLF001 - within this transaction
                raise NotAllowed("the log is not empty: replay into a new data directory")
            for recorded in records:
                check.see(recorded)
                self._restore_one(cursor, recorded)
                count += 1
        self._mark = object()
        self._wakeups.wake_all()
        return count

    def _restore_one(self, cursor: SQLiteCursor, recorded: Recorded) -> None:
        metadata = recorded.metadata
        state = state_of(recorded.id, recorded.ordinal, metadata, recorded.data)
        try:
            self._recorder._insert_events(  # noqa: SLF001 - the library's hook for subclasses
                cursor,
                [StoredEvent(recorded.stream, recorded.version, recorded.name, state)],
                command_keys=[(metadata.actor.id, metadata.command_id, recorded.ordinal)],
                positions=[recorded.position],
            )
        except sqlite3.IntegrityError as error:
            raise command_twice(recorded) from error

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """See `EventLog.subscribe`. Appends of other processes are seen by polling only."""
        return self._wakeups.subscribe(wake)

    def close(self) -> None:
        """See `EventLog.close`."""
        self._datastore.close()
