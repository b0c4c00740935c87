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

AGAIN = 0.5
"""Seconds between two tries to be connected."""

CHANNEL = "SELECT 'skyulf_rows_' || 'events'::regclass::oid"
"""A channel for each schema that has a log."""


class ProgressTeller:
    """Tells other processes of what this one projects, from a thread that is begun with the first word."""

    def __init__(self, url: str) -> None:
        self._address = conninfo(url)
        self._lock = threading.Lock()
        self._positions: dict[str, int] = {}
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def moved(self, projection: str, position: int) -> None:
        """The live rows of a projection's code (``jobs@2``) have got to a position."""
        with self._lock:
            self._positions[projection] = position
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
                self._thread.start()
        self._news.set()

    def close(self) -> None:
        """End."""
        with self._lock:
            self._stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with Connection.connect(self._address, autocommit=True) as connection:
                    connection.execute("SET synchronous_commit = off")
                    self._follow(connection, channel_of(connection))
            except psycopg.Error:
                self._stopping.wait(AGAIN)

    def _follow(self, connection: Connection[Any], channel: str) -> None:
        while True:
            self._news.wait()
            if self._stopping.is_set():
                return
            self._news.clear()
            with self._lock:
                positions, self._positions = self._positions, {}
            if positions:
                words = msgspec.json.encode(positions).decode()
                connection.execute("SELECT pg_notify(%s, %s)", [channel, words], prepare=True)


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
