"""How read models in SQL are opened: engines for SQLite and Postgres, their transactions, and who may project."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from skyulf.errors import Unavailable

T = TypeVar("T")
P = ParamSpec("P")

TRIES = 3
"""How often a list is read whose table is dropped under it."""

LOCK_TIMEOUT = 10
"""Seconds to wait for another writer's transaction on SQLite."""

PAGE_SIZE = 8_192
"""Bytes of a page in a new SQLite file: of a job's rows, 2 KB each, one of 4 KB holds one and wastes the rest."""


INSUFFICIENT_PRIVILEGE = "42501"
"""An error's class in Postgres: its manual, "PostgreSQL Error Codes"."""

SINGLE = "skyulf_single"
"""The option of a connection on which each statement is a transaction."""


def again(read: Callable[P, T]) -> Callable[P, T]:
    """Read anew when a build was found and then dropped for the one that takes its place: it had been read too late."""

    @wraps(read)
    def reading(*arguments: P.args, **options: P.kwargs) -> T:
        for _ in range(TRIES - 1):
            with suppress(ProgrammingError):
                return read(*arguments, **options)
        return read(*arguments, **options)

    return reading


def refused(error: DatabaseError) -> bool:
    """Whether the database's user lacks a right, as on tables that another user made."""
    return getattr(error.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE


class Transactions:
    """Opens transactions of an engine; a database that is not there for now is `Unavailable`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, kept when the block ends well."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the read models cannot be used now ({type(error).__name__})") from error

    @contextmanager
    def single(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction: for one that only reads, and is the only one."""
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(**{SINGLE: True})
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the read models cannot be used now ({type(error).__name__})") from error

    def dispose(self) -> None:
        """Close the connections."""
        self.engine.dispose()


class Lead(Protocol):
    """The right to keep projections up, which for each code of one (``jobs@2``) one process has at a time."""

    def held(self, codes: tuple[str, ...]) -> frozenset[str]:
        """Those that this process has, of all that it knows; tries to get the others."""
        ...

    def give_up(self) -> None:
        """Let others have them."""
        ...


class OwnedFile:
    """`Lead` over a file, which one process owns anyway."""

    def held(self, codes: tuple[str, ...]) -> frozenset[str]:
        """See `Lead.held`."""
        return frozenset(codes)

    def give_up(self) -> None:
        """See `Lead.give_up`."""


def lead_for(url: str) -> Lead:
    """The right to project into the database that ``url`` names."""
    if url.startswith("sqlite:"):
        return OwnedFile()
    from skyulf.adapters.postgres_engine import PostgresLead  # its driver is not loaded where it is not used

    return PostgresLead(url)


def engine_for(url: str, *, writes: bool, pool_size: int, apart: bool = False) -> Engine:
    """An engine for the database that ``url`` names, for one that writes or for those that only read.

    One that writes what is kept ``apart`` need not wait for those that write the rest, where the database can do that.
    """
    if url.startswith("sqlite:"):
        return sqlite_engine(url, begin="BEGIN IMMEDIATE" if writes else "BEGIN", pool_size=pool_size)
    from skyulf.adapters.postgres_engine import postgres_engine  # its driver is not loaded where it is not used

    return postgres_engine(url, writes=writes, pool_size=pool_size, apart=apart)


def sqlite_engine(url: str, *, begin: str, pool_size: int, synchronous: str = "NORMAL") -> Engine:
    """An engine for a file, whose transactions begin with ``begin``.

    Writers take the write lock at their beginning: a transaction that reads first and writes then would fail at
    once beside another writer. The log is the truth, so that read models need not survive a power cut
    (``synchronous=NORMAL``, the default): rows and checkpoint are lost together and folded again.
    """
    engine = create_engine(url, pool_size=pool_size, max_overflow=32)

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _: Any) -> None:
        dbapi_connection.isolation_level = None
        dbapi_connection.execute(f"PRAGMA busy_timeout={LOCK_TIMEOUT * 1000}")
        dbapi_connection.execute(f"PRAGMA page_size={PAGE_SIZE}")  # of a new file; before it is turned to WAL
        dbapi_connection.execute("PRAGMA journal_mode=WAL")
        dbapi_connection.execute(f"PRAGMA synchronous={synchronous}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if SINGLE not in connection.get_execution_options():
            connection.exec_driver_sql(begin)

    return engine
