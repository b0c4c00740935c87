import datetime as dt
import hashlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from taking import Taker, faults_of

from skyulf.core.columns import MISSING
from skyulf.ingest import ColumnFacts, counting, csv

UTC = dt.UTC


@pytest.fixture
def take(tmp_path: Path) -> Taker:
    return Taker(tmp_path)


# --- types of CSV columns


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["1", "-2", "0"], "integer", [1, -2, 0]),
        (["0", "1", ""], "integer", [0, 1, None]),
        ([" 1", "2 ", "+3"], "integer", [1, 2, 3]),
        (["9223372036854775807", "-9223372036854775808"], "integer", [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "1"], "string", ["9223372036854775808", "1"]),
        (["9223372036854775808", "1.5"], "number", [float(2**63), 1.5]),
        (["1", "2.5"], "number", [1.0, 2.5]),
        (["1e3", ".5", "5.", "-0.5"], "number", [1000.0, 0.5, 5.0, -0.5]),
        (["1.5", "NaN", "null"], "number", [1.5, None, None]),
        (["1.5", "-nan"], "number", [1.5, None]),
        (["007", "1"], "string", ["007", "1"]),
        (["1", "007"], "string", ["1", "007"]),
        (["1.5", "007"], "string", ["1.5", "007"]),
        (["0x1F", "2"], "string", ["0x1F", "2"]),
        (["1_000", "2"], "string", ["1_000", "2"]),
        (["true", "FALSE", "True", ""], "boolean", [True, False, True, None]),
        (["yes", "no"], "string", ["yes", "no"]),
        (["true", "1"], "string", ["true", "1"]),
        (["1", "true"], "string", ["1", "true"]),
        (["inf", "text"], "string", ["inf", "text"]),
        (["2024-02-29", ""], "date", [dt.date(2024, 2, 29), None]),
        (["2023-02-29", "2024-01-01"], "string", ["2023-02-29", "2024-01-01"]),
        (["2024", "2025"], "integer", [2024, 2025]),
        (["01/02/2024"], "string", ["01/02/2024"]),
        (["31.12.2024", " 1.2.2023 ", ""], "date", [dt.date(2024, 12, 31), dt.date(2023, 2, 1), None]),
        (["31.12.2024", "31.11.2024"], "string", ["31.12.2024", "31.11.2024"]),
        (["01/02/2024", "31/1/2024"], "date", [dt.date(2024, 2, 1), dt.date(2024, 1, 31)]),
        (["01/02/2024", "1/31/2024"], "date", [dt.date(2024, 1, 2), dt.date(2024, 1, 31)]),
        (["31/12/2024", "12/31/2024"], "string", ["31/12/2024", "12/31/2024"]),
        (["2024/12/31"], "date", [dt.date(2024, 12, 31)]),
        (
            ["31.12.2024 23:59", "1.1.2024"],
            "datetime",
            [dt.datetime(2024, 12, 31, 23, 59, tzinfo=UTC), dt.datetime(2024, 1, 1, tzinfo=UTC)],
        ),
        (["2024-12-31", "31.12.2024"], "string", ["2024-12-31", "31.12.2024"]),
        (['"1,5"', "2", '"-0,25"'], "number", [1.5, 2.0, -0.25]),
        (['"1.234,56"', '"7,5"', ""], "number", [1234.56, 7.5, None]),
        (['"1,234.56"', "7.5"], "number", [1234.56, 7.5]),
        (["7.5", '"1,234.56"'], "number", [7.5, 1234.56]),
        (['"1,234,567"', '"1,234"'], "integer", [1234567, 1234]),
        (["1.234.567", "12"], "integer", [1234567, 12]),
        (['"1,234"', '"5,678"'], "string", ["1,234", "5,678"]),
        (["1.234", "5.678"], "number", [1.234, 5.678]),
        (['"1,5"', '"1,234.5"'], "string", ["1,5", "1,234.5"]),
        (['"1,5"', '"007,5"'], "string", ["1,5", "007,5"]),
        (['"1,5"', "x"], "string", ["1,5", "x"]),
        (['"12,34,56"'], "string", ["12,34,56"]),
        (
            ["2024-01-02T03:04:05", "2024-01-02 03:04"],
            "datetime",
            [dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), dt.datetime(2024, 1, 2, 3, 4, tzinfo=UTC)],
        ),
        (
            ["2024-01-02", "2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.1234567"],
            "datetime",
            [
                dt.datetime(2024, 1, 2, tzinfo=UTC),
                dt.datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC),
                dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
                dt.datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
            ],
        ),
        ([*MISSING], "string", [None] * len(MISSING)),
        (["   "], "string", ["   "]),
        (["None", "-", "?"], "string", ["None", "-", "?"]),
        ([" spaced ", "é"], "string", [" spaced ", "é"]),
        (['"a\nb"', '"say ""hi"""', '"1,5"'], "string", ["a\nb", 'say "hi"', "1,5"]),
        (['"1"', '""'], "integer", [1, None]),
    ],
)
def test_the_type_of_a_column(take: Taker, values: list[str], kind: str, read: list[Any]) -> None:
    taken = take.column(*values)
    assert (taken.types["a"], taken.values["a"]) == (kind, read)


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [
        ("1", "2.5", "number"),
        ("1", "x", "string"),
        ("1.5", "x", "string"),
        ("1", "007", "string"),
        ("", "7", "integer"),
        ("", "", "string"),
        ("true", "maybe", "string"),
        ("2024-01-02", "2024-01-02T01:00:00Z", "datetime"),
        ("2024-01-02", "soon", "string"),
        ("1", "99999999999999999999", "string"),
        ("1", '"1,5"', "number"),
        ('"1,5"', "1.5", "string"),
        ("31.12.2024", "2024", "string"),
    ],
)
def test_the_last_row_counts_as_much_as_the_first(
    take: Taker, monkeypatch: pytest.MonkeyPatch, first: str, last: str, kind: str
) -> None:
    monkeypatch.setattr(csv, "BLOCK", 4096)
    taken = take.column(*[first] * 5000, last)
    assert taken.types["a"] == kind
    assert taken.ingested.rows == 5001
    if kind == "string":
        assert taken.values["a"] == [first.strip('"') or None] * 5000 + [last or None]


# --- shapes of CSV files


def test_names_stay_as_they_are(take: Taker) -> None:
    taken = take("\ufeff Größe (m²), b,B\n1,2,3\n".encode())
    assert list(taken.values) == [" Größe (m²)", " b", "B"]
    assert taken.types[" Größe (m²)"] == "integer"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_and_empty_lines(take: Taker, ending: str) -> None:
    taken = take(ending.join(["", "a,b", "1,x", "", "2,y", "", ""]))
    assert taken.values == {"a": [1, 2], "b": ["x", "y"]}


def test_a_last_line_without_an_ending_and_a_single_column(take: Taker) -> None:
    assert take("a\n1\n2").values == {"a": [1, 2]}


def test_tab_separated(take: Taker) -> None:
    assert take("a\tb\n1\tx,y\n", "DATA.TSV").values == {"a": [1], "b": ["x,y"]}


def test_digest_rows_facts_and_progress(take: Taker) -> None:
    content = "a,b,c,d\n1,x,,true\n2,x,,true\n2,y u w,,\n9,z,,false\n"
    taken = take(content)
    assert taken.ingested.digest == "sha256:" + hashlib.sha256(content.encode()).hexdigest()
    assert taken.ingested.rows == 4
    skewness = taken.facts["a"].skewness
    assert skewness is not None
    values = np.array([1, 2, 2, 9.0])
    assert skewness == pytest.approx(((values - values.mean()) ** 3).mean() / values.std() ** 3)
    assert [*taken.facts.values()] == [
        ColumnFacts("a", "integer", 0, 3, 2, 1, skewness),
        ColumnFacts("b", "string", 0, 3, 2, 1, None, 1.5),
        ColumnFacts("c", "string", 4, 0, 0, 0, None),
        ColumnFacts("d", "boolean", 1, 2, 2, 1, None),
    ]
    assert json.loads(json.dumps(asdict(taken.ingested)))["rows"] == 4
    assert {message["stage"] for message in take.messages} == {"checking", "typing", "writing"}
    assert all(0 <= message["fraction"] <= 1 for message in take.messages)


def test_the_same_input_gives_the_same_bytes(take: Taker) -> None:
    content = "a,b\n" + "".join(f"{number},{number % 7}x\n" for number in range(10_000))
    written = set()
    for _ in range(2):
        take(content)
        written.add((take.folder / "out.parquet").read_bytes())
    assert len(written) == 1


# --- faults


@pytest.mark.parametrize(
    ("content", "detail", "place", "message"),
    [
        ("", "empty", "", ""),
        ("\n\n", "empty", "", ""),
        ("a,b\n", "no rows", "", ""),
        ("a,b", "no rows", "", ""),
        ("a,b,a\n1,2,3\n", "told apart", "a", "columns 1 and 3"),
        ("a,,c\n1,2,3\n", "told apart", "column 2", "no name"),
        ("a, \n1,2\n", "told apart", "column 2", "no name"),
        ("a,b\n1,2\n3\n", "number of fields", "line 3", "has 1 fields where the header has 2"),
        ('a,b\n"x\ny",2\n\n3,4,5\n', "number of fields", "line 5", "has 3 fields"),
        (b"a,b\n1,2\nx,\x81t\xe9\n", "not UTF-8", "line 3", "is not UTF-8"),
        (b"\x8d,b\n1,2\n", "not UTF-8", "line 1", "is not UTF-8"),
        (b"a\n\xc3\xa9\n\xc3\xa8\nx\xc3", "not UTF-8", "line 4", "is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "zero bytes", "", ""),
        (b"PK\x03\x04rest", "ZIP or Excel", "", ""),
        (b"PAR1rest", "Parquet file", "", ""),
        (b"a,b\n1,\0\n", "zero bytes", "", ""),
        ("a,b\n1,x\n2,inf\n", "", "", "taken as text"),
        ("a,b\n1,1\n2,\n3,-Infinity\n", "not finite", "b", "row 3"),
        ("a,b\n1,1\n2,1e999\n", "not finite", "b", "row 2"),
        ('a,b\n1,2\n3,"x\n4,5\n', "left open", "", ""),
        (",".join(f"c{n}" for n in range(5001)) + "\n", "5,000 are the most", "", ""),
    ],
)
def test_what_cannot_be_taken_is_named(
    take: Taker, content: bytes | str, detail: str, place: str, message: str
) -> None:
    if message == "taken as text":
        assert take(content).types["b"] == "string"
        return
    told, faults = faults_of(take, content)
    assert detail in told
    if place:
        assert [fault.place for fault in faults] == [place]
        assert message in faults[0].message


def test_a_row_longer_than_a_block_is_told(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK", 4096)
    told, _ = faults_of(take, 'a,b\n1,"' + "x\n" * 10_000)
    assert "quotation mark" in told


def test_faults_hold_no_data_values(take: Taker) -> None:
    for content in ("a,b\n1,2\nsecret\n", "a,b\n1,2\nsecret,inf,secret\n", b"a,b\nsecret,\x81\n"):
        told, faults = faults_of(take, content)
        assert "secret" not in told + repr(faults)


@pytest.mark.parametrize("filename", ["data.xls", "data.csv.gz", "data", ".csv/x"])
def test_other_formats_are_refused_by_name(take: Taker, filename: str) -> None:
    told, _ = faults_of(take, "a\n1\n", filename)
    assert "CSV (.csv, .tsv), Parquet (.parquet, .pq), JSON lines" in told


def test_five_thousand_columns(take: Taker) -> None:
    names = [f"c{number}" for number in range(5000)]
    row = ",".join("1" for _ in names)
    taken = take(",".join(names) + "\n" + f"{row}\n" * 20)
    assert taken.ingested.rows == 20
    assert len(taken.types) == 5000


# --- Parquet


def test_parquet_types(take: Taker) -> None:
    day, moment = dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, tzinfo=UTC)
    taken = take.table(
        small=pa.array([1, None, 3], pa.int8()),
        unsigned=pa.array([1, 2, 3], pa.uint64()),
        single=pa.array([0.5, float("nan"), None], pa.float32()),
        money=pa.array([1, 2, 3], pa.decimal128(10, 2)),
        flag=pa.array([True, None, False]),
        text=pa.array(["x", "", None], pa.large_string()),
        category=pa.array(["x", "y", None]).dictionary_encode(),
        code=pa.array([5, 6, 5]).dictionary_encode(),
        day=pa.array([day, None, day], pa.date64()),
        naive=pa.array([moment.replace(tzinfo=None)] * 3, pa.timestamp("ns")),
        zoned=pa.array([moment] * 3, pa.timestamp("s", "Europe/Rome")),
        nothing=pa.nulls(3),
    )
    assert taken.types == {
        "small": "integer",
        "unsigned": "integer",
        "single": "number",
        "money": "number",
        "flag": "boolean",
        "text": "string",
        "category": "string",
        "code": "integer",
        "day": "date",
        "naive": "datetime",
        "zoned": "datetime",
        "nothing": "string",
    }
    assert taken.values["small"] == [1, None, 3]
    assert taken.values["single"] == [0.5, None, None]
    assert taken.values["money"] == [1.0, 2.0, 3.0]
    assert taken.values["text"] == ["x", "", None]
    assert taken.values["category"] == ["x", "y", None]
    assert taken.values["day"] == [day, None, day]
    assert taken.values["naive"] == taken.values["zoned"] == [moment] * 3
    assert taken.facts["small"].nulls == taken.facts["category"].nulls == 1
    assert taken.facts["single"].nulls == 2


@pytest.mark.parametrize(
    ("column", "word"),
    [
        (pa.array([[1], [2]]), "type list"),
        (pa.array([{"secret": 1}]), "type struct"),
        (pa.array([b"x"]), "type binary"),
        (pa.array([1], pa.time32("s")), "type time32"),
        (pa.array([1.0, float("inf")]), "row 2"),
        (pa.array([2**64 - 1], pa.uint64()), "do not fit"),
    ],
)
def test_parquet_columns_that_cannot_be_taken_are_named(take: Taker, column: Any, word: str) -> None:
    path = take.folder / "given.parquet"
    pq.write_table(pa.table({"odd": column}), path)
    _, faults = faults_of(take, path.read_bytes(), "data.parquet")
    assert [fault.place for fault in faults] == ["odd"]
    assert word in faults[0].message
    assert "secret" not in faults[0].message


def test_broken_parquet_is_told(take: Taker) -> None:
    path = take.folder / "given.parquet"
    pq.write_table(pa.table({"a": list(range(100_000))}), path, compression="none")
    whole = path.read_bytes()
    for broken in (b"a,b\n1,2\n", whole[:-20], whole[: len(whole) // 2], whole[:4]):
        told, _ = faults_of(take, broken, "data.parquet")
        assert "damaged" in told
    garbled = bytearray(whole)
    garbled[:4000] = b"\xff" * 4000
    told, _ = faults_of(take, bytes(garbled), "data.parquet")
    assert "damaged" in told


def test_parquet_without_rows_or_with_columns_alike(take: Taker) -> None:
    path = take.folder / "given.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), path)
    assert "no rows" in faults_of(take, path.read_bytes(), "data.parquet")[0]
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    assert faults_of(take, path.read_bytes(), "data.parquet")[1][0].place == "a"


# --- counting


@pytest.mark.parametrize("kind", ["text", "integer", "number"])
def test_counts_are_exact_up_to_the_limit(kind: str) -> None:
    rng = np.random.default_rng(1)
    drawn = (rng.pareto(0.5, size=20_000) * 3).astype(np.int64).clip(0, 10**6)
    values = {"text": [f"v{n}" for n in drawn], "integer": drawn.tolist(), "number": (drawn / 3).tolist()}[kind]
    counts = counting.ValueCounts(limit=20_000)
    for begin in range(0, 20_000, 700):
        counts.add(pa.array([*values[begin : begin + 700], None]))
    expected = Counter(values).values()
    assert counts.result() == (len(expected), max(expected), min(expected))


def test_counts_are_estimates_beyond_the_limit() -> None:
    rng = np.random.default_rng(2)
    counts = counting.ValueCounts(limit=5000)
    for block in range(20):
        counts.add(pa.array([f"id-{block}-{n}" for n in range(10_000)] + ["often"] * 1000))
        counts.add(pa.array(rng.normal(size=0)).cast(pa.string()))
    distinct, commonest, rarest = counts.result()
    assert distinct == pytest.approx(200_001, rel=0.05)
    assert (commonest, rarest) == (20_000, 1)
    assert len(counts._keys) <= 5000 + 256


def test_texts_do_not_collide() -> None:
    texts = {f"{a}{b}" for a in "abcdefgh\0" for b in range(20_000)} | {"", "\0", "\0\0", "ab", "ba"}
    keys = counting._text_keys(pa.array(sorted(texts)))
    assert len(set(keys.tolist())) == len(texts)
    assert keys.tolist()[3:] == counting._text_keys(pa.array(sorted(texts))[3:]).tolist()


@pytest.mark.parametrize("values", [[5.0] * 10, [], [1.0], [0.1] * 1000, [1e200, -1e200, 3e200]])
def test_skewness_is_never_non_finite(values: list[float]) -> None:
    moments = counting.Moments()
    moments.add(np.array(values))
    moments.add(np.array(values))
    assert moments.skewness is None


def test_skewness_does_not_depend_on_the_batches() -> None:
    values = np.random.default_rng(3).exponential(size=10_000) + 1e6
    whole, pieces = counting.Moments(), counting.Moments()
    whole.add(values)
    for piece in np.array_split(values, 37):
        pieces.add(piece)
    assert whole.skewness == pytest.approx(2.0, abs=0.3)
    assert pieces.skewness == pytest.approx(whole.skewness, rel=1e-9)


# --- resources


def test_importing_it_imports_no_pyarrow() -> None:
    script = "import sys, skyulf.ingest; print({'pyarrow', 'numpy', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from skyulf.ingest import ingest_file\n"
        "ingest_file(lambda _: None, sys.argv[1], 'x.csv', sys.argv[2])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    rows = "".join(f"{number},{number * 7919 % 10007 / 3},name-{number % 5000}\n" for number in range(100_000))
    peaks = []
    for repeats in (8, 32):  # 25 MB, 100 MB
        source = tmp_path / "x.csv"
        with source.open("w") as file:
            file.write("a,b,c\n")
            for _ in range(repeats):
                file.write(rows)
        command = [sys.executable, "-c", script, str(source), str(tmp_path / "x.parquet")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] < peaks[0] * 1.25
