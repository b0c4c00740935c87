"""Leases in Postgres, beside the log: kept by a thread of each process, judged by the database's clock."""

import logging
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import Connection, errors

from skyulf.adapters.postgres import connect, conninfo, refused
from skyulf.reactions.leases import Work

RENEWALS = 8
"""A lease is held on so many times in its length: one that is missed is made up for."""

SETTLING = 4
"""A lease has lapsed when it was seen to be nobody's over this part of its length.

After an outage of the database every lease has run out, and all who live hold theirs on within a moment.
"""

LONGEST = 60
"""Seconds that a lease has at most; one that ends later was made before the database's clock was put back."""

SESSION = (
    "SELECT set_config('statement_timeout', '5000', false), set_config('lock_timeout', '2000', false), "
    "set_config('synchronous_commit', 'off', false)"
)
"""What is lost in a crash is held on again within a moment, so that nobody need wait for the disk."""

TAKE = """
INSERT INTO skyulf_leases AS lease (what, attempt, holder, until)
SELECT what, attempt, %(holder)s, clock_timestamp() + %(seconds)s * interval '1 s'
FROM unnest(%(what)s::text[], %(attempt)s::integer[]) AS asked (what, attempt) ORDER BY what, attempt
ON CONFLICT (what, attempt) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lease.holder = excluded.holder
    OR lease.until NOT BETWEEN clock_timestamp() AND clock_timestamp() + %(longest)s * interval '1 s'
RETURNING what, attempt
"""

HELD = """
SELECT what, attempt FROM skyulf_leases
JOIN unnest(%(what)s::text[], %(attempt)s::integer[]) AS asked (what, attempt) USING (what, attempt)
WHERE until BETWEEN clock_timestamp() AND clock_timestamp() + %(longest)s * interval '1 s'
"""

RELEASE = """
DELETE FROM skyulf_leases USING unnest(%(what)s::text[], %(attempt)s::integer[]) AS asked (what, attempt)
WHERE (skyulf_leases.what, skyulf_leases.attempt) = (asked.what, asked.attempt) AND holder = %(holder)s
"""

FORGET = "DELETE FROM skyulf_leases WHERE until < clock_timestamp() - interval '1 day'"
"""What removes the rows of leases that lapsed; each start does it."""

logger = logging.getLogger(__name__)


class PostgresLeases:
    """`Leases` in the database that ``url`` names; ``holder`` tells this process from all others, for good.

    ``seconds`` is how long a lease outlives its holder. Raises `Misconfigured` when the table cannot be used.
    """

    def __init__(self, url: str, holder: str, seconds: float) -> None:
        self._address = conninfo(url)
        self._holder = holder
        self._seconds = seconds
        self._statement = threading.Lock()
        self._connection: Connection[Any] | None = None
        self._away = False
        self._lock = threading.Lock()
        self._held: set[Work] = set()
        self._unheld_since: dict[Work, float] = {}
        self._closing = threading.Event()
        with connect(url) as connection:
            try:
                connection.execute(FORGET)
            except psycopg.Error as error:
                raise refused(error) from error
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._thread.start()

    def take(self, work: Work) -> bool:
        """See `Leases.take`."""
        taken = self._run(TAKE, [work])
        if not taken:
            return False
        with self._lock:
            self._held.add(work)
        return True

    def release(self, work: Work) -> None:
        """See `Leases.release`."""
        with self._lock:
            self._held.discard(work)
        self._run(RELEASE, [work])

    def lapsed(self, asked: Collection[Work]) -> frozenset[Work]:
        """See `Leases.lapsed`."""
        held = self._run(HELD, asked) if asked else ()
        now = time.monotonic()
        with self._lock:
            if held is None:
                self._unheld_since.clear()
                return frozenset()
            unheld = frozenset(asked) - {Work(*row) for row in held} - self._held
            self._unheld_since = {work: self._unheld_since.get(work, now) for work in unheld}
            return frozenset(
                work for work, since in self._unheld_since.items() if now - since >= self._seconds / SETTLING
            )

    def close(self) -> None:
        """See `Leases.close`."""
        self._closing.set()
        self._thread.join()
        with self._statement:
            self._disconnect()

    def _keep(self) -> None:
        while not self._closing.wait(self._seconds / RENEWALS):
            self._keep_on()

    def _keep_on(self) -> None:
        """Hold on what is held; what is given up meanwhile may have been written anew, and is given up again."""
        with self._lock:
            held = tuple(self._held)
        if held:
            self._run(TAKE, held)
        with self._lock:
            late = [work for work in held if work not in self._held]
        if late:
            self._run(RELEASE, late)

    def _run(self, statement: str, works: Collection[Work]) -> list[Any] | None:
        """Run a statement over some works; the rows that it answers, or None when the database is away."""
        values = {
            "holder": self._holder,
            "seconds": self._seconds,
            "longest": LONGEST,
            "what": [work.what for work in works],
            "attempt": [work.attempt for work in works],
        }
        with self._statement:
            for last in (False, True):
                try:
                    cursor = self._connected().execute(statement, values, prepare=True)
                    rows = cursor.fetchall() if cursor.description else []
                except psycopg.Error as error:
                    broken = self._connection is not None and self._connection.broken
                    self._disconnect()
                    if broken and not last:  # it was gone before: a server that was started anew is there at once
                        continue
                    self._tell(error)
                    return None
                self._away = False
                return rows
        raise AssertionError("either of the two answers")

    def _connected(self) -> Connection[Any]:
        if self._connection is None:
            self._connection = Connection.connect(self._address, autocommit=True)
            self._connection.execute(SESSION)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _tell(self, error: psycopg.Error) -> None:
        """Say once that leases cannot be kept; a server that is away is told of by all that need it more."""
        if not self._away and not self._closing.is_set():
            away = isinstance(error, errors.OperationalError)
            logger.log(
                logging.WARNING if away else logging.ERROR,
                "leases cannot be kept now, and no job is claimed; what runs goes on: %s",
                refused(error).detail,
            )
        self._away = True
