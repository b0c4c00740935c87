"""Read models in Postgres: SQLAlchemy engines, and the locks of the process that projects."""

import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event

from skyulf.adapters.postgres import IDLE_TIMEOUT, conninfo, prepare_session
from skyulf.adapters.read_engines import SINGLE

OVERFLOW = 8
WAIT = 3.0
"""Seconds that a caller waits for one of the connections that others use."""

ALONE = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('skyulf read models ' || current_schema(), 0))"
"""What lets one writer in at a time, as SQLite does: what it reads stays true until it commits."""

APART = ALONE.replace("read models", "history")
"""The same for writers of what is kept apart: those of the rest do not wait for them."""

OF_ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""What shows a reader rows and pointers as they were together."""


def postgres_engine(url: str, *, writes: bool, pool_size: int, apart: bool = False) -> Engine:
    """An engine for the database; readers see rows and pointers as of one moment, writers come one at a time.

    A writer that is stopped in the middle is put out by the server after a while, so that another can go on. Commits
    do not wait for the disk: what a crash takes away, rows and checkpoint together, is folded again.
    """
    address = conninfo(url)

    def connected() -> psycopg.Connection[Any]:
        connection = psycopg.connect(address, autocommit=True)
        connection.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, false), set_config('jit', 'off', false), "
            "set_config('synchronous_commit', 'off', false)",
            [str(IDLE_TIMEOUT)],
        )
        return connection

    engine = create_engine(
        "postgresql+psycopg://", creator=connected, pool_size=pool_size, max_overflow=OVERFLOW, pool_timeout=WAIT
    )
    begin = (APART if apart else ALONE) if writes else OF_ONE_MOMENT

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # The driver would begin by itself, in a round trip of its own.
        if SINGLE not in connection.get_execution_options():
            connection.exec_driver_sql(begin)

    return engine


def durable_engine(url: str, *, pool_size: int) -> Engine:
    """An engine for what no other database holds: what is committed survives a crash, and writers do not queue up."""
    address = conninfo(url)

    def connected() -> psycopg.Connection[Any]:
        connection = psycopg.connect(address, autocommit=True)
        prepare_session(connection)
        connection.autocommit = False
        return connection

    return create_engine(
        "postgresql+psycopg://", creator=connected, pool_size=pool_size, max_overflow=OVERFLOW, pool_timeout=WAIT
    )


LOOK = 1.0
"""Seconds between two looks at who has the lock, or whether it is still ours."""

LEAD = (
    "SELECT what FROM unnest(%s::text[]) WITH ORDINALITY AS wanted(what, place) "
    "WHERE pg_try_advisory_lock(hashtextextended('skyulf projector ' || current_schema() || ' ' || what, 0))"
)
"""Try to get locks of the session; those that were got."""

NOTICED = (
    "SELECT set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false), "
    "set_config('tcp_keepalives_count', '2', false)"
)
"""Settings under which the server notices within 4 s that the holder's machine is gone; a process's end, at once."""


class PostgresLead:
    """`Lead` as locks of a session: they end with its connection, whatever becomes of the process.

    One lock is for all that a process knows: only who has it tries for those of the single projections, so that
    processes of the same code do not share them out among themselves. Safe from any thread.
    """

    def __init__(self, url: str) -> None:
        self._address = conninfo(url)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._held: frozenset[str] = frozenset()
        self._look_at = 0.0

    def held(self, codes: tuple[str, ...]) -> frozenset[str]:
        """See `Lead.held`."""
        with self._lock:
            now = time.monotonic()
            if now >= self._look_at:
                self._look_at = now + LOOK
                try:
                    self._held = self._looked(codes)
                except psycopg.Error:
                    self._let_go()
            return self._held & set(codes)

    def _looked(self, codes: tuple[str, ...]) -> frozenset[str]:
        """The locks that are ours still, and those that have just become so."""
        if self._connection is None:
            self._connection = psycopg.connect(self._address, autocommit=True)
            self._connection.execute(NOTICED)
        connection, held = self._connection, self._held
        for wanted in ((" ".join(codes),), codes):
            # Asked even where nothing is missing: it tells whether the connection, and with it the locks, is there.
            missing = [each for each in wanted if each not in held]
            held |= {what for (what,) in connection.execute(LEAD, [missing])}
            if not held:
                break
        return held

    def _let_go(self) -> None:
        self._held = frozenset()
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def give_up(self) -> None:
        """See `Lead.give_up`."""
        with self._lock:
            if self._held and self._connection is not None:
                with suppress(psycopg.Error):  # the server notices the end of a connection only after it
                    self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._let_go()
