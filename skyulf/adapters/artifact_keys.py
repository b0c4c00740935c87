"""The keys of datasets, and which of their artifacts are kept under which name; SQLite or Postgres.

Outside of the log, since a key that is destroyed must not be anywhere else: a file of its own beside it, or on Postgres
tables of their own, made by ``skyulf migrate``.
"""

import secrets
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Column, Index, LargeBinary, MetaData, String, Table, delete, event, select, update

from skyulf.adapters.durable_tables import DurableTables
from skyulf.adapters.read_engines import SINGLE
from skyulf.adapters.read_tables import upsert
from skyulf.errors import Erased

KEY_BYTES = 32

metadata = MetaData()

KEYS = Table(
    "skyulf_dataset_keys",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("key", LargeBinary),
)
"""A row for each dataset that was ever kept; without a key for one that was erased."""

ENCRYPTED = Table(
    "skyulf_encrypted",
    metadata,
    Column("digest", String, primary_key=True),
    Column("dataset", String, primary_key=True),
    Column("stored", String, nullable=False),
)
"""Under which digest the encrypted form of an artifact is stored; empty for one that was erased as it was."""

Index("skyulf_encrypted_dataset", ENCRYPTED.c.dataset)


class Kept(NamedTuple):
    """An artifact as it is kept for a dataset: the digest of its encrypted form, and the key, None once erased."""

    digest: str
    dataset: str
    stored: str
    key: bytes | None


class ArtifactKeys:
    """The tables of keys in the database that ``url`` names; errors are those of `DurableTables`."""

    def __init__(self, url: str, *, writing: bool = True) -> None:
        self._tables = DurableTables(url, metadata, "the keys of artifacts", writing=writing)
        self._begin = self._tables.begin
        if self._tables.embedded:

            @event.listens_for(self._tables.engine, "connect")
            def connected(dbapi_connection: object, _: object) -> None:
                dbapi_connection.execute("PRAGMA secure_delete=ON")  # type: ignore[attr-defined]

    def key(self, dataset: str) -> bytes:
        """The key of a dataset, made with the first artifact; raises `Erased`."""
        wanted = select(KEYS.c.key).where(KEYS.c.dataset == dataset)
        with self._begin() as connection:
            found = connection.execute(wanted).first()
            if found is None:
                row = {"dataset": dataset, "key": secrets.token_bytes(KEY_BYTES)}
                connection.execute(upsert(KEYS, connection.dialect.name, keep=True), row)
                found = connection.execute(wanted).one()
        if found.key is None:
            raise Erased(f"{dataset} was erased")
        return bytes(found.key)

    def find(self, digest: str) -> tuple[Kept, ...]:
        """For whom an artifact is kept encrypted, those whose data was erased last."""
        return self._kept(ENCRYPTED.c.digest == digest)

    def of(self, dataset: str) -> tuple[Kept, ...]:
        """Every artifact that is, or was, kept encrypted for a dataset."""
        return self._kept(ENCRYPTED.c.dataset == dataset)

    def all(self) -> tuple[Kept, ...]:
        """Every artifact that is, or was, kept encrypted."""
        return self._kept()

    def add(self, digest: str, dataset: str, stored: str) -> str | None:
        """Remember under which digest the encrypted form of an artifact is stored; what that was before, if anything.

        Of two that add the same at once, both may be told None: what nothing names then is collected in time.
        """
        before = select(ENCRYPTED.c.stored).where(ENCRYPTED.c.digest == digest, ENCRYPTED.c.dataset == dataset)
        with self._begin() as connection:
            found: str | None = connection.execute(before.with_for_update()).scalar()
            row = {"digest": digest, "dataset": dataset, "stored": stored}
            connection.execute(upsert(ENCRYPTED, connection.dialect.name), row)
        return found or None

    def forget(self, kept: Kept) -> None:
        """Forget an artifact that is kept no longer, unless it was put again meanwhile."""
        those = (ENCRYPTED.c.digest == kept.digest, ENCRYPTED.c.dataset == kept.dataset)
        with self._begin() as connection:
            connection.execute(delete(ENCRYPTED).where(*those, ENCRYPTED.c.stored == kept.stored))

    def destroy(self, dataset: str, plain: Iterable[str]) -> None:
        """Make an end of a dataset's key, and note artifacts that were not encrypted as gone with it.

        Of the row as it was nothing is left in a SQLite file; on Postgres it is what `VACUUM` clears away.
        """
        with self._begin() as connection:
            dialect = connection.dialect.name
            connection.execute(upsert(KEYS, dialect, keep=True), {"dataset": dataset, "key": None})
            connection.execute(update(KEYS).where(KEYS.c.dataset == dataset).values(key=None))
            if rows := [{"digest": digest, "dataset": dataset, "stored": ""} for digest in plain]:
                connection.execute(upsert(ENCRYPTED, dialect, keep=True), rows)
        if self._tables.embedded:
            with self._tables.engine.connect() as connection:
                connection.execution_options(**{SINGLE: True}).exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the database."""
        self._tables.dispose()

    def _kept(self, *which: object) -> tuple[Kept, ...]:
        wanted = (
            select(ENCRYPTED.c.digest, ENCRYPTED.c.dataset, ENCRYPTED.c.stored, KEYS.c.key)
            .join(KEYS, KEYS.c.dataset == ENCRYPTED.c.dataset)
            .where(*which)  # type: ignore[arg-type]
            .order_by(KEYS.c.key.is_(None), ENCRYPTED.c.dataset)
        )
        with self._begin() as connection:
            rows = connection.execute(wanted).all()
        return tuple(Kept(row.digest, row.dataset, row.stored, row.key and bytes(row.key)) for row in rows)
