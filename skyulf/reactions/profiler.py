"""What a sandbox does with tables: profile one, or compare two, or one with what was served."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from skyulf.core.columns import ColumnFacts

NICENESS = 10
"""Predictions and jobs come first; somebody waits for this all the same."""

BATCH = 1 << 16
"""Rows that are looked at together, of tables that are not very wide."""

CELLS = 1 << 22
"""Cells that are looked at together at most."""

FEW = 1_000
"""Different texts up to which a column is read as its dictionary."""


@dataclass(frozen=True, slots=True)
class Table:
    """A typed table: its file, its rows, and the facts of its columns as plain values."""

    path: str
    rows: int
    columns: tuple[dict[str, Any], ...]

    def facts(self) -> list[ColumnFacts]:
        """The facts of its columns."""
        return [ColumnFacts(**column) for column in self.columns]


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profile that was written; ``warnings`` hold rules and names of columns, and no value."""

    sampled: int
    warnings: list[dict[str, Any]]


def profile_table(_: Callable[[Any], None], table: Table, target: str) -> Profiled:
    """Write a table's profile, as JSON."""
    os.nice(NICENESS)
    from skyulf.core.profile import profile

    facts = table.facts()
    with _batches(table, facts) as batches:
        document = profile(batches, facts, table.rows)
    Path(target).write_bytes(orjson.dumps(document))
    return Profiled(document["sample"]["rows"], document["warnings"])


def compare_tables(_: Callable[[Any], None], reference: Table, current: Table) -> bytes:
    """How far the columns of a table have moved from those of another, as JSON."""
    os.nice(NICENESS)
    from skyulf.core.drift import drift

    return orjson.dumps(drift(_sample(reference), _sample(current)))


def compare_served(_: Callable[[Any], None], reference: Table, parts: tuple[str, ...], target: str) -> bytes:
    """How far what was predicted, and the predictions, have moved from the table that was trained on, as JSON."""
    os.nice(NICENESS)
    from skyulf.core.drift import drift
    from skyulf.core.served import served_sample

    current = served_sample(parts, target)
    return orjson.dumps(drift(_sample(reference, frozenset(current.types)), current))


def _sample(table: Table, only: frozenset[str] | None = None) -> Any:
    """A sample of a table, of ``only`` some of its columns."""
    from skyulf.core.drift import Sample
    from skyulf.core.row_sample import sampled

    facts = [one for one in table.facts() if only is None or one.name in only]
    with _batches(table, facts) as batches:
        columns = sampled(batches, [one.name for one in facts], table.rows)
    return Sample(columns, {one.name: one.type for one in facts}, table.rows)


@contextmanager
def _batches(table: Table, facts: list[ColumnFacts]) -> Iterator[Iterator[Any]]:
    import pyarrow.parquet as pq

    encoded = [one.name for one in facts if one.type == "string" and one.distinct <= FEW]
    rows = max(1, min(BATCH, CELLS // max(1, len(facts))))
    with pq.ParquetFile(table.path, read_dictionary=encoded, pre_buffer=False, buffer_size=1 << 20) as file:
        names = [one.name for one in facts]
        read = file.iter_batches(rows, columns=names, use_threads=False)
        yield (batch.select(names) for batch in read)  # one that is called a.b is read with a as well
