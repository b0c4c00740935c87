"""The log's tables in Postgres: how they are made, who may do what with them, and which version of them is there."""

import zlib
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, errors, sql

from skyulf.adapters.history_tables import table_names
from skyulf.adapters.postgres import SETTING, connect, first_line, refused
from skyulf.adapters.read_tables import metadata
from skyulf.errors import Misconfigured

VERSION = 6
"""The schema that this code works with; `migrate` brings a database to it."""

TYPE_OF_TOPIC: LiteralString = "split_part(topic, '@', 1)"
"""The type in a stored name, whatever its schema, as SQL; the index on it is used only by the same expression."""

JSON_STATE: LiteralString = "json"
"""The type of the stored text: kept as it was written, unlike ``jsonb``, and readable for a person."""

TABLE: LiteralString = """
CREATE TABLE {schema}.{table} (
    notification_id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state {state_type} NOT NULL,
    actor text,
    command_id text,
    ordinal integer,
    UNIQUE (originator_id, originator_version),
    UNIQUE (actor, command_id, ordinal)
) WITH (autovacuum_analyze_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.05)
"""
# CACHE 1: a session that kept numbers for later would write one behind a reader that had rightly given it up.

TYPE_INDEX: LiteralString = f"CREATE INDEX {{type_index}} ON {{schema}}.{{table}} ({TYPE_OF_TOPIC}, notification_id)"

APPEND: LiteralString = """
CREATE FUNCTION {schema}.{append}(
    streams text[], expected bigint[], written boolean[], actors text[], commands text[],
    event_streams text[], event_versions bigint[], topics text[], states bytea[],
    event_actors text[], event_commands text[], ordinals integer[],
    OUT positions bigint[], OUT versions bigint[], OUT recorded bigint[]
) LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    newest bigint;
BEGIN
    -- Whoever writes a stream keeps out all who write or guard it, to the end of the transaction, and so do equal
    -- commands; in one order for everybody, so that nobody waits for one who waits for him.
    PERFORM CASE WHEN alone THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END
    FROM (
        SELECT key, bool_or(alone) AS alone FROM (
            SELECT hashtextextended(stream, {seed}), alone FROM unnest(streams, written) AS s (stream, alone)
            UNION ALL
            SELECT hashtextextended(actor || ' ' || command, {seed}), true
            FROM unnest(actors, commands) AS c (actor, command)
        ) AS asked (key, alone) GROUP BY key ORDER BY key
    ) AS locks;
    -- Each statement from here on sees what was committed before the locks were had. Single look-ups in a loop cost a
    -- third of what one statement over all of them costs for the usual append, which has one command and one stream.
    FOR number IN 1 .. cardinality(commands) LOOP
        IF EXISTS (
            SELECT FROM {schema}.{table} AS e WHERE e.actor = actors[number] AND e.command_id = commands[number]
        ) THEN
            recorded := recorded || number::bigint;
        END IF;
    END LOOP;
    FOR number IN 1 .. cardinality(streams) LOOP
        SELECT e.originator_version INTO newest FROM {schema}.{table} AS e
        WHERE e.originator_id = streams[number] ORDER BY e.originator_version DESC LIMIT 1;
        versions := versions || coalesce(newest, 0);
    END LOOP;
    IF recorded IS NOT NULL OR versions <> expected THEN
        RETURN;
    END IF;
    versions := NULL;
    WITH inserted AS (
        INSERT INTO {schema}.{table}
            (originator_id, originator_version, topic, state, actor, command_id, ordinal)
        SELECT stream, version, topic, {state}, actor, command, ordinal
        FROM unnest(event_streams, event_versions, topics, states, event_actors, event_commands, ordinals)
            WITH ORDINALITY AS e (stream, version, topic, state, actor, command, ordinal, n)
        ORDER BY n
        RETURNING notification_id
    )
    SELECT array_agg(notification_id ORDER BY notification_id) INTO positions FROM inserted;
END
$body$
"""
"""One append, or many as one, in a single statement: the transaction cannot be left open by whoever sent it.

Judges what is expected of streams and commands under locks that last to the commit, and inserts all or nothing. When
it refuses, ``versions`` are where the streams are, and ``recorded`` the numbers of the commands that are there.
"""

APPEND_GUARDING: LiteralString = """
CREATE FUNCTION {schema}.{append_guarding}(
    stream text, expected bigint, topic text, state bytea, actor text, command text, guarded text, seen bigint
) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    own bigint := hashtextextended(stream, {seed});
    other bigint := hashtextextended(guarded, {seed});
    position bigint;
BEGIN
    -- In the order of the other function.
    IF own <= other THEN
        PERFORM pg_advisory_xact_lock(own);
        PERFORM pg_advisory_xact_lock_shared(other);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(other);
        PERFORM pg_advisory_xact_lock(own);
    END IF;
    -- A statement of its own, so that it sees what was committed before the locks were had.
    INSERT INTO {schema}.{table} AS e (originator_id, originator_version, topic, state, actor, command_id, ordinal)
    SELECT $1, $2 + 1, $3, {state}, $5, $6, 0
    WHERE ($2 = 0 OR EXISTS (SELECT FROM {schema}.{table} WHERE originator_id = $1 AND originator_version = $2))
    AND NOT EXISTS (SELECT FROM {schema}.{table} WHERE originator_id = $1 AND originator_version = $2 + 1)
    AND ($8 = 0 OR EXISTS (SELECT FROM {schema}.{table} WHERE originator_id = $7 AND originator_version = $8))
    AND NOT EXISTS (SELECT FROM {schema}.{table} WHERE originator_id = $7 AND originator_version = $8 + 1)
    AND NOT EXISTS (SELECT FROM {schema}.{table} AS t WHERE t.actor = $5 AND t.command_id = $6)
    RETURNING e.notification_id INTO position;
    RETURN position;
END
$body$
"""
"""One event of one command to one stream, which rests on another stream: two thirds of what `APPEND` costs for it.

Null where a guard may not hold, which `APPEND` then judges. The lock of the command is spared: the key of commands
refuses what was committed meanwhile.
"""

STATES = {JSON_STATE: "convert_from(state, 'UTF8')::json", "bytea": "state"}
"""How the stored text goes from the function's argument into the column, by the column's type."""

KEEP: tuple[LiteralString, ...] = (
    "CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$ "
    "BEGIN RAISE EXCEPTION 'events are never changed or deleted' USING ERRCODE = 'insufficient_privilege'; END $body$",
    "CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.{table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()",
    "REVOKE UPDATE, DELETE, TRUNCATE ON {schema}.{table} FROM PUBLIC, CURRENT_USER",
)
"""What keeps events as they were written, even from their owner."""

VIEW: LiteralString = """
CREATE VIEW {schema}.{view} AS
SELECT notification_id AS position, originator_id AS stream, originator_version AS version, topic AS type,
    (shown -> 'metadata' ->> 'recorded_at')::timestamptz AS recorded_at, actor,
    shown -> 'metadata' ->> 'reason' AS reason, shown -> 'data' AS data
FROM {schema}.{table},
    LATERAL (SELECT CASE WHEN strpos(state::text, '\\u0000') = 0 THEN state
        ELSE replace(state::text, '\\u0000', '\\ufffd')::json END AS shown) AS readable
"""
# Postgres cannot look into a text that has a NUL in it, and the view would fail for all that are asked for.

LEASES: LiteralString = """
CREATE TABLE {schema}.skyulf_leases (
    what text NOT NULL,
    attempt integer NOT NULL,
    holder text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (what, attempt)
) WITH (fillfactor = 50)
"""
"""Who is at work on what (`postgres_leases`). Rows are written every second, and few: room for them in their page."""

LEDGER: tuple[LiteralString, ...] = (
    "CREATE TABLE {schema}.skyulf_ledger (number integer PRIMARY KEY, size bigint NOT NULL, position bigint NOT NULL)",
    "CREATE TABLE {schema}.skyulf_ledger_tiles (level integer, number bigint, hashes bytea NOT NULL, positions bytea, "
    "first bigint, PRIMARY KEY (level, number))",
    "CREATE INDEX skyulf_ledger_first ON {schema}.skyulf_ledger_tiles (first)",
    "CREATE TABLE {schema}.skyulf_checkpoints (size bigint PRIMARY KEY, note text NOT NULL, key text NOT NULL)",
)
"""The tree over the events, and the checkpoints that were signed (`ledger_store`)."""

ARTIFACT_KEYS: tuple[LiteralString, ...] = (
    "CREATE TABLE {schema}.skyulf_dataset_keys (dataset text PRIMARY KEY, key bytea)",
    "CREATE TABLE {schema}.skyulf_encrypted (digest text, dataset text, stored text NOT NULL, "
    "PRIMARY KEY (digest, dataset))",
    "CREATE INDEX skyulf_encrypted_dataset ON {schema}.skyulf_encrypted (dataset)",
)
"""The keys that artifacts are encrypted with (`artifact_keys`): they can be destroyed, as events cannot."""

WEBHOOKS: tuple[LiteralString, ...] = (
    "CREATE TABLE {schema}.skyulf_deliveries (webhook text PRIMARY KEY, epoch integer NOT NULL, "
    "position bigint NOT NULL, waiting text NOT NULL) WITH (fillfactor = 50)",
    "CREATE TABLE {schema}.skyulf_webhook_secrets (hash text PRIMARY KEY, secret text NOT NULL)",
)
"""How far each webhook has got, and the secrets that deliveries are signed with (`delivery_store`)."""

GRANTS: tuple[LiteralString, ...] = (
    "GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT ON {schema}.{table} TO {role}",
    "REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {schema}.{table} FROM {role}",
    "GRANT SELECT ON {schema}.{view}, {schema}.skyulf_schema TO {role}",
    "GRANT EXECUTE ON FUNCTION {schema}.{append}, {schema}.{append_guarding} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.skyulf_leases TO {role}",
    "GRANT SELECT, INSERT, UPDATE ON {schema}.skyulf_ledger, {schema}.skyulf_ledger_tiles TO {role}",
    "GRANT SELECT, INSERT ON {schema}.skyulf_checkpoints TO {role}",
    "GRANT SELECT, INSERT, UPDATE ON {schema}.skyulf_dataset_keys TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.skyulf_encrypted TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.skyulf_deliveries, {schema}.skyulf_webhook_secrets TO {role}",
)
"""What the role that the application works under needs; it makes the tables of read models itself."""


def names(schema: str, table: str = "events", state_type: str = JSON_STATE) -> dict[str, Any]:
    """What the statements are filled in with."""
    return {
        "schema": sql.Identifier(schema),
        "table": sql.Identifier(table),
        "type_index": sql.Identifier(f"{table}_type"),
        "append": sql.Identifier(f"append_{table}"),
        "append_guarding": sql.Identifier(f"append_{table}_guarding"),
        "view": sql.Identifier(f"{table}_readable"),
        "seed": sql.Literal(zlib.crc32(f"{schema}.{table}".encode())),
        "state_type": sql.SQL(state_type),
        "state": sql.SQL(STATES[state_type]),
    }


def log_statements(filled: dict[str, Any]) -> list[sql.Composed]:
    """What makes the table of events and the functions that append to it."""
    return [sql.SQL(statement).format(**filled) for statement in (TABLE, TYPE_INDEX, APPEND, APPEND_GUARDING)]


def _first(connection: Connection[Any], schema: str) -> None:
    filled = names(schema)
    for statement in (TABLE, TYPE_INDEX, APPEND, *KEEP, VIEW):
        connection.execute(sql.SQL(statement).format(**filled))


def _second(connection: Connection[Any], schema: str) -> None:
    connection.execute(sql.SQL(LEASES).format(schema=sql.Identifier(schema)))


def _third(connection: Connection[Any], schema: str) -> None:
    _execute(connection, schema, LEDGER)


def _fourth(connection: Connection[Any], schema: str) -> None:
    connection.execute(sql.SQL(APPEND_GUARDING).format(**names(schema)))


def _fifth(connection: Connection[Any], schema: str) -> None:
    _execute(connection, schema, ARTIFACT_KEYS)


def _sixth(connection: Connection[Any], schema: str) -> None:
    _execute(connection, schema, WEBHOOKS)


def _execute(connection: Connection[Any], schema: str, statements: tuple[LiteralString, ...]) -> None:
    for statement in statements:
        connection.execute(sql.SQL(statement).format(schema=sql.Identifier(schema)))


STEPS = (_first, _second, _third, _fourth, _fifth, _sixth)
"""What brings a database from each version to the next."""


def migrate(connection: Connection[Any], role: str | None = None) -> tuple[int, int]:
    """Bring the schema that the connection works in to `VERSION`; from which version to which.

    All or nothing, and once: of several at a time one does it and the others find it done. ``role`` is given the
    rights that the application needs, and loses any to change events. Raises `Misconfigured`.
    """
    with connection.transaction():
        schema = schema_of(connection)
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('skyulf migrate ' || %s, 0))", [schema])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS skyulf_schema (version integer PRIMARY KEY, "
            "migrated_at timestamptz NOT NULL DEFAULT now())"
        )
        before = _newest(connection)
        if before > VERSION:
            raise newer(before)
        for number, step in enumerate(STEPS[before:], start=before + 1):
            step(connection, schema)
            connection.execute("INSERT INTO skyulf_schema (version) VALUES (%s)", [number])
        if role is not None:
            _grant(connection, schema, role)
            _make_way(connection, schema, role)
    return before, VERSION


def migrate_database(url: str, role: str | None = None) -> tuple[int, int]:
    """Migrate the database that ``url`` names, as its owner; see `migrate`."""
    with connect(url) as connection:
        try:
            return migrate(connection, role)
        except errors.InsufficientPrivilege as error:
            raise Misconfigured(
                f"{SETTING}: its user may not make tables ({first_line(error)}); migrate as the owner of the database"
            ) from error
        except psycopg.Error as error:
            raise refused(error) from error


READ_MODELS: LiteralString = """
SELECT tablename FROM pg_tables WHERE schemaname = %s AND tableowner = current_user AND current_user <> %s
    AND tablename = ANY (%s)
"""


def _make_way(connection: Connection[Any], schema: str, role: str) -> None:
    """Drop the read models, where a server that ran as this user made them: only their maker may replace them.

    They follow from the log, and the next server builds them anew, as its own.
    """
    if connection.execute("SELECT to_regclass('skyulf_builds')").fetchone() == (None,):
        return
    builds = connection.execute("SELECT projection, number FROM skyulf_builds").fetchall()
    names = [*metadata.tables, *(table for build in builds for table in table_names(*build))]
    for (name,) in connection.execute(READ_MODELS, [schema, role, names]).fetchall():
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))


def _grant(connection: Connection[Any], schema: str, role: str) -> None:
    filled = {**names(schema), "role": sql.Identifier(role)}
    try:
        for statement in GRANTS:
            connection.execute(sql.SQL(statement).format(**filled))
    except errors.UndefinedObject:
        raise Misconfigured(f"there is no role {role}; CREATE ROLE makes one") from None


def check(connection: Connection[Any]) -> str:
    """The schema that the connection works in, once its tables are seen to be those of this code."""
    schema = schema_of(connection)
    try:
        found = _newest(connection)
    except errors.UndefinedTable:
        found = 0
    if found > VERSION:
        raise newer(found)
    if found < VERSION:
        state = (
            f"at version {found} of Skyulf's tables, and this code needs {VERSION}"
            if found
            else "without Skyulf's tables"
        )
        raise Misconfigured(f"{SETTING}: the database is {state}; run skyulf migrate")
    return schema


def schema_of(connection: Connection[Any]) -> str:
    """The schema that the connection makes tables in; raises `Misconfigured` where there is none, or no UTF-8."""
    row = connection.execute("SELECT current_schema(), current_setting('server_encoding')").fetchone()
    assert row is not None
    schema, encoding = row
    if schema is None:
        raise Misconfigured(f"{SETTING}: there is no schema to work in; create the one that search_path names")
    if encoding != "UTF8":
        raise Misconfigured(f"{SETTING}: the database is encoded in {encoding}; create one with ENCODING 'UTF8'")
    return str(schema)


def newer(found: int) -> Misconfigured:
    """The error for a database that newer code has migrated."""
    return Misconfigured(
        f"{SETTING}: the database is at version {found} of Skyulf's tables, and this code knows {VERSION}: "
        "it has been migrated by a newer Skyulf; use that one"
    )


def _newest(connection: Connection[Any]) -> int:
    row = connection.execute("SELECT max(version) FROM skyulf_schema").fetchone()
    assert row is not None
    return row[0] or 0
