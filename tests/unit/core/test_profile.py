"""What is told of a table is what a plain count tells, in whatever batches it comes."""

import math
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core import row_sample
from skyulf.core.association import codes_of, correlations, cramers_v, separation
from skyulf.core.columns import ColumnFacts
from skyulf.core.histogram import BINS, Histogram
from skyulf.core.profile import TOP, profile
from skyulf.core.row_sample import rank_error, sample_size, sampled
from skyulf.core.suspicions import leakage
from skyulf.errors import Invalid

TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -1.5, 1e308, -1e308, 5e-324]),
    "boolean": st.booleans(),
    "string": st.text(max_size=5) | st.sampled_from(["a", "b", "é"]),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=st.just(UTC)),
}

Cells = dict[str, list[Any]]


@st.composite
def tables(draw: st.DrawFn) -> Cells:
    rows = draw(st.integers(0, 40))
    return {name: draw(st.lists(st.none() | cell, min_size=rows, max_size=rows)) for name, cell in CELLS.items()}


def facts_of(cells: Cells, types: dict[str, str] | None = None) -> list[ColumnFacts]:
    made = []
    for name, column in cells.items():
        counts = Counter(value for value in column if value is not None)
        made.append(
            ColumnFacts(
                name=name,
                type=(types or {name: name})[name],
                nulls=column.count(None),
                distinct=len(counts),
                commonest=max(counts.values(), default=0),
                rarest=min(counts.values(), default=0),
            )
        )
    return made


def batches_of(cells: Cells, sizes: list[int], types: dict[str, str] | None = None, encoded: bool = False) -> list[Any]:
    table = pa.table({name: pa.array(column, TYPES[(types or {name: name})[name]]) for name, column in cells.items()})
    if encoded:
        table = table.set_column(table.schema.get_field_index("string"), "string", table["string"].dictionary_encode())
    made, at = [], 0
    for size in [*sizes, table.num_rows]:
        made += table.slice(at, size).combine_chunks().to_batches()
        at += size
    return made


def profiled(cells: Cells, sizes: list[int] = [], types: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:  # noqa: B006
    rows = len(next(iter(cells.values())))
    return profile(batches_of(cells, sizes, types, **more), facts_of(cells, types), rows)


def column_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    (column,) = [column for column in document["columns"] if column["name"] == name]
    return column


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


@settings(deadline=None, max_examples=60)
@given(tables())
def test_what_is_told_is_what_a_plain_count_tells(cells: Cells) -> None:
    document = profiled(cells)
    orjson.dumps(document)
    for name, column in cells.items():
        told, filled = column_of(document, name), [value for value in column if value is not None]
        counts = Counter(filled)
        assert told["nulls"] == len(column) - len(filled)
        assert [one["count"] for one in told["top"]] == sorted(counts.values(), reverse=True)[:TOP]
        assert all(
            counts[value] == one["count"] for one in told["top"] for value in filled if plain(value) == one["value"]
        )
        if name == "string":
            lengths = [len(text) for text in filled]
            assert told["letters"]["most"] == max(lengths, default=None)
            assert told["letters"]["fewest"] == min(lengths, default=None)
            continue
        if name == "boolean":
            continue
        assert told["minimum"] == plain(min(filled, default=None))
        assert told["maximum"] == plain(max(filled, default=None))
        assert sum(told["histogram"]["counts"]) == len(filled)
        if filled:
            assert told["quantiles"]["0.5"] in {plain(value) for value in filled}
        if name in ("integer", "number"):
            assert told["zeros"] == sum(value == 0 for value in filled)
            assert told["negatives"] == sum(value < 0 for value in filled)


@settings(deadline=None, max_examples=60)
@given(tables(), st.lists(st.integers(0, 9), max_size=9), st.booleans())
def test_batches_change_nothing(cells: Cells, sizes: list[int], encoded: bool) -> None:
    whole, cut = profiled(cells), profiled(cells, sizes, encoded=encoded)
    for document in (whole, cut):
        for column in document["columns"]:
            column.pop("mean", None), column.pop("deviation", None)  # but for rounding
    assert whole == cut


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8), max_size=8))
def test_a_histogram_counts_every_number_in_its_bin(parts: list[list[float]]) -> None:
    cut, whole = Histogram(), Histogram()
    for part in parts:
        cut.add(np.array(part, np.float64))
    values = [value for part in parts for value in part]
    whole.add(np.array(values, np.float64))
    edges, counts = whole.edges(), whole.counts()
    assert (cut.edges(), cut.counts()) == (edges, counts)
    assert len(counts) <= BINS
    assert edges == sorted(edges)
    for at, count in enumerate(counts):
        held = sum(edges[at] <= value < edges[at + 1] or (value == edges[-1] == edges[at + 1]) for value in values)
        assert held == count


def test_whole_numbers_are_not_cut_into_pieces() -> None:
    histogram = Histogram(whole=True)
    histogram.add(np.array([1.0, 2.0, 2.0, 3.0]))
    assert (histogram.edges(), histogram.counts()) == ([1, 2, 3, 4], [1, 2, 1])


def test_mean_and_deviation_whatever_the_batches() -> None:
    values = [10.0**6 + n * n % 17 for n in range(300)]
    for sizes in ([], [1, 2, 100], [7] * 30):
        told = profiled({"number": values}, sizes)["columns"][0]
        assert told["mean"] == pytest.approx(np.mean(values), rel=1e-12)
        assert told["deviation"] == pytest.approx(np.std(values, ddof=1), rel=1e-9)


@pytest.mark.parametrize("value", [1, 2.5, True, "x", date(2024, 2, 29), datetime(1, 1, 1, tzinfo=UTC)])
def test_one_row(value: Any) -> None:
    kind = {int: "integer", float: "number", bool: "boolean", str: "string", date: "date", datetime: "datetime"}
    document = profiled({kind[type(value)]: [value]})
    assert (document["rows"], document["columns"][0]["distinct"], document["warnings"]) == (1, 1, [])
    assert document["columns"][0]["top"] == [{"value": plain(value), "count": 1}]


def test_no_rows_and_columns_without_values() -> None:
    assert profiled({name: [] for name in TYPES})["warnings"] == []
    document = profiled({name: [None] * 60 for name in TYPES})
    assert [(one["rule"], one["columns"]) for one in document["warnings"]] == [
        ("all_missing", [name]) for name in TYPES
    ]


def test_huge_numbers() -> None:
    told = column_of(profiled({"integer": [2**63 - 1, -(2**63), 2**53 + 1]}), "integer")
    assert (told["minimum"], told["maximum"]) == (-(2**63), 2**63 - 1)
    told = column_of(profiled({"number": [1.7e308, -1.7e308, 0.0]}), "number")
    assert told["deviation"] is None
    assert all(math.isfinite(edge) for edge in told["histogram"]["edges"])


def warned(cells: Cells, types: dict[str, str]) -> set[tuple[str, ...]]:
    return {(one["rule"], *one["columns"]) for one in profiled(cells, [40], types)["warnings"]}


def test_what_is_warned_of() -> None:
    dice = np.random.default_rng(1)
    n = 200
    x = dice.normal(size=n).tolist()
    cells: Cells = {
        "x": x,
        "same as x": x,
        "nearly x": [value * 3 + 1e-6 * dice.normal() for value in x],
        "id": list(range(n)),
        "key": [f"k{at}" for at in range(n)],
        "one": ["only"] * n,
        "gaps": [None if at % 3 else 1.0 + at for at in range(n)],
        "rare": [at == 7 for at in range(n)],
        "class": ["high" if value > 0.2 else "low" for value in x],
        "noise": dice.choice(["a", "b"], n).tolist(),
    }
    types = dict.fromkeys(("key", "one", "class", "noise"), "string")
    types = {"id": "integer", "rare": "boolean"} | types | {name: "number" for name in cells if name[0] in "xsg"}
    types["nearly x"] = "number"
    found = warned(cells, types)
    assert found >= {
        ("duplicate", "x", "same as x"),
        ("related", "x", "nearly x"),
        ("identifier", "id"),
        ("identifier", "key"),
        ("constant", "one"),
        ("mostly_missing", "gaps"),
        ("nearly_constant", "rare"),
    }
    assert not [one for one in found if "noise" in one]
    document = profiled(cells, [], types)
    assert {one["columns"][0] for one in leakage(document, "class")} == {"x", "same as x", "nearly x"}
    assert leakage(document, "noise") == []
    with pytest.raises(Invalid):
        leakage(document, "nope")


def test_equal_but_for_one_row_is_not_equal() -> None:
    cells: Cells = {"a": [1.0, 2.0, 2.0, 3.0], "b": [1.0, 2.0, 2.0, 3.0], "c": [1.0, 2.0, 3.0, 2.0]}
    types = dict.fromkeys(cells, "number")
    for sizes in ([], [1, 1], [3]):
        assert profiled(cells, sizes, types)["equal_columns"] == [["a", "b"]]


def test_a_sample_is_of_rows_alike_likely_and_does_not_hang_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sample, "ROWS", 500)
    monkeypatch.setattr(row_sample, "FEWEST", 5)
    rows = 10_000
    table = pa.table({"n": np.arange(rows)})
    once = sampled(table.to_batches(), ["n"], rows)["n"].to_pylist()
    again = sampled(table.to_batches(max_chunksize=77), ["n"], rows)["n"].to_pylist()
    assert once == again == sorted(set(once))
    assert len(once) == sample_size(1, rows) == 500
    assert max(abs(value / rows - (at + 0.5) / 500) for at, value in enumerate(once)) < rank_error(500, rows)
    assert rank_error(500, 500) == 0


def test_wide_tables_are_sampled_in_bounds() -> None:
    assert sample_size(5_000, 10**9) * 5_000 <= 5_000_000


def test_pairs() -> None:
    dice = np.random.default_rng(3)
    x = dice.normal(size=500)
    x[::7] = np.nan
    y = 2 * x + dice.normal(size=500)
    filled = ~np.isnan(x)
    (pearson,) = correlations([x, y])[0][1:]
    assert pearson == pytest.approx(np.corrcoef(x[filled], y[filled])[0, 1])
    assert correlations([x, np.ones(500)])[0][1] is None
    a = codes_of(pa.array(["u", "v"] * 250))
    b = codes_of(pa.array(["p", "q"] * 250))
    assert cramers_v(a, b) == pytest.approx(1)
    assert cramers_v(a, codes_of(pa.array(dice.choice(["p", "q"], 500).tolist()))) < 0.2
    assert cramers_v(a, codes_of(pa.array(["p"] * 500))) is None
    numbers = dice.normal(size=500)
    told = codes_of(pa.array(np.where(np.abs(numbers) < 1, "in", "out").tolist()))
    assert separation(numbers, told) > 0.98
    assert separation(dice.normal(size=500), told) < 0.25
    assert separation(np.zeros(500), np.sort(told)) < 0.25, "equal numbers tell nothing, however rows are ordered"
