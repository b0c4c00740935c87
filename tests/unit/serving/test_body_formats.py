"""JSON, CSV and Arrow say the same rows, and the same predictions; what is wrong is told by row and column in each."""

import csv
import datetime as dt
import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from skyulf.core.columns import MISSING
from skyulf.core.predictions import Intervals
from skyulf.core.rows import Columns, Predictions, RowReader
from skyulf.core.state import InputColumn
from skyulf.errors import Invalid
from skyulf.serving.formats import read, write
from skyulf.serving.media import MEDIA_TYPES, Format

SCHEMA = [
    InputColumn("size", "number", nullable=True),
    InputColumn("count", "integer", nullable=False),
    InputColumn("colour", "string", nullable=True),
    InputColumn("kind", "string", nullable=False),
    InputColumn("heavy", "boolean", nullable=True),
    InputColumn("made", "date", nullable=True),
    InputColumn("sold", "datetime", nullable=True),
]
READER = RowReader(SCHEMA)
FIRST = {"size": 1.5, "count": 1, "colour": "red", "kind": "a", "heavy": True, "made": "2026-01-02",
         "sold": "2026-01-02T03:04:05+00:00"}  # fmt: skip
ROWS = [
    FIRST,
    {**FIRST, "size": None, "count": -7, "colour": None, "kind": "ü,\"'\n", "heavy": None, "made": None, "sold": None},
    {**FIRST, "size": -1e300, "heavy": False, "made": "1969-12-31", "sold": "1969-12-31T23:59:59.123456+00:00"},
]
TYPES: dict[str, Any] = {
    "size": pa.float64(), "count": pa.int64(), "colour": pa.string(), "kind": pa.string(), "heavy": pa.bool_(),
    "made": pa.date32(), "sold": pa.timestamp("us", "UTC"),
}  # fmt: skip


def json_of(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"rows": rows}).encode()


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()} for row in rows)
    return text.getvalue().encode()


def stream_of(batch: Any, times: int = 1, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        for _ in range(times):
            stream.write_batch(batch)
    return sink.getvalue()


def column_of(name: str, rows: list[dict[str, Any]], kind: Any) -> Any:
    cells = [row[name] for row in rows]
    if pa.types.is_date(kind):
        cells = [cell and dt.date.fromisoformat(cell) for cell in cells]
    if pa.types.is_timestamp(kind):
        cells = [cell and dt.datetime.fromisoformat(cell) for cell in cells]
    return pa.array(cells, kind)


def arrow_of(rows: list[dict[str, Any]], types: dict[str, Any] = TYPES, **options: Any) -> bytes:
    columns = [column_of(name, rows, types.get(name)) for name in rows[0]]
    return stream_of(pa.RecordBatch.from_arrays(columns, names=list(rows[0])), **options)


def plain(columns: Columns) -> dict[str, list[Any]]:
    return {name: [None if cell != cell else cell for cell in columns[name].tolist()] for name in sorted(columns)}


EXPECTED = plain(READER(ROWS))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(("json", json_of(ROWS)), id="json"),
        pytest.param(("csv", csv_of(ROWS)), id="csv"),
        pytest.param(("csv", b"\xef\xbb\xbf" + csv_of(ROWS).replace(b"\r\n", b"\n")), id="csv with a mark"),
        pytest.param(("arrow", arrow_of(ROWS)), id="arrow"),
        pytest.param(("arrow", arrow_of(ROWS, compression="lz4")), id="lz4"),
        pytest.param(("arrow", arrow_of(ROWS, compression="zstd")), id="zstd"),
        pytest.param(
            ("arrow", arrow_of(ROWS, {**TYPES, "colour": pa.large_string(), "kind": pa.string_view(),
                                      "count": pa.int8(), "made": pa.string(), "sold": pa.timestamp("ns", "+02:00")})),
            id="other types",
        ),
        pytest.param(
            ("arrow", arrow_of(ROWS, {**TYPES, "count": pa.float32(), "made": pa.date64(),
                                      "sold": pa.timestamp("us")})),
            id="and others",
        ),
        pytest.param(
            ("arrow", arrow_of(ROWS, {**TYPES, "colour": pa.dictionary(pa.int8(), pa.string()),
                                      "kind": pa.dictionary(pa.int32(), pa.string())})),
            id="dictionaries",
        ),
    ],
)  # fmt: skip
def test_rows_are_the_same_in_every_format(body: tuple[Format, bytes]) -> None:
    assert plain(read(*body, READER)) == EXPECTED


def test_a_stream_of_several_batches() -> None:
    body = stream_of(pa.RecordBatch.from_arrays([column_of(n, ROWS, TYPES[n]) for n in FIRST], names=list(FIRST)), 3)
    assert plain(read("arrow", body, READER)) == {name: cells * 3 for name, cells in EXPECTED.items()}


@pytest.mark.parametrize("other", [pa.float64(), pa.int8(), pa.uint64(), pa.float32(), pa.decimal128(19), pa.bool_()])
@pytest.mark.parametrize("gap", [False, True])
def test_columns_of_numbers_alone(other: Any, gap: bool) -> None:
    reader = RowReader([InputColumn("a", "number", nullable=True), InputColumn("b", "integer", nullable=True)])
    last = [None] if gap else [1]
    columns = [pa.array([0.1, -1e300, *last], pa.float64()), pa.array([0, 1, *last]).cast(other), pa.array([1, 2, 3])]
    body = stream_of(pa.RecordBatch.from_arrays(columns, names=["a", "b", "c"]))
    if pa.types.is_boolean(other):
        with pytest.raises(Invalid):
            read("arrow", body, reader)
    else:
        assert plain(read("arrow", body, reader)) == {"a": [0.1, -1e300, *last], "b": [0.0, 1.0, *last]}


def test_nan_in_arrow_is_missing_and_so_is_a_column_without_values() -> None:
    types = {**TYPES, "heavy": pa.null(), "colour": pa.float64(), "sold": pa.null()}
    rows = [{**FIRST, "size": math.nan, "heavy": None, "colour": None, "sold": None}] * 2
    columns = plain(read("arrow", arrow_of(rows, types), READER))
    assert [columns[name] for name in ("size", "heavy", "colour", "sold")] == [[None, None]] * 4


@pytest.mark.parametrize("text", MISSING)
def test_csv_cells_are_missing_as_in_files_that_are_trained_on(text: str) -> None:
    body = csv_of([{**FIRST, "size": text, "colour": text, "heavy": text, "made": f" {text} "}])
    columns = plain(read("csv", body, READER))
    assert [columns[name] for name in ("size", "colour", "heavy", "made")] == [[None]] * 4


def test_csv_cells_are_typed_by_their_column() -> None:
    body = csv_of(
        [{**FIRST, "size": " +1e2 ", "colour": "1", "kind": "true", "heavy": " TRUE", "made": " 2026-01-02 "}]
    )
    columns = plain(read("csv", body, READER))
    assert [columns[name] for name in ("size", "colour", "kind", "heavy")] == [[100.0], ["1"], ["true"], [1.0]]
    assert columns["made"] == EXPECTED["made"][:1]


def test_other_columns_are_ignored() -> None:
    rows = [{"a": 1, **row, "z": [1]} for row in ROWS]
    assert plain(read("csv", csv_of(rows), READER)) == EXPECTED
    assert plain(read("arrow", arrow_of(rows, {**TYPES, "a": pa.int8(), "z": pa.list_(pa.int8())}), READER)) == EXPECTED


def faults_of(sent: Format, body: bytes) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read(sent, body, READER)
    return {fault.place: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("size", "old", "expected a number, got text"),
        ("size", "1_000", "expected a number, got text"),
        ("size", "1e999", "expected a number, got a number that is not finite"),
        ("size", "-inf", "expected a number, got text"),
        ("count", "", "expected a number; this model takes no null here"),
        ("count", True, "expected a number, got text"),
        ("kind", "NA", "expected text; this model takes no null here"),
        ("heavy", 1, "expected true or false, got text"),
        ("made", "1.2.2026", "expected a date as ISO 8601 text, got text that is no such date"),
        ("sold", "yesterday", "expected a time as ISO 8601 text, got text that is no such date"),
    ],
)
def test_a_wrong_cell_of_csv_is_told_by_row_and_column(column: str, cell: Any, message: str) -> None:
    assert faults_of("csv", csv_of([FIRST, FIRST, {**FIRST, column: cell}])) == {f"rows.2.{column}": message}


@pytest.mark.parametrize(
    ("column", "kind", "cell", "message"),
    [
        ("size", pa.string(), "1.5", "expected a number, got text"),
        ("size", pa.bool_(), True, "expected a number, got true or false"),
        ("size", pa.list_(pa.int64()), [1], "expected a number, got a list"),
        ("size", pa.struct([("a", pa.int64())]), {"a": 1}, "expected a number, got an object"),
        ("size", pa.duration("s"), 5, "expected a number, got something else"),
        ("size", pa.float64(), math.inf, "expected a number, got a number that is not finite"),
        ("count", pa.float64(), math.nan, "expected a number; this model takes no null here"),
        ("count", pa.int64(), None, "expected a number; this model takes no null here"),
        ("kind", pa.string(), None, "expected text; this model takes no null here"),
        ("colour", pa.int64(), 3, "expected text, got a number"),
        ("colour", pa.binary(), b"red", "expected text, got something else"),
        ("heavy", pa.int8(), 1, "expected true or false, got a number"),
        ("made", pa.string(), "soon", "expected a date as ISO 8601 text, got text that is no such date"),
        ("made", pa.int64(), 5, "expected a date as ISO 8601 text, got a number"),
    ],
)
def test_a_wrong_cell_of_arrow_is_told_by_row_and_column(column: str, kind: Any, cell: Any, message: str) -> None:
    types = {**TYPES, column: kind}
    rows = [{**FIRST, column: None if column not in ("count", "kind") else FIRST[column]}, {**FIRST, column: cell}]
    assert faults_of("arrow", arrow_of(rows, types)) == {f"rows.1.{column}": message}


@pytest.mark.parametrize("sent", ["csv", "arrow"])
def test_an_absent_column_is_named_once(sent: Format) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "colour"} for row in ROWS]
    body = csv_of(rows) if sent == "csv" else arrow_of(rows)
    assert faults_of(sent, body) == {"rows.0.colour": "this column is absent"}


def test_faults_are_cut() -> None:
    assert len(faults_of("csv", csv_of([{**FIRST, "size": "x"}] * 100))) == 20
    assert len(faults_of("arrow", arrow_of([{**FIRST, "size": math.inf}] * 100))) == 20


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        ("csv", b""),
        ("csv", b"size,count\n"),
        ("csv", b"size,size\n1,2\n"),
        ("csv", b"size,count\n1\n"),
        ("csv", b"size,count\n1,2,3\n"),
        ("csv", b'size,count\n"1,2\n'),
        ("csv", b"size,count\n\xff,1\n"),
        ("csv", b"\x00\x00"),
        ("arrow", b""),
        ("arrow", b"nonsense" * 10),
        ("arrow", arrow_of(ROWS)[:100]),
        ("arrow", arrow_of(ROWS)[:-200]),
        ("arrow", stream_of(pa.RecordBatch.from_pydict({"size": pa.array([], pa.float64())}))),
        ("arrow", stream_of(pa.RecordBatch.from_arrays([pa.array([1])] * 2, names=["size", "size"]))),
        ("arrow", json_of(ROWS)),
    ],
)
def test_bodies_that_hold_no_rows(sent: Format, body: bytes) -> None:
    assert faults_of(sent, body)


CLASSES = Predictions.of_chances(["no", 'ye"s'], np.array([[0.25, 0.75], [0.5, 0.5]]))
TRUTHS = Predictions.of_chances([False, True], np.array([[0.25, 0.75]]))
COUNTS = Predictions.of_chances([1, 2, 3], np.array([[0.25, 0.5, 0.25]]))
NUMBERS = Predictions(np.array([1.5, math.nan]))


@pytest.mark.parametrize("said", [CLASSES, TRUTHS, COUNTS, NUMBERS])
def test_predictions_are_the_same_in_every_format(said: Predictions) -> None:
    document = json.loads(write("json", said, "m", 3))
    assert (document["model"], document["model_version"]) == ("m", 3)
    stream = pa.ipc.open_stream(write("arrow", said, "m", 3))
    table = stream.read_all()
    assert table.schema.metadata == {b"model": b"m", b"model_version": b"3"}
    assert table.column("prediction").to_pylist() == document["predictions"]
    lines = list(csv.reader(io.StringIO(write("csv", said, "m", 3).decode())))
    assert lines[0] == table.column_names
    assert [line[0] for line in lines[1:]] == [
        "" if value is None else json.dumps(value) if not isinstance(value, str) else value
        for value in document["predictions"]
    ]
    if document["probabilities"] is None:
        assert table.column_names == ["prediction"]
        return
    for at, (row, line) in enumerate(zip(document["probabilities"], lines[1:], strict=True)):
        for name, chance in row.items():
            assert table.column(f"probability_{name}")[at].as_py() == chance
            assert float(line[lines[0].index(f"probability_{name}")]) == chance


def test_intervals_are_the_same_in_every_format() -> None:
    said = Predictions(np.array([1.5, math.nan, -2.0]), intervals=Intervals(0.9, 0.25))
    document = json.loads(write("json", said, "m", 3, intervals=True))
    assert document["coverage"] == 0.9
    ends = [{"lower": 1.25, "upper": 1.75}, {"lower": None, "upper": None}, {"lower": -2.25, "upper": -1.75}]
    assert document["intervals"] == ends
    table = pa.ipc.open_stream(write("arrow", said, "m", 3, intervals=True)).read_all()
    assert table.schema.metadata == {b"model": b"m", b"model_version": b"3", b"coverage": b"0.9"}
    assert table.select(["lower", "upper"]).to_pylist() == ends
    lines = write("csv", said, "m", 3, intervals=True).decode().splitlines()
    assert lines == ["prediction,lower,upper", "1.5,1.25,1.75", ",,", "-2.0,-2.25,-1.75"]


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_intervals_are_said_on_request_only(form: Format) -> None:
    said = Predictions(np.array([1.5]), intervals=Intervals(0.9, 0.25))
    assert write(form, said, "m", 3) == write(form, Predictions(np.array([1.5])), "m", 3)
    for none in (NUMBERS, CLASSES):
        with pytest.raises(Invalid) as refused:
            write(form, none, "m", 3, intervals=True)
        assert [fault.place for fault in refused.value.faults] == ["intervals"]


@pytest.mark.parametrize("classes", [["a", "b"], [True, False], [1, 2], [1.0, 2.0], None])
def test_an_answer_in_arrow_is_the_stream_that_pyarrow_writes(classes: list[Any] | None) -> None:
    chances = np.array([[0.25, 0.75], [0.9, 0.1], [0.5, 0.5]])
    said = Predictions(np.array([1.5, math.nan, -2.0])) if classes is None else Predictions.of_chances(classes, chances)
    for version in (1, 2):
        written = write("arrow", said, "m", version)
        with pa.ipc.open_stream(written) as stream:
            (batch,) = stream
        assert batch.schema.metadata == {b"model": b"m", b"model_version": str(version).encode()}
        assert batch.column("prediction").to_pylist() == said.predictions
        assert type(batch.column("prediction")[0].as_py()) is type(said.predictions[0])
        assert stream_of(batch) == written


def test_predictions_in_arrow_have_the_targets_type() -> None:
    found = [
        pa.ipc.open_stream(write("arrow", said, "m", 1)).schema.field("prediction").type
        for said in (CLASSES, TRUTHS, COUNTS, NUMBERS)
    ]
    assert found == [pa.string(), pa.bool_(), pa.int64(), pa.float64()]


def test_media_types() -> None:
    assert MEDIA_TYPES["arrow"] == "application/vnd.apache.arrow.stream"  # registered with IANA
