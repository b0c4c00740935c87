"""Webhooks' progress and secrets in a SQL database, SQLite or Postgres, through SQLAlchemy Core.

A webhook is a row, what waits stands in it as JSON: it is written as one. On Postgres the tables are made by ``skyulf
migrate``; on SQLite they have a file of their own, which its owner alone may read.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, MetaData, Row, String, Table, delete, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from skyulf.adapters.read_engines import sqlite_engine
from skyulf.adapters.read_tables import upsert
from skyulf.errors import Damaged, Misconfigured, Unavailable
from skyulf.events.delivery_store import Progress, Waiting

metadata = MetaData()

DELIVERIES = Table(
    "skyulf_deliveries",
    metadata,
    Column("webhook", String, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("waiting", String, nullable=False),
)

SECRETS = Table(
    "skyulf_webhook_secrets",
    metadata,
    Column("hash", String, primary_key=True),
    Column("secret", String, nullable=False),
)

OWNERS_ALONE = 0o600

_decoder = msgspec.json.Decoder(tuple[Waiting, ...])


class SqlDeliveryStore:
    """`DeliveryStore` in the Postgres that ``target`` names, or in the SQLite file that it is.

    Raises `Damaged` where a file is none of SQLite, or not ours to read.
    """

    def __init__(self, target: str | Path) -> None:
        self._engine = _engine_for(target)
        if isinstance(target, Path):
            try:
                with self._engine.begin() as connection:
                    metadata.create_all(connection)
            except DBAPIError as error:
                self._engine.dispose()
                raise Damaged(f"{target} cannot be opened: {error.orig}") from error

    def load(self, webhook: str) -> Progress | None:
        """See `DeliveryStore.load`."""
        with self._begin() as connection:
            row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.webhook == webhook)).first()
        return None if row is None else _progress(row)

    def load_all(self) -> dict[str, Progress]:
        """See `DeliveryStore.load_all`."""
        with self._begin() as connection:
            rows = connection.execute(select(DELIVERIES)).all()
        return {row.webhook: _progress(row) for row in rows}

    def save(self, webhook: str, progress: Progress) -> None:
        """See `DeliveryStore.save`."""
        kept = {
            "webhook": webhook,
            "epoch": progress.epoch,
            "position": progress.position,
            "waiting": msgspec.json.encode(progress.waiting).decode(),
        }
        with self._begin() as connection:
            connection.execute(upsert(DELIVERIES, connection.dialect.name), kept)

    def keep_secret(self, secret_hash: str, secret: str) -> None:
        """See `DeliveryStore.keep_secret`."""
        with self._begin() as connection:
            connection.execute(upsert(SECRETS, connection.dialect.name), {"hash": secret_hash, "secret": secret})

    def secret(self, secret_hash: str) -> str | None:
        """See `DeliveryStore.secret`."""
        with self._begin() as connection:
            return connection.execute(select(SECRETS.c.secret).where(SECRETS.c.hash == secret_hash)).scalar()

    def known(self, hashes: Collection[str]) -> frozenset[str]:
        """See `DeliveryStore.known`."""
        with self._begin() as connection:
            return frozenset(connection.execute(select(SECRETS.c.hash).where(SECRETS.c.hash.in_(hashes))).scalars())

    def forget(self, webhook: str | None = None, secrets: Iterable[str] = ()) -> None:
        """See `DeliveryStore.forget`."""
        with self._begin() as connection:
            if webhook is not None:
                connection.execute(delete(DELIVERIES).where(DELIVERIES.c.webhook == webhook))
            connection.execute(delete(SECRETS).where(SECRETS.c.hash.in_(list(secrets))))

    def close(self) -> None:
        """See `DeliveryStore.close`."""
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except ProgrammingError as error:
            raise Misconfigured(
                f"SKYULF_DATABASE_URL: the tables of webhooks cannot be used ({type(error.orig).__name__}); "
                "skyulf migrate makes them, and with --role gives a user the rights"
            ) from error
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the tables of webhooks cannot be used now ({type(error).__name__})") from error


def _progress(row: Row[Any]) -> Progress:
    return Progress(row.epoch, row.position, _decoder.decode(row.waiting))


def _engine_for(target: str | Path) -> Engine:
    """An engine whose transactions are durable: a secret that was shown must be there after any crash."""
    if isinstance(target, Path):
        # Made before SQLite makes it: the files beside it get the rights that this one has.
        os.close(os.open(target, os.O_RDWR | os.O_CREAT, OWNERS_ALONE))
        return sqlite_engine(f"sqlite:///{target.absolute()}", begin="BEGIN IMMEDIATE", pool_size=2, synchronous="FULL")
    from skyulf.adapters.postgres_engine import durable_engine  # its driver is not loaded where it is not used

    return durable_engine(target, pool_size=1)
