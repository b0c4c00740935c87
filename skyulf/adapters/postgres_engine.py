"""SQLAlchemy engines for read models in Postgres."""

from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import Connection, Engine, create_engine, event

from skyulf.adapters.postgres import IDLE_TIMEOUT, conninfo

OVERFLOW = 8
WAIT = 3.0
"""Seconds that a caller waits for one of the connections that others use."""

ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('skyulf read models ' || current_schema(), 0))"
"""What lets one writer in at a time, as SQLite does: what it reads stays true until it commits."""


def postgres_engine(url: str, *, writes: bool, pool_size: int) -> Engine:
    """An engine for the database; readers see rows and pointers as of one moment, writers come one at a time.

    A writer that is stopped in the middle is put out by the server after a while, so that another can go on.
    """
    address = conninfo(url)

    def connected() -> psycopg.Connection[Any]:
        connection = psycopg.connect(address, autocommit=True)
        connection.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, false), set_config('jit', 'off', false)",
            [str(IDLE_TIMEOUT)],
        )
        connection.autocommit = False
        connection.isolation_level = IsolationLevel.READ_COMMITTED if writes else IsolationLevel.REPEATABLE_READ
        connection.read_only = not writes
        return connection

    engine = create_engine(
        "postgresql+psycopg://", creator=connected, pool_size=pool_size, max_overflow=OVERFLOW, pool_timeout=WAIT
    )
    if writes:

        @event.listens_for(engine, "begin")
        def begun(connection: Connection) -> None:
            connection.exec_driver_sql(ALONE)

    return engine
