"""CSV files as people have them: whatever delimiter, encoding and decimal mark; and what the caller says instead."""

import datetime as dt
import errno
from pathlib import Path
from typing import Any

import pytest
from taking import Taker, faults_of

from skyulf.errors import Unavailable
from skyulf.ingest import Found, csv, writing


@pytest.fixture
def take(tmp_path: Path) -> Taker:
    return Taker(tmp_path)


# --- delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("filename", ["data.csv", "data.tsv"])
def test_the_delimiter_is_found(take: Taker, delimiter: str, filename: str) -> None:
    rows = [["a", "b c", "d"], ["1", '"x,y;z|\tw"', "2"], ["3", '"two\nlines"', "4"]]
    taken = take("\n".join(delimiter.join(row) for row in rows), filename)
    assert taken.ingested.found.delimiter == delimiter
    assert taken.values == {"a": [1, 3], "b c": ["x,y;z|\tw", "two\nlines"], "d": [2, 4]}


@pytest.mark.parametrize(
    ("content", "delimiter", "names"),
    [
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";", ["a", "b"]),
        ("name, first;age\nSmith, John;40\nRoe, Jane;41\n", ";", ["name, first", "age"]),
        ("when|what,why\n1|x,y\n2|x,y\n", "|", ["when", "what,why"]),
        ("a,b\nx;1,2\ny;3,4\n", ",", ["a", "b"]),
        ("note\nhello; world\nand, so | on\n", ",", []),
        ("only\n1\n2\n", ",", ["only"]),
    ],
)
def test_rows_tell_the_delimiter(take: Taker, content: str, delimiter: str, names: list[str]) -> None:
    if not names:
        _, faults = faults_of(take, content)
        assert faults[0].place == "line 3"
        return
    taken = take(content)
    assert (taken.ingested.found.delimiter, list(taken.values)) == (delimiter, names)


def test_a_row_cut_by_the_sample_does_not_count(take: Taker) -> None:
    content = "a;b\n" + "".join(f"{n};{n},5\n" for n in range(60_000))
    taken = take(content)
    assert (taken.ingested.found.delimiter, taken.ingested.rows) == (";", 60_000)


# --- encodings

TEXT = "größe;ort\n1;Zürich – „nett“ €\n2;Ålesund\n"


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("cp1252", "windows-1252"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_the_encoding_is_found(take: Taker, codec: str, encoding: str, ending: str) -> None:
    taken = take(TEXT.replace("\n", ending).encode(codec))
    assert taken.ingested.found == Found(encoding, ";", None)
    assert taken.values == {"größe": [1, 2], "ort": ["Zürich – „nett“ €", "Ålesund"]}


def test_big_endian_utf_16(take: Taker) -> None:
    taken = take(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert taken.values["ort"][1] == "Ålesund"


def test_characters_on_the_edge_of_a_piece(take: Taker) -> None:
    for codec in ("utf-8", "utf-16", "cp1252"):
        content = ("a,b\n" + "1,xé\n" * 450_000).encode(codec)
        taken = take(content)
        assert (taken.ingested.rows, set(taken.values["b"])) == (450_000, {"xé"})


def test_utf_8_that_is_damaged_is_not_taken_for_another_encoding(take: Taker) -> None:
    content = ("a,b\n" + "é,ü\n" * 10).encode() + b"x,\xe9\n"
    _, faults = faults_of(take, content)
    assert [fault.place for fault in faults] == ["line 12"]


def test_utf_16_that_is_cut_is_told(take: Taker) -> None:
    told, _ = faults_of(take, "a,b\n1,2\n".encode("utf-16")[:-1])
    assert "damaged" in told


# --- decimal marks


def test_the_files_decimal_mark_settles_what_a_column_leaves_open(take: Taker) -> None:
    taken = take("price;sold;rate\n1,5;1.234;0,5\n2,5;5.678;1.234\n")
    assert taken.ingested.found.decimal == ","
    assert taken.values == {"price": [1.5, 2.5], "sold": [1234, 5678], "rate": [0.5, 1234.0]}
    taken = take('a,b,c\n1.5,"1,234",x\n2.5,"5,678",y\n')
    assert taken.ingested.found.decimal == "."
    assert taken.values["b"] == [1234, 5678]


def test_columns_that_contradict_each_other_are_read_each_by_itself(take: Taker) -> None:
    taken = take("a;b;c;d\n1,5;12.5;1.234;1,234\n")
    assert taken.ingested.found.decimal is None
    assert taken.values == {"a": [1.5], "b": [12.5], "c": [1.234], "d": ["1,234"]}


def test_a_decimal_comma_settles_nothing_between_commas(take: Taker) -> None:
    taken = take('a,b,c\n"1,5",1.234,"1,234"\n')
    assert taken.values == {"a": [1.5], "b": [1.234], "c": ["1,234"]}


def test_large_numbers_with_grouped_thousands(take: Taker) -> None:
    taken = take("a;b\n1.234.567.890.123.456.789.012;-1.000\n1;+2,5\n")
    assert taken.values == {"a": [1.234567890123456789e21, 1.0], "b": [-1000.0, 2.5]}


# --- what the caller says


def test_a_file_without_a_header(take: Taker) -> None:
    taken = take("1;x\n2;y", header=False)
    assert taken.values == {"column_1": [1, 2], "column_2": ["x", "y"]}
    assert take("5", header=False).values == {"column_1": [5]}


def test_the_delimiter_and_the_decimal_mark(take: Taker) -> None:
    assert take("a,b;c\n1,2;3\n", delimiter=",").values == {"a": [1], "b;c": ["2;3"]}
    taken = take('a,b\n"1,234",1.5\n', decimal=",")
    assert taken.values == {"a": [1.234], "b": ["1.5"]}
    taken = take('a,b\n"1,234",1.5\n', decimal=".")
    assert taken.values == {"a": [1234], "b": [1.5]}


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["1", "2"], "string", ["1", "2"]),
        (["1", "2"], "number", [1.0, 2.0]),
        (["007", "-010", "0"], "integer", [7, -10, 0]),
        (["1", "0", ""], "boolean", [True, False, None]),
        (["yes", "No"], "boolean", [True, False]),
        (["2024-01-02"], "datetime", [dt.datetime(2024, 1, 2, tzinfo=dt.UTC)]),
        (["31.12.2024"], "date", [dt.date(2024, 12, 31)]),
        (['"1,5"', "2"], "number", [1.5, 2.0]),
        (["", ""], "integer", [None, None]),
    ],
)
def test_types(take: Taker, values: list[str], kind: str, read: list[Any]) -> None:
    content = "a,b\n" + "".join(f"{value},x\n" for value in values)
    taken = take(content, types={"a": kind})
    assert (taken.types, taken.values["a"]) == ({"a": kind, "b": "string"}, read)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["1", "", "x", "y"], "integer", "row 3 does not fit the type integer"),
        (["1.5"], "integer", "row 1 "),
        (["maybe"], "boolean", "row 1 "),
        (["31.11.2024"], "date", "row 1 "),
        (['"1,234"'], "number", "in two ways"),
        (["01/02/2024"], "date", "in two ways"),
        (["1", "inf"], "number", "row 2 holds an infinite number"),
    ],
)
def test_cells_that_do_not_fit_are_named(
    take: Taker, monkeypatch: pytest.MonkeyPatch, values: list[str], kind: str, message: str
) -> None:
    content = "a,b\n" + "".join(f"{value},x\n" for value in values)
    _, faults = faults_of(take, content, types={"a": kind})
    assert [fault.place for fault in faults] == ["a"]
    assert message in faults[0].message
    monkeypatch.setattr(csv, "BLOCK", 4096)
    _, faults = faults_of(take, "a,b\n" + "1,x\n" * 3000 + "secret,x\n", types={"a": "integer"})
    assert "row 3001 " in faults[0].message
    assert "secret" not in str(faults)


def test_columns_that_are_not_there(take: Taker) -> None:
    _, faults = faults_of(take, "a,b\n1,2\n", types={"c": "number"})
    assert [fault.place for fault in faults] == ["c"]


def test_types_of_parquet_columns(take: Taker) -> None:
    path = take.folder / "given.parquet"
    taken = take.table(a=[1, 2, None], b=["1", "2", "x"], c=[True, False, None])
    assert taken.types == {"a": "integer", "b": "string", "c": "boolean"}
    taken = take(path.read_bytes(), "data.parquet", types={"a": "string", "c": "string"})
    assert (taken.values["a"], taken.values["c"]) == (["1", "2", None], ["true", "false", None])
    _, faults = faults_of(take, path.read_bytes(), "data.parquet", types={"b": "number"})
    assert [fault.place for fault in faults] == ["b"]
    assert "row 3 " in faults[0].message
    _, faults = faults_of(take, path.read_bytes(), "data.parquet", delimiter=";", header=False)
    assert [fault.place for fault in faults] == ["delimiter", "header"]


# --- a full disk


def test_a_full_disk_is_no_fault_of_the_file(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "_write_row_group", fail)
    with pytest.raises(Unavailable, match="disk is full"):
        take("größe;b\n1;2\n".encode("cp1252"))
    assert {path.name for path in take.folder.iterdir()} == {"uploaded"}
