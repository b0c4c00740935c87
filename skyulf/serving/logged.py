"""What a sandbox does with requests that were drawn to be logged: their rows and answers → one typed table."""

import csv
import io
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from skyulf.errors import SkyulfError
from skyulf.serving.media import Format
from skyulf.serving.sampling import Sample

if TYPE_CHECKING:  # the server names this module's function, and must not load what its sandbox does
    from skyulf.core.state import InputColumn, Label

NICENESS = 10
"""Predictions and jobs come first."""

SERVED_AT = "served_at"


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be written: the model's file, and requests as they came, with their answers."""

    model: str
    samples: tuple[tuple[datetime, Format, bytes, Format, bytes], ...]
    target: str


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: requests and rows, and how many requests could not be read."""

    requests: int
    rows: int
    lost: int


def write_part(_: Callable[[Any], None], part: Part) -> Written:
    """Write a table of ``served_at``, the model's columns, ``prediction`` and ``probability_<class>``, as Parquet.

    Of clusters that have no probabilities it is ``distance_<cluster>``.

    Where a column of the model has one of these names, ours has an underscore more. The schema's metadata tells how
    many columns are the model's, which come first.
    """
    os.nice(NICENESS)
    import pyarrow as pa
    import pyarrow.parquet as pq

    from skyulf.core.formats import load_model
    from skyulf.core.rows import RowReader
    from skyulf.core.served import INPUTS

    model = load_model(part.model)
    reader = RowReader(model.input_schema)
    tables, lost = [], 0
    for sample in part.samples:
        try:
            tables.append(_table(Sample(*sample), reader, model.classes))
        except (SkyulfError, ValueError, KeyError, pa.ArrowException):
            lost += 1
    if not tables:
        return Written(0, 0, lost)
    inputs = {INPUTS: str(len(model.input_schema)).encode()}
    table = pa.concat_tables(tables).combine_chunks().replace_schema_metadata(inputs)
    pq.write_table(table, part.target, compression="zstd", version="2.6")
    return Written(len(tables), table.num_rows, lost)


def _table(sample: Sample, reader: Any, classes: "list[Label] | None") -> Any:
    import pyarrow as pa

    from skyulf.serving.formats import read

    columns = read(sample.sent, sample.body, reader)
    said, numbers = _answered(sample, classes)
    taken = {column.name for column in reader.schema}
    names = [column.name for column in reader.schema]
    arrays = [_cells(column, columns[column.name]) for column in reader.schema]
    ours: dict[str, Any] = {SERVED_AT: pa.array([sample.at] * len(said), pa.timestamp("us", "UTC"))}
    ours["prediction"] = pa.array(said, pa.float64()) if classes is None else pa.array(said)
    for name, column in numbers.items():
        ours[name] = pa.array(column, pa.float64())
    for name, array in ours.items():
        while name in taken:
            name += "_"
        names.append(name)
        arrays.append(array)
    return pa.table(arrays, names=names)


def _class_key(label: "Label") -> str:
    from skyulf.core.predictions import class_key

    return class_key(label)


def _answered(sample: Sample, classes: "list[Label] | None") -> tuple[list[Any], dict[str, Sequence[float]]]:
    """The predictions in an answer, and of a classifier the chances of each class (or distances), by column."""
    keys = [_class_key(label) for label in classes or ()]

    def names(what: str) -> dict[str, str]:
        return {f"{what}_{key}": key for key in keys}

    if sample.wanted == "json":
        document = orjson.loads(sample.answer)
        far = document.get("distances")
        rows, named = (
            (document["probabilities"] or [], names("probability")) if far is None else (far, names("distance"))
        )
        return document["predictions"], {name: [row[key] for row in rows] for name, key in named.items()}
    if sample.wanted == "arrow":
        from pyarrow import ipc

        table = ipc.open_stream(sample.answer).read_all()
        named = _there(table.column_names, names)
        return table["prediction"].to_pylist(), {name: table[name].to_pylist() for name in named}
    lines = list(csv.DictReader(io.StringIO(sample.answer.decode(), newline="")))
    labels = {_class_key(label): label for label in classes or ()}
    said = [line["prediction"] for line in lines]
    if classes is None:
        return [float(text) if text else None for text in said], {}
    named = _there(lines[0], names)
    return [labels[text] for text in said], {name: [float(line[name]) for line in lines] for name in named}


def _there(header: Collection[str], names: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """The names of distances where a table has them, else those of probabilities."""
    far = names("distance")
    return far if all(name in header for name in far) else names("probability")


def _cells(column: "InputColumn", values: Any) -> Any:
    """A column of the model's as it is stored in tables; numbers are not rounded, whatever the model was trained on."""
    import numpy as np
    import pyarrow as pa

    missing = values != values
    if column.type == "string":
        return pa.array([None if gap else text for gap, text in zip(missing, values, strict=True)], pa.string())
    if column.type == "boolean":
        return pa.array(values == 1, pa.bool_(), mask=missing)
    if column.type in ("date", "datetime"):
        moments = np.where(missing, 0, np.round(values * 1e6)).astype("datetime64[us]")
        return pa.array(moments, pa.timestamp("us"), mask=missing).cast(pa.timestamp("us", "UTC"))
    return pa.array(np.ascontiguousarray(values), pa.float64(), mask=missing)
