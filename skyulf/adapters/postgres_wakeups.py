"""Wake-ups between processes, through Postgres: told after a commit, heard in a thread.

One that is lost costs latency and no event: readers look at intervals as well. Since a NOTIFY costs as much as an
append, a busy process tells only every so often, and whoever has heard one looks by itself for a while.
"""

import logging
import selectors
import socket
import threading
import time
from contextlib import closing
from typing import Any

import psycopg
from psycopg import Connection, sql

from skyulf.adapters.postgres import conninfo
from skyulf.adapters.postgres_teller import AGAIN, Teller
from skyulf.adapters.system import new_id
from skyulf.adapters.wakeups import Wakeups

SPACING = 0.05
"""Seconds between two notifications of one process; appends in between share the next."""

BEAT = 0.004
"""Seconds between two looks of a listener at the end of the log, until nothing has been told for some time."""

AWAKE = 3 * SPACING

logger = logging.getLogger(__name__)


class Notifier:
    """Tells other processes of appends, each time with ``name``, by which this process knows its own words again.

    The number of its connection would not do: once the server has dropped that, another process may be given it.
    """

    def __init__(self, url: str, channel: str) -> None:
        self.name = new_id()
        self._notify = sql.SQL("NOTIFY {}, {}").format(sql.Identifier(channel), sql.Literal(self.name))
        self._teller = Teller(url, "notifier", self._say, spacing=SPACING)

    def tell(self) -> None:
        """There is something new."""
        self._teller.tell()

    def close(self) -> None:
        """Tell what is left to be told, and end."""
        self._teller.close()

    def _say(self, connection: Connection[Any]) -> None:
        connection.execute(self._notify)


class Listener:
    """Hears of what other processes append, in a thread that is begun with the first who wants to know.

    ``ours`` is the name that this process tells its own appends with.
    """

    def __init__(self, url: str, channel: str, table: sql.Composed, wakeups: Wakeups, ours: str) -> None:
        self._url = url
        self._end = sql.SQL("SELECT max(notification_id) FROM {}").format(table)
        self._listen = sql.SQL("LISTEN {}").format(sql.Identifier(channel))
        self._wakeups = wakeups
        self._ours = ours
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop, self._stopped = socket.socketpair()
        self._closed = False

    def begin(self) -> None:
        """Listen, if that has not begun; what is appended from now on is heard of."""
        with self._lock:
            if self._thread is not None or self._closed:
                return
            listening = threading.Event()
            self._thread = threading.Thread(target=self._run, args=[listening], name="listener", daemon=True)
            self._thread.start()
        listening.wait()

    def close(self) -> None:
        """End."""
        with self._lock:
            self._closed = True
        self._stop.close()
        if self._thread is not None:
            self._thread.join()
        self._stopped.close()

    def _run(self, listening: threading.Event) -> None:
        first = True
        while not self._closed:
            try:
                with Connection.connect(conninfo(self._url), autocommit=True) as connection:
                    connection.execute(self._listen)
                    if not first:
                        self._wakeups.wake_all()  # something may have been told while nobody listened
                    first = False
                    listening.set()
                    self._hear(connection)
            except (psycopg.Error, OSError) as error:
                if first:
                    logger.warning("appends of other processes are not heard of yet: %s", type(error).__name__)
                first = False
                listening.set()
                self._wait(AGAIN)

    def _hear(self, connection: Connection[Any]) -> None:
        awake_until, end = 0.0, None
        with closing(selectors.DefaultSelector()) as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while not self._closed:
                now = time.monotonic()
                selector.select(BEAT if now < awake_until else None)
                heard = {notify.payload for notify in connection.notifies(timeout=0)}
                if heard - {self._ours}:
                    awake_until = time.monotonic() + AWAKE
                    self._wakeups.wake_all()
                elif now < awake_until:
                    before, end = end, connection.execute(self._end, prepare=True).fetchone()
                    if before != end:
                        self._wakeups.wake_all()

    def _wait(self, seconds: float) -> None:
        with closing(selectors.DefaultSelector()) as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            selector.select(seconds)
