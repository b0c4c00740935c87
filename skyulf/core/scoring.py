"""Predicts every row of a typed table, a part at a time, into a file of predictions in the same order.

However large the table is, a part of it and the model are all that memory holds. The same model and table give the same
bytes, so that a file made twice is kept once.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from skyulf.core.applier import Applier
from skyulf.core.arrow_cells import columns_of, prediction_columns
from skyulf.core.columns import ColumnFacts
from skyulf.core.formats import LoadedModel
from skyulf.core.rows import RowReader
from skyulf.core.state import InputColumn
from skyulf.errors import Invalid, ScoringFailed

Format = Literal["parquet", "csv"]

ROWS = 1 << 14
"""Rows that are predicted together, of tables that are not very wide."""

CELLS = 1 << 21
"""Cells that are predicted together at most."""

GROUP = 1 << 17
"""Rows that are written together: a row group of Parquet."""

MOST_TOLD = 20

_TAKES = {
    "integer": {"integer", "number"},
    "number": {"integer", "number"},
    "boolean": {"boolean"},
    "string": {"string"},
    "date": {"date", "datetime", "string"},
    "datetime": {"date", "datetime", "string"},
}
"""Which types of a table's column a model's column takes: those that it takes of an Arrow stream."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What was written: rows, how many of them have no finite prediction, and the seconds of each part of the work."""

    rows: int
    missing: int
    timings: dict[str, float]


class _Clock:
    """Adds up the seconds of the parts of a work that alternate."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("read", "predict", "write"), 0.0)
        self._since = time.perf_counter()

    def was(self, part: str) -> None:
        """All since the last call was this part."""
        now = time.perf_counter()
        self.seconds[part] += now - self._since
        self._since = now


def score_table(
    model: LoadedModel,
    table: str | Path,
    facts: Sequence[ColumnFacts],
    target: Path,
    form: Format,
    keep: Sequence[str] = (),
    told: Callable[[float], None] = lambda _: None,
) -> Scored:
    """Write ``keep``, columns of the table, and the predictions (`prediction_columns`) of all its rows to ``target``.

    ``told`` hears how much is done, from 0 to 1. Raises `ScoringFailed` where the table does not fit the model.
    """
    applier, reader = Applier(model), RowReader(model.input_schema)
    wanted = list(dict.fromkeys([*(column.name for column in model.input_schema), *keep]))
    clock = _Clock()
    at = missing = 0
    writer: Any = None
    waiting: list[Any] = []
    with pq.ParquetFile(table, pre_buffer=False, buffer_size=1 << 20) as file:
        rows = file.metadata.num_rows
        check(model.input_schema, facts, rows)
        try:
            for batch in file.iter_batches(_rows_of(len(wanted)), columns=wanted, use_threads=False):
                part = pa.Table.from_batches([batch])
                clock.was("read")
                predicted = _predicted(applier, reader, part, keep, at)
                clock.was("predict")
                at += batch.num_rows
                missing += predicted["prediction"].null_count
                waiting.append(predicted)
                if writer is None:
                    writer = _writer(form, target, predicted.schema)
                if sum(each.num_rows for each in waiting) >= GROUP:
                    _write(writer, waiting)
                clock.was("write")
                told(at / rows)
            if waiting:
                _write(writer, waiting)
        finally:
            if writer is not None:
                writer.close()
    clock.was("write")
    return Scored(at, missing, clock.seconds)


def _rows_of(columns: int) -> int:
    return max(1, min(ROWS, CELLS // max(1, columns)))


def _predicted(applier: Applier, reader: RowReader, part: Any, keep: Sequence[str], begin: int) -> Any:
    """What is written of a part of the table, whose first row is the table's row ``begin``."""
    try:
        columns = columns_of(part, reader)
    except Invalid as error:
        raise ScoringFailed(f"{error.detail}: {_in_table(error, begin)}") from error
    names, said = prediction_columns(applier.predict(columns))
    if both := sorted(set(names) & set(keep)):
        raise ScoringFailed(f"{', '.join(both)} cannot be kept: the predictions have columns of that name")
    return pa.table([*(part[name] for name in keep), *said], names=[*keep, *names])


def _in_table(error: Invalid, begin: int) -> str:
    """The first fault, by the table's rows from 1."""
    fault = error.faults[0]
    _, row, column = fault.place.split(".", 2)
    return f"row {begin + int(row) + 1}, column {column}: {fault.message}"


def _writer(form: Format, target: Path, schema: Any) -> Any:
    """What writes tables to a file: text in quotes, so that none that is empty is taken for a missing one."""
    if form == "csv":
        return pacsv.CSVWriter(target, schema, write_options=pacsv.WriteOptions(quoting_style="needed"))
    return pq.ParquetWriter(target, schema, compression="zstd", version="2.6")


def _write(writer: Any, waiting: list[Any]) -> None:
    writer.write_table(pa.concat_tables(waiting).combine_chunks())
    waiting.clear()


def check(schema: Sequence[InputColumn], facts: Sequence[ColumnFacts], rows: int) -> None:
    """Raise `ScoringFailed`, naming every column that is absent, of another type, or lacks cells that are needed."""
    found = list(_misfits(schema, {fact.name: fact for fact in facts}, rows))
    if found:
        more = f" (and {len(found) - MOST_TOLD} more)" if len(found) > MOST_TOLD else ""
        raise ScoringFailed(f"the dataset does not fit the model: {'; '.join(found[:MOST_TOLD])}{more}")


def _misfits(schema: Sequence[InputColumn], facts: dict[str, ColumnFacts], rows: int) -> Iterator[str]:
    for column in schema:
        fact = facts.get(column.name)
        if fact is None:
            yield f"{column.name} is absent"
        elif fact.type not in _TAKES[column.type] and fact.nulls < rows:
            yield f"{column.name} is {fact.type}, and the model was trained on {column.type}"
        elif fact.nulls and not column.nullable:
            yield f"{column.name} has {fact.nulls:,} missing cells, and the model takes none there"
