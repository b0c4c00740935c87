"""Tables of which there is no other copy, SQLite or Postgres, through SQLAlchemy Core: what is committed is durable."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from skyulf.adapters.read_engines import sqlite_engine
from skyulf.errors import Damaged, Misconfigured, Unavailable


class DurableTables:
    """The tables of ``metadata`` in the database that ``url`` names; ``what`` is how errors call what is in them.

    On Postgres they are made by ``skyulf migrate``; a SQLite file gets what it lacks here, when it is to be written.
    Raises `Damaged` where a file is none of SQLite.
    """

    def __init__(self, url: str, metadata: MetaData, what: str, *, writing: bool = True) -> None:
        self._what = what
        self.embedded = url.startswith("sqlite:")
        self.engine = _engine_for(url)
        if writing and self.embedded:
            try:
                with self.engine.begin() as connection:
                    metadata.create_all(connection)
            except DBAPIError as error:
                self.engine.dispose()
                raise Damaged(f"{what} cannot be opened: {error.orig}") from error

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, durable when the block ends well; raises `Misconfigured` and `Unavailable`."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except ProgrammingError as error:
            raise Misconfigured(
                f"SKYULF_DATABASE_URL: the tables of {self._what} cannot be used ({type(error.orig).__name__}); "
                "skyulf migrate makes them, and with --role gives a user the rights"
            ) from error
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"{self._what} cannot be used now ({type(error).__name__})") from error

    def dispose(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def _engine_for(url: str) -> Engine:
    """An engine whose transactions are durable: what is written there must be there after any crash."""
    if url.startswith("sqlite:"):
        return sqlite_engine(url, begin="BEGIN", pool_size=2, synchronous="FULL")
    from skyulf.adapters.postgres_engine import durable_engine  # its driver is not loaded where it is not used

    return durable_engine(url, pool_size=1)
