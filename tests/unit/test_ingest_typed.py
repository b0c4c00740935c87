"""JSON lines and Excel: values keep the types that they have."""

import datetime as dt
import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from taking import Taker, faults_of

from skyulf.ingest import excel, jsonl


@pytest.fixture
def take(tmp_path: Path) -> Taker:
    return Taker(tmp_path)


# --- JSON lines


@pytest.mark.parametrize("filename", ["data.jsonl", "data.NDJSON"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_lines(take: Taker, filename: str, codec: str) -> None:
    content = (
        '{"größe": 1, "b": 1, "c": "x", "d": true, "e": "1", "f": "2024-01-02", "g": null}\r\n\r\n'
        '{"b": 2.5, "größe": 2, "c": null, "h": "é", "f": "2024-02-03", "e": "", "d": null}'
    )
    taken = take(content.encode(codec), filename)
    assert taken.types == {
        "größe": "integer",
        "b": "number",
        "c": "string",
        "d": "boolean",
        "e": "string",
        "f": "date",
        "g": "string",
        "h": "string",
    }
    assert taken.values == {
        "größe": [1, 2],
        "b": [1.0, 2.5],
        "c": ["x", None],
        "d": [True, None],
        "e": ["1", ""],
        "f": [dt.date(2024, 1, 2), dt.date(2024, 2, 3)],
        "g": [None, None],
        "h": [None, "é"],
    }
    assert taken.ingested.found.encoding == codec.removesuffix("-sig")


def test_the_last_line_counts_as_much_as_the_first(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", 4096)
    taken = take('{"a": 1, "b": "2024-01-01"}\n' * 3000 + '{"a": "x", "b": "soon", "c": 1.5}\n', "data.jsonl")
    assert taken.types == {"a": "string", "b": "string", "c": "number"}
    assert taken.values["a"] == ["1"] * 3000 + ["x"]
    assert taken.values["b"][-1] == "soon"
    assert taken.values["c"] == [None] * 3000 + [1.5]


def test_lines_with_keys_of_their_own(take: Taker) -> None:
    taken = take("".join(f'{{"k{n}": {n}}}\n' for n in range(2000)), "data.jsonl")
    assert (taken.ingested.rows, len(taken.types)) == (2000, 2000)
    assert taken.values["k1999"] == [None] * 1999 + [1999]
    told, _ = faults_of(take, "".join(f'{{"k{n}": {n}}}\n' for n in range(5001)), "data.jsonl")
    assert "5,000" in told


def test_values_of_several_types_become_text(take: Taker) -> None:
    taken = take('{"a": 1, "b": true}\n{"a": false, "b": 2.5}\n{"a": "x", "b": "y"}\n', "data.jsonl")
    assert taken.values == {"a": ["1", "false", "x"], "b": ["true", "2.5", "y"]}
    assert take(f'{{"a": {2**63}}}\n', "data.jsonl").values == {"a": [float(2**63)]}


def test_types_of_json_values(take: Taker) -> None:
    content = '{"a": 1, "b": "007"}\n{"a": 0, "b": null}\n'
    taken = take(content, "data.jsonl", types={"a": "boolean", "b": "integer"})
    assert taken.values == {"a": [True, False], "b": [7, None]}


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ('{"a": 1}\n{"a": {"secret": 1}}\n', "a", "line 2 holds"),
        ('{"a": 1}\n\n{"a": [1]}\n', "a", "line 3 holds"),
        ('{"a": 1}\nsecret\n', "line 2", "is not JSON"),
        ('{"a": 1}\n{"a": NaN}\n', "line 2", "is not JSON"),
        ('{"a": 1}\n{"a": 1', "line 2", "is not JSON"),
        ("[1, 2]\n", "line 1", "not an object"),
        ('{"": 1}\n', "column 1", "no name"),
        ("{}\n", "", "no keys"),
        ("\n", "", "empty"),
    ],
)
def test_lines_that_cannot_be_taken(take: Taker, content: str, place: str, message: str) -> None:
    told, faults = faults_of(take, content, "data.jsonl")
    assert [fault.place for fault in faults] == ([place] if place else [])
    assert message in told + str([fault.message for fault in faults])
    assert "secret" not in told + str(faults)


def test_a_line_longer_than_a_block(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", 4096)
    _, faults = faults_of(take, '{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n', "data.jsonl")
    assert [fault.place for fault in faults] == ["line 2"]


# --- Excel


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.create_sheet("another").append(["not", "read"])
    sink = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        book.save(sink)
    return sink.getvalue()


def test_a_workbook(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "_CELLS", 16)
    day, moment = dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001
    rows = [[1, 1.5, "007", True, day, moment, "#N/A", 5], [], [2, 2, None, False, None, day, "x", "y"]]
    taken = take(workbook(["größe (m)", "b", "c", "d", "e", "f", "g", "h"], *rows, *[[3]] * 20), "Data.XLSX")
    assert list(taken.types.values()) == [
        "integer",
        "number",
        "string",
        "boolean",
        "date",
        "datetime",
        "string",
        "string",
    ]
    assert {name: values[:2] for name, values in taken.values.items()} == {
        "größe (m)": [1, 2],
        "b": [1.5, 2.0],
        "c": ["007", None],
        "d": [True, False],
        "e": [day.date(), None],
        "f": [moment.replace(tzinfo=dt.UTC), day.replace(tzinfo=dt.UTC)],
        "g": [None, "x"],
        "h": ["5", "y"],
    }
    assert taken.ingested.rows == 22


def test_types_of_cells(take: Taker) -> None:
    taken = take(workbook(["a", "b"], [1, 5], [0, 6]), "data.xlsx", types={"a": "boolean", "b": "string"})
    assert taken.values == {"a": [True, False], "b": ["5", "6"]}
    _, faults = faults_of(take, workbook(["a"], [1], ["secret"]), "data.xlsx", types={"a": "number"})
    assert "row 2 " in faults[0].message


def test_workbooks_that_cannot_be_taken(take: Taker) -> None:
    whole = workbook(["a"], [1])
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as other:
        other.writestr("data.txt", "x")
    for broken in (b"a,b\n1,2\n", whole[:-100], whole[:50], sink.getvalue()):
        assert "damaged" in faults_of(take, broken, "data.xlsx")[0]
    assert "empty" in faults_of(take, workbook(), "data.xlsx")[0]
    assert "no more" in faults_of(take, workbook(["a", "b"]), "data.xlsx")[0]
    assert faults_of(take, workbook(["a", "a"], [1, 2]), "data.xlsx")[1][0].place == "a"
    assert faults_of(take, workbook(["a", None, "c"], [1, 2, 3]), "data.xlsx")[1][0].place == "column 2"
    assert faults_of(take, workbook(["a"], [1], [1, 2]), "data.xlsx")[1][0].place == "row 3"
