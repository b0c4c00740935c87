"""Tables that are larger than a job's memory: what is needed is told before, and a sample is drawn that fits."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import FULL, LOGISTIC, facts_of, spec, table

from skyulf.core import frame as framing
from skyulf.core.columns import ColumnFacts, kind_of
from skyulf.core.drawing import PIECE, drawn_pieces, drawn_rows
from skyulf.core.flow import follow
from skyulf.core.frame import Sample, read_frame
from skyulf.core.memory import bytes_needed, needed_columns, rows_that_fit, scaled

PEAK = """
import sys
import skyulf.core.calculator, pyarrow.parquet, pandas
from skyulf.core.frame import Sample, read_frame
def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))
before = resident("VmRSS")
read_frame(sys.argv[1], None, Sample(int(sys.argv[2]), 0))
print(resident("VmHWM") - before)
"""


@pytest.mark.parametrize(("rows", "wanted"), [(10, 10), (10, 3), (PIECE, 1), (3 * PIECE + 7, 100_000), (5, 0)])
def test_as_many_rows_are_drawn_as_were_asked_for(rows, wanted):
    drawn = drawn_rows(rows, wanted, seed=3)
    assert len(drawn) == wanted
    assert len(np.unique(drawn)) == wanted
    assert (np.diff(drawn) > 0).all()
    assert not wanted or 0 <= drawn[0] <= drawn[-1] < rows
    assert (drawn == drawn_rows(rows, wanted, seed=3)).all()


def test_every_row_is_as_likely_as_any_other():
    rows, wanted = 2 * PIECE + PIECE // 2, 50_000
    counts = [sum(len(piece) for piece in list(drawn_pieces(rows, wanted, seed))[:1]) for seed in range(40)]
    expected = wanted * PIECE / rows
    assert abs(np.mean(counts) - expected) < 4 * np.std(counts) / np.sqrt(len(counts)) + 1
    assert 50 < np.std(counts) < 200, "as many as chance would have it, not the same share of each piece"


def test_which_rows_are_drawn_never_changes():
    assert drawn_rows(1000, 8, seed=0).tolist() == [16, 40, 75, 268, 306, 508, 633, 844]


@pytest.fixture
def stored(tmp_path):
    frame, _ = table(PIECE + 5_000)
    frame["y"] = pd.Series(np.arange(len(frame)), dtype=np.int64)
    written = pa.Table.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(tmp_path / "t.parquet", written.schema) as writer:
        for begin in range(0, len(frame), 9_999):  # batches that are no pieces
            writer.write_table(written.slice(begin, 9_999))
    return tmp_path / "t.parquet"


def test_a_sample_holds_the_drawn_rows_as_they_are(stored):
    whole = read_frame(stored, "y")
    part = read_frame(stored, "y", Sample(20_000, 7))
    expected = whole.iloc[drawn_rows(len(whole), 20_000, 7)].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected)


def test_columns_that_are_not_needed_are_not_read(stored):
    whole = read_frame(stored, "y")
    for sample in (None, Sample(1_000, 1)):
        part = read_frame(stored, "y", sample, only={"age", "y"})
        assert list(part.columns) == list(whole.columns)
        assert part["deck"].isna().all()
        assert part["age"].notna().any()


def test_names_with_points_stand_for_themselves(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "a.b": ["x", "y"], "a.b.c": [3.0, None]})
    frame.to_parquet(tmp_path / "t.parquet")
    for sample in (None, Sample(2, 0)):
        pd.testing.assert_frame_equal(read_frame(tmp_path / "t.parquet", None, sample), frame.astype({"a.b": object}))
        part = read_frame(tmp_path / "t.parquet", None, sample, only={"a"})
        assert (part["a"].tolist(), part["a.b"].isna().all()) == ([1.0, 2.0], True)


def test_a_large_table_is_read_column_by_column_alike(stored, monkeypatch):
    whole = read_frame(stored, "y")
    monkeypatch.setattr(framing, "MANY_CELLS", 1_000)
    pd.testing.assert_frame_equal(read_frame(stored, "y"), whole)


def test_what_is_dropped_before_it_is_used_is_not_needed():
    frame, facts = table()
    drop = {"node": "drop_columns", "columns": ["deck"]}
    unique = {"node": "drop_duplicates", "columns": ["deck"]}
    for steps, needed in (([drop, *FULL], False), ([unique, drop, *FULL], True), (FULL, True)):
        asked = spec(steps, LOGISTIC)
        assert ("deck" in needed_columns(asked, follow(asked, facts, len(frame)))) is needed
    searched = spec([drop, *FULL], LOGISTIC, tuning={"strategy": "grid", "space": {"model.C": [1.0, 2.0]}})
    assert "deck" in needed_columns(searched, follow(searched, facts, len(frame)))


def test_what_is_needed_grows_with_rows_and_columns():
    frame, facts = table()
    asked = spec(FULL, LOGISTIC)
    one, two = bytes_needed([asked], facts, 1_000), bytes_needed([asked], facts, 2_000)
    assert two == pytest.approx(2 * one, rel=0.01)
    wide = spec([*FULL, {"node": "polynomial", "columns": "numeric"}], LOGISTIC)
    assert bytes_needed([wide], facts, 1_000) > one
    assert bytes_needed([asked, wide], facts, 1_000) == bytes_needed([wide], facts, 1_000)
    assert 8 * len(frame.columns) * 1_000 < one < 1_000 * 2_000
    assert rows_that_fit(1_000, one, one // 2) in (499, 500)
    assert rows_that_fit(1_000, one, one * 2) == 1_000


def test_facts_of_a_sample_are_those_that_it_has():
    rng = np.random.default_rng(0)
    rows = 100_000
    frame = pd.DataFrame(
        {
            "kind": rng.choice(list("abcd"), rows),
            "code": np.char.add("c", rng.integers(0, 20_000, rows).astype(str)),
            "key": np.char.add("k", np.arange(rows).astype(str)),
            "x": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
        }
    )
    types = {"kind": "string", "code": "string", "key": "string", "x": "number"}
    facts = facts_of(frame, types)
    part = frame.iloc[drawn_rows(rows, 5_000, 1)]
    expected, found = scaled(facts, rows, 5_000), facts_of(part, types)
    for told, is_so in zip(expected, found, strict=True):
        assert told.distinct == pytest.approx(is_so.distinct, rel=0.05)
        assert told.nulls == pytest.approx(is_so.nulls, rel=0.2)
        assert kind_of(told, 5_000) == kind_of(is_so, 5_000)
    rare = ColumnFacts(name="r", type="string", nulls=1, distinct=2, commonest=rows - 4, rarest=3)
    (told,) = scaled([rare], rows, 1_000)
    assert (told.nulls, told.rarest) == (1, 1), "what there is little of may be there still"


def test_reading_a_sample_takes_no_more_memory_than_a_piece_and_the_sample(tmp_path):
    rows = 3_000_000
    columns = {f"x{at}": np.arange(rows, dtype=np.float64) * at for at in range(10)}
    pq.write_table(pa.table(columns), tmp_path / "large.parquet", row_group_size=400_000)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "large.parquet"), "10000"]
    taken = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert taken < rows * 10 * 8 / 2, "less than half of the table's own 240 MB"
