"""Rows of read models in Postgres: many that are new are copied, which costs either side far less than statements."""

from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from skyulf.adapters.read_tables import Inserts

COPIED_FROM = 20
"""So many rows at least are copied: to begin a copy is a round trip of its own."""


class PostgresInserts(Inserts):
    """`Inserts` on a table in Postgres."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, "postgresql")
        self._columns = tuple(table.c)
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table.name), sql.SQL(", ").join(sql.Identifier(column.name) for column in table.c)
        )

    def add(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """See `Inserts.add`."""
        if len(rows) < COPIED_FROM:
            super().add(connection, rows)
            return
        for column in self._columns:
            bound = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
            if bound is not None:
                for row in rows:
                    row[column.name] = bound(row[column.name])
        names = [column.name for column in self._columns]
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(self._copy) as copy:
                for row in rows:
                    copy.write_row([row[name] for name in names])
        except psycopg.Error as error:  # as SQLAlchemy has those of its statements
            raise DBAPIError.instance(
                self._copy.as_string(), None, error, psycopg.Error, dialect=connection.dialect
            ) from error
