"""The eventsourcing library's Postgres datastore and recorder, with appends that do not wait for each other."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import ConnectionPool, PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor, sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import DictRow, dict_row, tuple_row

from skyulf.adapters.postgres import prepare_session
from skyulf.adapters.postgres_schema import JSON_STATE, log_statements, names

CONNECTIONS = 16
"""At most so many connections are used at once by the threads of one process."""

WAIT = 3.0
"""Seconds that a caller waits for a connection, whether others have them all or the server does not answer."""

IDLE = 120.0
"""Seconds after which a connection that nobody needs is closed."""


class Text(Loader):
    """Gives JSON as the bytes that are stored: only who needs an event decodes it."""

    def load(self, data: Buffer) -> bytes:
        """See `Loader.load`."""
        return bytes(data)


class Guards(NamedTuple):
    """What must hold for events to be inserted: streams at versions, commands that have not been recorded.

    A stream with ``written`` false is only guarded. ``commands`` are pairs of actor and command id.
    """

    streams: Sequence[str] = ()
    expected: Sequence[int] = ()
    written: Sequence[bool] = ()
    commands: Sequence[tuple[str, str]] = ()


class Outcome(NamedTuple):
    """What became of an insert: positions, or where the guarded streams are and which commands (from 1) are there."""

    positions: list[int] | None
    versions: list[int] | None
    recorded: list[int] | None

    @property
    def refused(self) -> bool:
        """Whether a guard did not hold, so that nothing was inserted."""
        return self.versions is not None or self.recorded is not None


CommandKey = tuple[str, str, int]
"""(actor, command id, ordinal): what makes an event of a command unique."""

NoCommand = tuple[None, None, None]


class EnvelopeDatastore(PostgresDatastore):
    """The library's datastore over a whole connection string, with our sessions and text for the ids of streams."""

    def __init__(self, conninfo: str, schema: str) -> None:
        super().__init__("", "", "", "", "", schema=schema, originator_id_type="text")
        self.pool: ConnectionPool[Connection[DictRow]] = ConnectionPool(
            conninfo,
            connection_class=Connection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=0,
            max_size=CONNECTIONS,
            open=False,
            configure=configured,
            timeout=WAIT,
            max_idle=IDLE,
            # With no connection kept at all costs, each caller has a new one tried for: nobody waits for a pool that
            # has been put off for ever longer.
            reconnect_timeout=WAIT,
            num_workers=2,
        )

    def register_type_adapters(self) -> None:
        """Nothing: events go to the server as arrays, not as the library's composite types."""


def configured(connection: Connection[Any]) -> None:
    """Make a new connection ours."""
    prepare_session(connection)
    connection.execute("SET enable_seqscan = off")  # plans that are kept are made while the table is small
    connection.adapters.register_loader("json", Text)


class EnvelopeRecorder(PostgresApplicationRecorder):
    """The library's recorder, which inserts by a function of ours: no lock on the table, no NOTIFY, no silent retry.

    ``state_type`` is the type of the stored text's column; the library's own test cases store bytes.
    """

    def __init__(self, datastore: EnvelopeDatastore, table: str = "events", state_type: str = JSON_STATE) -> None:
        super().__init__(datastore, events_table_name=table)
        self.filled = names(datastore.schema, table, state_type)
        self.sql_create_statements = log_statements(self.filled)
        self._append = sql.SQL(
            "SELECT positions, versions, recorded FROM {schema}.{append}("
            "%s::text[], %s::bigint[], %s::boolean[], %s::text[], %s::text[], "
            "%s::text[], %s::bigint[], %s::text[], %b::bytea[], %s::text[], %s::text[], %s::integer[])"
        ).format(**self.filled).as_bytes()  # fmt: skip
        self._insert_at = sql.SQL(
            "INSERT INTO {schema}.{table} (notification_id, originator_id, originator_version, topic, state, "
            "actor, command_id, ordinal) OVERRIDING SYSTEM VALUE SELECT id, stream, version, topic, {state}, "
            "actor, command, ordinal FROM unnest(%b::bigint[], %s::text[], %s::bigint[], %s::text[], %b::bytea[], "
            "%s::text[], %s::text[], %s::integer[]) "
            "AS e (id, stream, version, topic, state, actor, command, ordinal)"
        ).format(**self.filled)

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """See the library's `Recorder.insert_events`: positions in order; `IntegrityError` where a version is taken."""
        if not stored_events:
            return []
        nobody = [(None, None, None)] * len(stored_events)
        with self.datastore.get_connection() as connection:
            return self.append(connection, Guards(), stored_events, nobody).positions or []

    def append(
        self,
        connection: Connection[Any],
        guards: Guards,
        events: Sequence[StoredEvent],
        keys: Sequence[CommandKey | NoCommand],
    ) -> Outcome:
        """Insert ``events`` at once if every guard holds; durable when this returns."""
        with connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(
                self._append,
                (
                    words(guards.streams),
                    numbers(guards.expected),
                    numbers(guards.written),
                    words([actor for actor, _ in guards.commands]),
                    words([command for _, command in guards.commands]),
                    *columns(events, keys),
                ),
                prepare=True,
            )
            found = cursor.fetchone()
        assert found is not None
        return Outcome(*found)

    def insert_at(
        self, cursor: Cursor[Any], positions: Sequence[int], events: Sequence[StoredEvent], keys: Sequence[CommandKey]
    ) -> None:
        """Insert events at given positions, for a log that is restored; part of the cursor's transaction."""
        try:
            cursor.execute(self._insert_at, (list(positions), *columns(events, keys)))
        except psycopg.errors.UniqueViolation as error:
            raise IntegrityError(str(error)) from error


def columns(events: Sequence[StoredEvent], keys: Sequence[CommandKey | NoCommand]) -> tuple[Any, ...]:
    """Streams, versions, topics, states, actors, command ids and ordinals of events, each as an array."""
    return (
        words([str(event.originator_id) for event in events]),
        numbers([event.originator_version for event in events]),
        words([event.topic for event in events]),
        [event.state for event in events],
        words([actor for actor, _, _ in keys]),
        words([command for _, command, _ in keys]),
        numbers([ordinal for _, _, ordinal in keys]),
    )


def words(texts: Sequence[str | None]) -> str:
    """An array of texts as Postgres reads it; the driver's own way costs ten times as much, a dozen times an append."""
    quoted = ["NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts]
    return "{" + ",".join(quoted) + "}"


def numbers(values: Sequence[int | None]) -> str:
    """An array of numbers, or of truths, as Postgres reads it."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
