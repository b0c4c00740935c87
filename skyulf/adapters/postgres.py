"""Connections to Postgres: what every one of ours is set to, and what its errors mean to whoever runs the system."""

import logging
from typing import Any

import psycopg
from psycopg import Connection, errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout

from skyulf.errors import Misconfigured, SkyulfError, Unavailable

logger = logging.getLogger(__name__)

INSUFFICIENT_RESOURCES = "53"
"""A class of errors, each with a type of its own: the Postgres manual, "PostgreSQL Error Codes"."""

DISK_SECONDS = 10
"""Seconds after which who met a full disk may ask again."""

SETTING = "SKYULF_DATABASE_URL"

SCHEMES = ("postgresql", "postgres")

CONNECT_TIMEOUT = 5
"""Seconds that a connection may take to be made."""

DEFAULTS: dict[str, Any] = {
    "application_name": "skyulf",
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How a server is noticed that has gone without a word, unless the URL says otherwise: libpq, "Parameter Key Words"."""

STATEMENT_TIMEOUT = 10_000
LOCK_TIMEOUT = 5_000
IDLE_TIMEOUT = 5_000
"""Milliseconds after which the server ends a statement, a wait for a lock, a transaction that says nothing."""

TRANSACTION_TIMEOUT = 15_000
"""Milliseconds that a whole transaction may take, where the server can see to that (Postgres 17)."""

SESSION = {
    "statement_timeout": STATEMENT_TIMEOUT,
    "lock_timeout": LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": IDLE_TIMEOUT,
    "default_transaction_isolation": "read committed",
    "jit": "off",
    "max_parallel_workers_per_gather": 0,
}
"""What sessions that append and read are set to. Readers wait for appenders that hold positions, so that none may
hold them for long; the guard of an append looks at what was committed while it waited for its locks."""


def conninfo(url: str) -> str:
    """The URL with our defaults; raises `Misconfigured` when it is none. What it returns holds the password."""
    try:
        return make_conninfo(**{**DEFAULTS, **conninfo_to_dict(url), "client_encoding": "UTF8"})
    except psycopg.ProgrammingError:  # what it says may hold a part of the password
        raise Misconfigured(
            f"{SETTING}: this is not a Postgres URL, such as postgresql://USER:PASSWORD@HOST:5432/DATABASE; "
            "signs like @ : / % in a password are written as %40 %3A %2F %25"
        ) from None


def shown(url: str) -> str:
    """The URL as it may be shown: where the database is, without who uses it."""
    parts = conninfo_to_dict(conninfo(url))
    host = parts.get("host") or "localhost"
    return f"postgresql://{host}:{parts.get('port') or 5432}/{parts.get('dbname') or parts.get('user') or ''}"


def connect(url: str, **options: Any) -> Connection[Any]:
    """The first connection of a process, which commits each statement by itself.

    Raises `Misconfigured` when there is none to be had: whatever is wrong, at the start a person sees to it.
    """
    try:
        return Connection.connect(conninfo(url), autocommit=True, **options)
    except psycopg.Error as error:
        why = first_line(error).removeprefix("connection failed: ")
        raise Misconfigured(f"{SETTING}: the database cannot be connected to: {why}") from None


def warn_of_loss(connection: Connection[Any]) -> None:
    """Say so where the server is set to lose what it has acknowledged: that cannot be mended from here."""
    statement = (
        "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY 1"
    )
    for (name,) in connection.execute(statement):
        logger.warning(
            "the Postgres server runs with %s=off: if its machine goes down, commands that were acknowledged may be "
            "lost; set %s = on in its postgresql.conf",
            name,
            name,
        )


def prepare_session(connection: Connection[Any]) -> None:
    """Set a new connection to `SESSION`, and see that a commit of it is on the disk when it returns."""
    wanted = dict(SESSION)
    if connection.info.server_version >= 17_00_00:
        wanted["transaction_timeout"] = TRANSACTION_TIMEOUT
    settings = [sql.SQL("set_config({}, {}, false)").format(name, str(value)) for name, value in wanted.items()]
    durable = "WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false)"
    settings.append(sql.SQL("CASE {} END").format(sql.SQL(durable)))
    # One statement, since each is a round trip.
    connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(settings)))


def first_line(error: BaseException) -> str:
    """What an error says, without the lines that repeat the statement."""
    return str(error).strip().partition("\n")[0]


def lost(error: BaseException) -> bool:
    """Whether an error means that the connection is gone, so that it is not known what became of the statement.

    Where the server says what it lacks, such as room on its disk, or what it did not wait for, it has undone the
    statement.
    """
    definite = (errors.LockNotAvailable, errors.QueryCanceled, errors.TransactionRollback)
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or isinstance(error, definite):
        return False
    return not (getattr(error, "sqlstate", None) or "").startswith(INSUFFICIENT_RESOURCES)


def refused(error: BaseException) -> SkyulfError:
    """An error of Postgres as one of ours: what an operator must mend, or what will pass. Holds no password."""
    said = first_line(error)
    match error:
        case errors.InsufficientPrivilege():
            return Misconfigured(
                f"{SETTING}: its user lacks a right ({said}); skyulf migrate --role grants what is needed"
            )
        case errors.UndefinedTable() | errors.UndefinedFunction() | errors.InvalidSchemaName():
            return Misconfigured(f"{SETTING}: the database lacks Skyulf's tables ({said}); run skyulf migrate")
        case errors.DiskFull():
            return Unavailable(f"the database's disk is full, make room there ({said})", DISK_SECONDS)
        case PoolTimeout():
            return Unavailable("the database does not answer: no connection to it could be had")
    return Unavailable(f"the database cannot be used now: {said}")
