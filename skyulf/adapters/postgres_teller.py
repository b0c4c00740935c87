"""Tells other processes something through Postgres, after a commit and never within it, from a thread of its own.

A NOTIFY within an append would make all commits wait for each other. Told afterwards it may get lost with its
process, which costs whoever listens latency and nothing else: he looks for himself at intervals as well.
"""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Connection

from skyulf.adapters.postgres import conninfo

AGAIN = 0.5
"""Seconds between two tries to be connected."""


class Teller:
    """Calls ``say`` with a connection soon after there is news, and at most every ``spacing`` seconds.

    Whatever the connection was lost with is said again on the next one.
    ``name`` is the thread's, which is begun with the first news; ``greet`` is called with each new connection.
    """

    def __init__(
        self,
        url: str,
        name: str,
        say: Callable[[Connection[Any]], None],
        greet: Callable[[Connection[Any]], None] = lambda _: None,
        spacing: float = 0.0,
    ) -> None:
        self._address = conninfo(url)
        self._name = name
        self._say = say
        self._greet = greet
        self._spacing = spacing
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def tell(self) -> None:
        """There is something new."""
        self._news.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._stopping.is_set():
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Tell what is left to be told, and end."""
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
                    self._greet(connection)
                    self._follow(connection)
            except psycopg.Error:
                self._news.set()
                self._stopping.wait(AGAIN)

    def _follow(self, connection: Connection[Any]) -> None:
        while True:
            self._news.wait()
            ending = self._stopping.is_set()
            self._news.clear()
            self._say(connection)
            if ending:
                return
            self._stopping.wait(self._spacing)
