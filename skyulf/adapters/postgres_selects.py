"""The statements that read the log in Postgres, put together once: doing so costs more than sending them."""

from functools import lru_cache
from typing import Any

from psycopg import sql

from skyulf.adapters.postgres_schema import TYPE_OF_TOPIC

COLUMNS = sql.SQL("notification_id, originator_id, originator_version, topic, state")
BETWEEN = sql.SQL("notification_id > %s AND notification_id <= %s")
TYPE = sql.SQL(TYPE_OF_TOPIC)


class Selects:
    """Statements over the table of events in a schema."""

    def __init__(self, schema: str) -> None:
        table = sql.SQL("{}.events").format(sql.Identifier(schema))
        self._events = sql.SQL("SELECT {} FROM {} ").format(COLUMNS, table)
        self.load = sql.SQL(
            "SELECT {} FROM unnest(%s::text[], %s::bigint[]) AS wanted (stream, version) JOIN {} "
            "ON originator_id = stream AND originator_version > version ORDER BY originator_id, originator_version"
        ).format(COLUMNS, table).as_bytes()  # fmt: skip
        self.command = (self._events + sql.SQL("WHERE actor = %s AND command_id = %s ORDER BY ordinal")).as_bytes()
        self.examine = (
            sql.SQL(
                "SELECT notification_id, convert_to(originator_id, 'UTF8'), originator_version, "
                "convert_to(topic, 'UTF8'), state, convert_to(actor, 'UTF8'), convert_to(command_id, 'UTF8'), ordinal "
                "FROM {} WHERE {} ORDER BY notification_id LIMIT %s"
            )
            .format(table, BETWEEN)
            .as_bytes()
        )
        self._page = lru_cache(maxsize=64)(self._made)

    def page(
        self, after: int, stop: int, limit: int, types: tuple[str, ...], stream: str | None
    ) -> tuple[bytes, list[Any]]:
        """The statement for a page, and its parameters."""
        statement = self._page(bool(types), stream is not None)
        if stream is not None:
            return statement, [stream, after, stop, *([list(types)] if types else []), limit]
        return statement, [after, stop, *([list(types)] if types else []), limit]

    def _made(self, types: bool, of_stream: bool) -> bytes:
        """Of some types: by position past the others where they are many, by the index on types where they are few.

        Which, the server tells by its statistics and by the parameters, so that it must plan each page anew: a plan
        that is kept would read to the end of the log for every page. A stream's versions are in the order of their
        positions; asked for by them, it is found by its own index whatever the statistics say.
        """
        among = sql.SQL("AND {} = ANY(%s) ").format(TYPE) if types else sql.SQL("")
        if of_stream:
            where = sql.SQL("WHERE originator_id = %s AND {} {}ORDER BY originator_version LIMIT %s")
            return (self._events + where.format(BETWEEN, among)).as_bytes()
        where = sql.SQL("WHERE {} {}ORDER BY notification_id LIMIT %s")
        return (self._events + where.format(BETWEEN, among)).as_bytes()
