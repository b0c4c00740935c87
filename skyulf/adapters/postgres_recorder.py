"""The eventsourcing library's Postgres datastore and recorder, with appends that do not wait for each other."""

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

import psycopg
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import ConnectionPool, PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor, sql
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import DictRow, dict_row

from skyulf.adapters.postgres import prepare_session
from skyulf.adapters.postgres_prepared import (
    BOOLEAN,
    BYTES,
    FALSE,
    INTEGER,
    TRUE,
    Statement,
    array,
    bigint,
    bigints,
    numbers_in,
    texts,
)
from skyulf.adapters.postgres_schema import JSON_STATE, log_statements, names

CONNECTIONS = 16
"""At most so many connections are used at once by the threads of one process."""

WAIT = 3.0
"""Seconds that a caller waits for a connection, whether others have them all or the server does not answer."""

IDLE = 120.0
"""Seconds after which a connection that nobody needs is closed."""


APPEND_MANY: LiteralString = """
SELECT positions, versions, recorded FROM {schema}.{append}(
    $1::text[], $2::bigint[], $3::boolean[], $4::text[], $5::text[],
    $6::text[], $7::bigint[], $8::text[], $9::bytea[], $10::text[], $11::text[], $12::integer[])
"""

APPEND_ONE: LiteralString = """
WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended($1::text, {seed})))
INSERT INTO {schema}.{table} (originator_id, originator_version, topic, state, actor, command_id, ordinal)
SELECT $1::text, $2::bigint + 1, $3::text, $4::{state_type}, $5::text, $6::text, 0 FROM held
WHERE ($2::bigint = 0 OR EXISTS (
    SELECT FROM {schema}.{table} WHERE originator_id = $1::text AND originator_version = $2::bigint))
AND NOT EXISTS (SELECT FROM {schema}.{table} WHERE originator_id = $1::text AND originator_version = $2::bigint + 1)
AND NOT EXISTS (SELECT FROM {schema}.{table} WHERE actor = $5::text AND command_id = $6::text)
RETURNING notification_id
"""
"""The usual append, one event of one command to one stream, at two thirds of what the function costs the server.

It takes the lock of the stream as the function does, but looks with the eyes of the moment at which it began: what was
committed while it waited for the lock it does not see, and then the table's unique keys refuse it. Where it inserts
nothing, or they do, the function judges. The lock of the command is spared, since the key of commands does the same
for a row that is inserted.
"""

APPEND_GUARDING: LiteralString = """
SELECT {schema}.{append_guarding}(
    $1::text, $2::bigint, $3::text, $4::bytea, $5::text, $6::text, $7::text, $8::bigint)
"""


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
        self._one = Statement(f"{table}_one", sql.SQL(APPEND_ONE).format(**self.filled).as_bytes(), 6)
        self._guarding = Statement(f"{table}_guarding", sql.SQL(APPEND_GUARDING).format(**self.filled).as_bytes(), 8)
        self._many = Statement(f"{table}_many", sql.SQL(APPEND_MANY).format(**self.filled).as_bytes(), 12)
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
        if len(events) == len(guards.commands) == 1 and len(guards.streams) <= 2:
            position = self._inserted(connection, guards, events[0])
            if position is not None:
                return Outcome([position], None, None)
        parameters = (
            texts(guards.streams),
            bigints(guards.expected),
            array(BOOLEAN, [TRUE if written else FALSE for written in guards.written]),
            texts([actor for actor, _ in guards.commands]),
            texts([command for _, command in guards.commands]),
            texts([str(event.originator_id) for event in events]),
            bigints([event.originator_version for event in events]),
            texts([event.topic for event in events]),
            array(BYTES, [event.state for event in events]),
            texts([actor for actor, _, _ in keys]),
            texts([command for _, command, _ in keys]),
            array(INTEGER, [None if ordinal is None else ordinal.to_bytes(4, "big") for _, _, ordinal in keys]),
        )
        found = self._many.execute(connection, parameters)
        return Outcome(*(numbers_in(found.get_value(0, column)) for column in range(3)))

    def _inserted(self, connection: Connection[Any], guards: Guards, event: StoredEvent) -> int | None:
        """The position of the only event of the only command, the first it writes; None where a guard may not hold."""
        ((actor, command),) = guards.commands
        written = guards.streams.index(event.originator_id)
        parameters = [
            guards.streams[written].encode(),
            bigint(guards.expected[written]),
            event.topic.encode(),
            event.state,
            actor.encode(),
            command.encode(),
        ]
        statement = self._one
        if len(guards.streams) == 2:
            statement = self._guarding
            parameters += [guards.streams[1 - written].encode(), bigint(guards.expected[1 - written])]
        try:
            position = statement.execute(connection, parameters).get_value(0, 0)
        except psycopg.errors.UniqueViolation:  # by someone who committed while this waited
            return None
        return None if position is None else int(position)

    def insert_at(
        self, cursor: Cursor[Any], positions: Sequence[int], events: Sequence[StoredEvent], keys: Sequence[CommandKey]
    ) -> None:
        """Insert events at given positions, for a log that is restored; part of the cursor's transaction."""
        try:
            cursor.execute(self._insert_at, (list(positions), *columns(events, keys)))
        except psycopg.errors.UniqueViolation as error:
            raise IntegrityError(str(error)) from error


def columns(events: Sequence[StoredEvent], keys: Sequence[CommandKey]) -> tuple[list[Any], ...]:
    """Streams, versions, topics, states, actors, command ids and ordinals of events, each as a list."""
    return (
        [str(event.originator_id) for event in events],
        [event.originator_version for event in events],
        [event.topic for event in events],
        [event.state for event in events],
        *([key[part] for key in keys] for part in range(3)),
    )
