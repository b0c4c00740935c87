"""How far the rows have got, between processes through Postgres: told after the commit, and heard in a thread.

Who waits for a position in one process hears within a millisecond or two that the projector in another has got there.
A word that is lost costs latency only: who waits looks for himself at intervals as well.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import psycopg
from psycopg import Connection, sql

from skyulf.adapters.postgres import conninfo
from skyulf.adapters.postgres_teller import AGAIN, Teller

CHANNEL = "SELECT 'skyulf_rows_' || 'events'::regclass::oid"
"""A channel for each schema that has a log."""


class ProgressTeller:
    """Tells other processes of what this one projects."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._positions: dict[str, int] = {}
        self._channel = ""
        self._teller = Teller(url, "progress", self._say, self._greet)

    def moved(self, projection: str, position: int) -> None:
        """The live rows of a projection's code (``jobs@2``) have got to a position."""
        with self._lock:
            self._positions[projection] = position
        self._teller.tell()

    def close(self) -> None:
        """End."""
        self._teller.close()

    def _greet(self, connection: Connection[Any]) -> None:
        self._channel = channel_of(connection)

    def _say(self, connection: Connection[Any]) -> None:
        with self._lock:
            positions, self._positions = self._positions, {}
        if positions:
            words = msgspec.json.encode(positions).decode()
            try:
                connection.execute("SELECT pg_notify(%s, %s)", [self._channel, words], prepare=True)
            except psycopg.Error:
                with self._lock:
                    self._positions = {**positions, **self._positions}
                raise


class ProgressListener:
    """Hears in a thread how far the projector of another process has got, and passes it on to ``moved``."""

    def __init__(self, url: str, moved: Callable[[str, int], None]) -> None:
        self._address = conninfo(url)
        self._moved = moved
        self._stop, self._stopped = socket.socketpair()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._closing.set()
        self._stop.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._stopped.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with Connection.connect(self._address, autocommit=True) as connection:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel_of(connection))))
                    self._hear(connection)
            except (psycopg.Error, OSError):
                self._closing.wait(AGAIN)

    def _hear(self, connection: Connection[Any]) -> None:
        with closing(selectors.DefaultSelector()) as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while not self._closing.is_set():
                selector.select()
                for notify in connection.notifies(timeout=0):
                    for projection, position in msgspec.json.decode(notify.payload, type=dict[str, int]).items():
                        self._moved(projection, position)


def channel_of(connection: Connection[Any]) -> str:
    """The channel of the schema that the connection works in."""
    row = connection.execute(CHANNEL).fetchone()
    assert row is not None
    return str(row[0])
