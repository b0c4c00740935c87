"""How far the log in Postgres is settled: below the stable head nothing will ever appear, whoever crashes.

Positions come from a sequence and commit in any order, so that a position that is missing may still be on its way,
or be dead. The rule that tells them apart: whoever appends takes a RowExclusiveLock on the table of events before it
takes positions, and keeps it to its end. So once a position is seen to be missing below one that is there, whoever
may hold it is among those that hold that lock at that moment; when all of these are gone, what is missing then is
dead. Positions without a gap, which is the common case, wait for nothing. docs/decisions/0010 says what does not work.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from psycopg import Cursor, sql

from skyulf.errors import Unavailable

WINDOW = 10_000
"""Positions that are looked through for a gap at once."""

FIRST_LOOK = 0.0005
LAST_LOOK = 0.02
"""Seconds between two looks at whoever is still appending: most are gone in a millisecond."""

PATIENCE = 1.0
"""Seconds that a reader is kept waiting by a gap before it is told that there is nothing new."""

HEAD_PATIENCE = 20.0
"""Seconds for which the stable head is waited for: longer than any of our transactions may take."""

Opens = Callable[[], AbstractContextManager[Cursor[tuple[object, ...]]]]


class StableHead:
    """The stable head as far as this process has seen it; it only rises. Safe from any thread."""

    def __init__(self, cursor: Opens, schema: str, table: str = "events") -> None:
        self._cursor = cursor
        self._lock = threading.Lock()
        self._settled = 0
        place = {"schema": sql.Identifier(schema), "table": sql.Identifier(table)}
        self._look = sql.SQL(
            "SELECT (SELECT max(id) FROM (SELECT notification_id AS id, row_number() OVER (ORDER BY notification_id) "
            "AS n FROM (SELECT notification_id FROM {schema}.{table} WHERE notification_id > %(after)s "
            "ORDER BY notification_id LIMIT %(window)s) AS next) AS numbered WHERE id = %(after)s + n), "
            "(SELECT max(notification_id) FROM {schema}.{table})"
        ).format(**place).as_bytes()  # fmt: skip
        self._holders = (
            "SELECT virtualtransaction FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND granted "
            "AND mode = 'RowExclusiveLock' AND relation = %s::regclass AND database = "
            "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
        )
        self._relation = ".".join('"' + name.replace('"', '""') + '"' for name in (schema, table))

    @property
    def settled(self) -> int:
        """How far it is known to be, without a look."""
        return self._settled

    def beyond(self, position: int) -> int:
        """The stable head after a look; waits a while when all that holds it at ``position`` is a gap."""
        return self._advance(lambda head, highest: head > position or highest <= position, PATIENCE)[0]

    def whole(self) -> int:
        """The stable head once it covers all that is there now; raises `Unavailable` when that takes too long."""
        head, highest = self._advance(lambda head, highest: head >= highest, HEAD_PATIENCE)
        if head < highest:
            raise Unavailable(
                f"a transaction has held the log's table for {HEAD_PATIENCE:.0f} s, and what it writes may lie "
                f"between positions {head} and {highest}"
            )
        return head

    def _advance(self, enough: Callable[[int, int], bool], patience: float) -> tuple[int, int]:
        """The stable head, and the highest position that was there at first; looks until ``enough`` or too long."""
        with self._cursor() as cursor:
            highest = self._step(cursor)
            if highest <= self._settled:
                return self._settled, highest
            holders = self._appending(cursor)  # after `highest` was seen: whoever comes later takes higher positions
            give_up, pause = time.monotonic() + patience, FIRST_LOOK
            while holders and not enough(self._settled, highest) and time.monotonic() < give_up:
                time.sleep(pause)
                pause = min(2 * pause, LAST_LOOK)
                holders &= self._appending(cursor)
            if not holders:
                self._rise(highest)
            return self._settled, highest

    def _step(self, cursor: Cursor[tuple[object, ...]]) -> int:
        """Settle what follows without a gap; the highest position that is there."""
        after = self._settled
        cursor.execute(self._look, {"after": after, "window": WINDOW}, prepare=True)
        row = cursor.fetchone()
        assert row is not None
        dense, highest = row
        assert isinstance(dense, int | None)
        assert isinstance(highest, int | None)
        self._rise(dense or 0)
        return highest or 0

    def _appending(self, cursor: Cursor[tuple[object, ...]]) -> set[object]:
        """Every transaction that may hold positions now."""
        cursor.execute(self._holders, (self._relation,), prepare=True)
        return {holder for (holder,) in cursor}

    def _rise(self, position: int) -> None:
        with self._lock:
            self._settled = max(self._settled, position)
