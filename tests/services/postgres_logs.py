"""Logs in a Postgres for tests, each empty and in a schema of its own."""

from builders import sequential_ids

from services.postgres import Databases
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_schema import migrate


class PostgresLogs:
    """Opens empty logs; a schema whose log has been closed is emptied and used again, since making one takes long."""

    def __init__(self, made: Databases) -> None:
        self._databases = made
        self._free: list[str] = []
        self._used: list[tuple[str, PostgresEventLog]] = []

    def url(self) -> str:
        """The URL of a migrated, empty schema."""
        for used in [used for used in self._used if used[1]._datastore.pool.closed]:
            self._used.remove(used)
            self._free.append(used[0])
        if not self._free:
            url = self._databases.schema()
            with connect(url) as connection:
                migrate(connection)
            return url
        url = self._free.pop()
        with connect(url) as connection:
            connection.execute("SET session_replication_role = replica")  # else the trigger would keep the events
            connection.execute("DELETE FROM events")
            connection.execute("ALTER SEQUENCE events_notification_id_seq RESTART")
        return url

    def __call__(self) -> PostgresEventLog:
        url = self.url()
        self._used.append((url, PostgresEventLog(url, sequential_ids())))
        return self._used[-1][1]
