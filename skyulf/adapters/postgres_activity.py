"""What is going on in the database, for who watches over it."""

import threading
from contextlib import suppress
from typing import Any

import psycopg

from skyulf.adapters.postgres import conninfo

OLDEST = (
    "SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8 "
    "FROM pg_catalog.pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
"""Of what other users do, Postgres shows that only to members of pg_read_all_stats."""

TIMEOUT = "SET statement_timeout = 2000"


class PostgresActivity:
    """Looks at the sessions of the database that ``url`` names, over a connection of its own; safe from any thread."""

    def __init__(self, url: str) -> None:
        self._address = conninfo(url)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def oldest_transaction(self) -> float:
        """Seconds for which the oldest transaction has been open; 0 where there is none. Raises `psycopg.Error`."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._address, autocommit=True)
                    self._connection.execute(TIMEOUT)
                row = self._connection.execute(OLDEST).fetchone()
            except psycopg.Error:
                self._let_go()
                raise
        return max(0.0, row[0]) if row else 0.0

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
