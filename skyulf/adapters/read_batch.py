"""Changes to builds of read models in SQL, in one transaction; checkpoints are compared before they are moved."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from skyulf.adapters.read_tables import (
    BUILDS_AND_PARKS,
    MOVE,
    PARKED,
    SKIPPED,
    Statements,
    statements_on,
    table_of,
    upsert,
)
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import Build, Change, CheckpointMoved, Parked


def build_of(row: Any) -> Build:
    """The build that a row of `BUILDS` is; whether it is held, where that was asked for."""
    return Build(row.projection, row.number, row.version, row.position, row.live, bool(getattr(row, "held", False)))


class SqlBatch:
    """`BuildBatch` in a database transaction."""

    def __init__(self, connection: Connection, projection: Projection[Any], build: Build, parks: bool) -> None:
        self._connection = connection
        self._projection = projection
        self._build = build
        self._parks = parks
        self._new: set[str] = set()
        self.advanced_to: int | None = None

    @cached_property
    def _statements(self) -> Statements:
        return statements_on(table_of(self._projection, self._build.number), self._connection.dialect.name)

    @property
    def position(self) -> int:
        """See `BuildBatch.position`."""
        return self._build.position

    def rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """See `BuildBatch.rows`."""
        found = self._connection.execute(self._statements.rows, {"keys": list(keys)})
        decoder = msgspec.json.Decoder(self._projection.row)
        rows = {key: decoder.decode(text) for key, text in found}
        self._new.update(key for key in keys if key not in rows)
        return rows

    def parked(self) -> tuple[Parked, ...]:
        """See `BuildBatch.parked`."""
        return read_parked(self._connection, self._build) if self._parks else ()

    def save(self, rows: Mapping[str, Row | None], changes: Sequence[Change] = ()) -> None:  # noqa: ARG002 - of a history
        """See `BuildBatch.save`."""
        columns = tuple(self._projection.columns)
        new: list[dict[str, Any]] = []
        written: list[dict[str, Any]] = []
        gone: list[dict[str, str]] = []
        for key, row in rows.items():
            if row is None:
                gone.append({"gone": key})
                continue
            values = {column: getattr(row, column) for column in columns}
            values["key"] = key
            values["row"] = msgspec.json.encode(row).decode()
            (new if key in self._new else written).append(values)
        self._new.difference_update(rows)
        if new:
            self._statements.add(self._connection, new)
        if written:
            self._connection.execute(self._statements.upsert, written)
        if gone:
            self._connection.execute(self._statements.delete, gone)

    def park(self, events: Iterable[Parked]) -> None:
        """See `BuildBatch.park`."""
        rows = [
            {
                "projection": self._build.projection,
                "number": self._build.number,
                "position": parked.position,
                "key": parked.key,
                "stream": parked.stream,
                "error": parked.error,
                "attempts": parked.attempts,
            }
            for parked in events
        ]
        self._connection.execute(upsert(PARKED, self._connection.dialect.name), rows)
        self._parks = True

    def unpark(self, positions: Iterable[int]) -> None:
        """See `BuildBatch.unpark`."""
        gone = [{"gone": position} for position in positions]
        if gone:
            statement = delete(PARKED).where(
                PARKED.c.projection == self._build.projection,
                PARKED.c.number == self._build.number,
                PARKED.c.position == bindparam("gone"),
            )
            self._connection.execute(statement, gone)

    def skip(self, events: Mapping[int, str]) -> None:
        """See `BuildBatch.skip`."""
        build = {"projection": self._build.projection, "number": self._build.number}
        rows = [{**build, "position": position, "key": key} for position, key in events.items()]
        self._connection.execute(upsert(SKIPPED, self._connection.dialect.name), rows)

    def skipped(self) -> frozenset[int]:
        """See `BuildBatch.skipped`."""
        return frozenset(read_skipped(self._connection, self._build))

    def advance(self, position: int) -> None:
        """See `BuildBatch.advance`."""
        self.advanced_to = position

    def move(self) -> tuple[int, int] | None:
        """From where to where the checkpoint is to be moved, if it is."""
        return None if self.advanced_to is None else (self._build.position, self.advanced_to)

    @property
    def name(self) -> tuple[str, int]:
        """The projection, and the build's number."""
        return self._build.projection, self._build.number


class SqlTransaction:
    """`ReadTransaction` in a database transaction; ``batch_of`` says how builds of a projection are written."""

    def __init__(self, connection: Connection, batch_of: Callable[[Projection[Any]], type[SqlBatch]]) -> None:
        self._connection = connection
        self._batch_of = batch_of
        found = [(build_of(row), bool(row.parks)) for row in connection.execute(BUILDS_AND_PARKS)]
        self._builds = {(build.projection, build.number): (build, parks) for build, parks in found}
        self._batches: list[SqlBatch] = []

    def batch(self, projection: Projection[Any], number: int) -> SqlBatch:
        """See `ReadTransaction.batch`."""
        key = (projection.name, number)
        if key not in self._builds:
            raise CheckpointMoved(f"build {number} of {projection.name} is gone")
        made = self._batch_of(projection)(self._connection, projection, *self._builds[key])
        self._batches.append(made)
        return made

    def finish(self) -> None:
        """Move the checkpoints, all or none."""
        moves: dict[tuple[int, int], list[tuple[str, int]]] = {}
        for batch in self._batches:
            if (move := batch.move()) is not None:
                moves.setdefault(move, []).append(batch.name)
        for (before, after), builds in moves.items():
            moved = self._connection.execute(MOVE, {"builds": builds, "before": before, "after": after})
            if moved.rowcount != len(builds):
                names = ", ".join(name for name, _ in builds)
                raise CheckpointMoved(f"another projector has taken one of {names} further")


def read_parked(connection: Connection, build: Build) -> tuple[Parked, ...]:
    """The parked events of a build, in order of position."""
    found = connection.execute(
        select(PARKED.c.position, PARKED.c.key, PARKED.c.stream, PARKED.c.error, PARKED.c.attempts)
        .where(PARKED.c.projection == build.projection, PARKED.c.number == build.number)
        .order_by(PARKED.c.position)
    )
    return tuple(Parked(*row) for row in found)


def read_skipped(connection: Connection, build: Build) -> tuple[int, ...]:
    """The positions that a build leaves out, in order."""
    its = (SKIPPED.c.projection == build.projection, SKIPPED.c.number == build.number)
    return tuple(connection.execute(select(SKIPPED.c.position).where(*its).order_by(SKIPPED.c.position)).scalars())
