"""Columns of numbers with a few cells that are none: counted, told of, and missing where the caller says so."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from taking import Taker, faults_of

from skyulf.events.dataset import Column
from skyulf.ingest import asked_types, csv
from skyulf.ingest.remarks import warnings


@pytest.fixture
def take(tmp_path: Path) -> Taker:
    return Taker(tmp_path)


@pytest.mark.parametrize(
    ("cells", "unfit"),
    [
        (["1", "2", "unknown", "3"], 1),
        (["1.5", "", "-2e3", "?", ".5", "+7.", "NA"], 1),
        (["1.234,5", "7,5", "-", "3"], 1),
        (['"1,234.5"', '"1,000"', "none", "2.5"], 1),
        ([" 4 ", "x", "y", "5", "6"], 2),
        (["1", "2", "x", "y"], 0),  # no more than half are numbers: that is text
        (["007", "010", "x", "011"], 0),  # codes
        (["1", "2", "3"], 0),
        (["a", "b"], 0),
        (["true", "x", "false"], 0),
    ],
)
def test_cells_that_are_no_numbers_are_counted(take: Taker, cells: list[str], unfit: int) -> None:
    taken = take("a;other\n" + "".join(f"{cell};x\n" for cell in cells))
    assert taken.facts["a"].unfit == unfit
    assert taken.facts["other"].unfit == 0
    assert (taken.types["a"] == "string") == (unfit > 0 or "x" in cells or "a" in cells or "007" in cells)


def test_values_of_several_kinds_in_json_and_parquet(take: Taker) -> None:
    lines = "".join(json.dumps({"a": value}) + "\n" for value in (1, 2, "unknown", 2.5, None))
    taken = take(lines, "data.jsonl")
    assert (taken.types["a"], taken.facts["a"].unfit) == ("string", 1)
    assert take.table(a=pa.array(["1", "2", "x"])).facts["a"].unfit == 1


def test_a_cell_late_in_a_long_file(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK", 1 << 14)
    rows = "".join(f"{at},1\n" for at in range(9_000))
    assert take(f"a,b\n{rows}oops,1\n").facts["a"].unfit == 1


def test_a_column_that_begins_as_text_is_text(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK", 1 << 14)
    words = "".join(f"word {at},1\n" for at in range(4_000))
    numbers = "".join(f"{at},1\n" for at in range(5_000))
    assert take(f"a,b\n{words}{numbers}").facts["a"].unfit == 0
    assert take(f"a,b\n{numbers}{words}").facts["a"].unfit == 4_000


ROWS = ["1", "2", "unknown", "", "4.5", "unknown", "?", "5"]


def test_what_does_not_fit_is_missing_where_the_caller_says_so(take: Taker) -> None:
    taken = take.__call__("a,b\n" + "".join(f"{cell},x\n" for cell in ROWS), types={"a": "number"}, unfit="missing")
    assert taken.values["a"] == [1.0, 2.0, None, None, 4.5, None, None, 5.0]
    facts = taken.facts["a"]
    assert (facts.type, facts.nulls, facts.unfit) == ("number", 4, 3)


@pytest.mark.parametrize(
    ("kind", "cells", "wanted", "unfit"),
    [
        ("integer", ["1", "2.5", "03", "x"], [1, None, 3, None], 2),
        ("integer", ["1", "9" * 30, "3", "4"], [1, None, 3, 4], 1),
        ("boolean", ["yes", "no", "perhaps", "1"], [True, False, None, True], 1),
        ("date", ["2024-01-02", "2024-02-30", "soon", "2024-03-01", "2024-03-02"], None, 2),
        ("date", ["31.12.2024", "unknown", "01.02.2024"], None, 1),
        ("number", ["1,5", "2,25", "?", "1.000,5"], [1.5, 2.25, None, 1000.5], 1),
    ],
)
def test_every_type_can_be_taken_so(
    take: Taker, kind: str, cells: list[str], wanted: list[Any] | None, unfit: int
) -> None:
    taken = take("a;b\n" + "".join(f"{cell};x\n" for cell in cells), types={"a": kind}, unfit="missing")
    assert taken.facts["a"].unfit == unfit
    assert taken.values["a"].count(None) == unfit
    assert wanted is None or taken.values["a"] == wanted
    assert wanted is not None or all(value is None or isinstance(value, dt.date) for value in taken.values["a"])


@pytest.mark.parametrize("filename", ["data.jsonl", "data.csv"])
def test_other_columns_and_formats_are_read_as_ever(take: Taker, filename: str) -> None:
    content = (
        "a,b\n1,x\n?,y\n3,1\n" if filename.endswith("csv") else '{"a":1,"b":"x"}\n{"a":"?","b":"y"}\n{"a":3,"b":"1"}'
    )
    taken = take(content, filename, types={"a": "integer"}, unfit="missing")
    assert taken.values == {"a": [1, None, 3], "b": ["x", "y", "1"]}
    assert taken.facts["a"].unfit == 1
    assert taken.facts["b"].unfit == 0


def test_without_that_word_the_file_is_refused_with_the_row_and_the_way_out(take: Taker) -> None:
    _, (fault,) = faults_of(take, "a,b\n1,x\nunknown,y\n", types={"a": "number"})
    assert fault.place == "a"
    assert "row 2" in fault.message
    assert "unfit" in fault.message


def test_a_column_that_mostly_does_not_fit_is_refused(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"types": {"a": "number"}, "unfit": "missing"}
    _, (fault,) = faults_of(take, "a,b\n1,x\nthis,x\nthat,x\n", **options)
    assert (fault.place, fault.message) == ("a", "2 of 3 cells do not fit the type number; ask for another")
    monkeypatch.setattr(asked_types, "MOST_UNFIT", 3)
    words = "".join(f"word {at},x\n{at},x\n{at},x\n" for at in range(5))
    _, (fault,) = faults_of(take, f"a,b\n{words}", **options)
    assert "more than 3 different values" in fault.message


def test_without_types_there_is_nothing_that_could_be_unfit(take: Taker) -> None:
    _, (fault,) = faults_of(take, "a,b\n1,x\n", unfit="missing")
    assert fault.place == "unfit"


def column(kind: Any, unfit: int, nulls: int = 0) -> Column:
    return Column(name="age", type=kind, nulls=nulls, distinct=9, commonest=1, rarest=1, unfit=unfit)


def test_a_person_is_told_by_counts_and_rules() -> None:
    (told,) = warnings([column("string", 3, nulls=10), column("number", 0)], 1_010, {})
    assert told == (
        "column age: 3 of 1,000 cells are no numbers, so that all are read as text; correct them, or send types"
        ' {"age": "number"} with unfit missing to take them as missing'
    )
    (told,) = warnings([column("number", 3, nulls=5)], 1_000, {"age": "number"})
    assert told == ("column age: 3 of 1,000 cells are not of the type number that was asked for, and missing therefore")
    assert warnings([column("string", 3)], 100, {"age": "string"}) == []
