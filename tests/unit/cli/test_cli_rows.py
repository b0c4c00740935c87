"""Rows of files become JSON values that fit the columns a model was trained on."""

from pathlib import Path
from typing import Any

import pytest

from skyulf.cli.rows import Rows, fitted, read_rows
from skyulf.core.columns import MISSING
from skyulf.errors import Invalid

TYPES = {"n": "integer", "x": "number", "b": "boolean", "s": "string", "d": "date"}


def read(path: Path, text: str) -> Rows:
    path.write_text(text, encoding="utf-8")
    return read_rows(path, TYPES, MISSING)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12", "integer", 12),
        (" +12 ", "integer", 12),
        ("12.0", "integer", 12.0),
        ("1e3", "number", 1000.0),
        (".5", "number", 0.5),
        ("5.", "number", 5.0),
        ("-0.25", "number", -0.25),
        ("1_000", "number", "1_000"),
        ("inf", "number", "inf"),
        ("1e999", "number", "1e999"),
        ("9" * 5000, "number", "9" * 5000),
        ("heavy", "number", "heavy"),
        ("TRUE", "boolean", True),
        ("false", "boolean", False),
        ("yes", "boolean", "yes"),
        ("1", "boolean", "1"),
        ("12", "string", "12"),
        (" a ", "string", " a "),
        ("true", "string", "true"),
        ("", "string", None),
        ("NA", "integer", None),
        (" NA ", "number", None),
        ("null", "boolean", None),
        ("  ", "number", None),
        ("  ", "string", "  "),
        (" 2024-02-29 ", "date", "2024-02-29"),
    ],
)
def test_a_cell_becomes_what_its_column_holds_and_else_stays_text(text: str, kind: str, value: Any) -> None:
    found = fitted(text, kind, frozenset(MISSING))
    assert found == value
    assert type(found) is type(value)


def test_csv_is_read_by_its_header_and_keeps_its_cells(tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.csv", '\ufeffn,s,other\n1,"a,b",x\n\n,NA,2\n')
    assert rows.columns == ["n", "s", "other"]
    assert rows.values == [{"n": 1, "s": "a,b", "other": "x"}, {"n": None, "s": None, "other": "2"}]
    assert rows.cells == [["1", "a,b", "x"], ["", "NA", "2"]]


def test_tabs_separate_in_tsv(tmp_path: Path) -> None:
    assert read(tmp_path / "rows.tsv", "n\ts\n1\ta,b\n").values == [{"n": 1, "s": "a,b"}]


@pytest.mark.parametrize("text", ['[{"n": 1}, {"x": "1"}]', '{"rows": [{"n": 1}, {"x": "1"}]}'])
def test_json_is_taken_as_it_is(text: str, tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.json", text)
    assert (rows.columns, rows.values, rows.cells) == (["n", "x"], [{"n": 1}, {"x": "1"}], None)


def test_json_lines_may_have_empty_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "rows.jsonl", '{"n": 1}\n\n{"n": 2}\n').values == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("rows.csv", "", "line 1"),
        ("rows.csv", "n,n\n1,2\n", "line 1"),
        ("rows.csv", "n,s\n1,2\n3\n", "line 3"),
        ("rows.csv", 'n,s\n1,"2\n', "line 2"),
        ("rows.jsonl", '{"n": 1}\n{"n": \n', "line 2"),
        ("rows.jsonl", '{"n": 1}\n[1]\n', "row 2"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_its_place(name: str, text: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as raised:
        read(tmp_path / name, text)
    assert raised.value.faults[0].place == place


@pytest.mark.parametrize(("name", "text"), [("rows.json", "{}"), ("rows.json", "x"), ("rows.xml", "<a/>")])
def test_what_holds_no_rows_is_refused(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        read(tmp_path / name, text)


def test_other_bytes_than_text_are_refused(tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.json", "rows.jsonl"):
        (tmp_path / name).write_bytes(b"n\n\xff\xfe\x00\n")
        with pytest.raises(Invalid, match="not UTF-8"):
            read_rows(tmp_path / name, TYPES, MISSING)
