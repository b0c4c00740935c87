"""Parts of the rows held out: every row is in one of them, and each part has the metrics of its own rows."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import FULL, LOGISTIC, USES, spec, table, trained, wide
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from skyulf.core.columns import ColumnFacts
from skyulf.core.slices import FEW, MOST_VALUES, slices_of


def facts(kind):
    return ColumnFacts(name="c", type=kind, nulls=0, distinct=2, commonest=1, rarest=1)


def parts_of(cells, kind):
    """The parts of a column, with the rows of each in place of metrics."""
    frame = pd.DataFrame({"c": pd.Series(cells, dtype=object if kind == "string" else np.float64)})
    (sliced,) = slices_of([facts(kind)], frame, lambda mask: {"at": np.flatnonzero(mask).tolist()})
    assert sliced["column"] == "c"
    return sliced["parts"]


def test_values_by_hand():
    parts = parts_of(["b", "a", None, "b"], "string")
    assert parts == [
        {"value": "b", "rows": 2, "small": True, "metrics": {"at": [0, 3]}},
        {"value": "a", "rows": 1, "small": True, "metrics": {"at": [1]}},
        {"missing": True, "rows": 1, "small": True, "metrics": {"at": [2]}},
    ]
    assert [part["value"] for part in parts_of([1, 0, 1], "boolean")] == [False, True]
    assert [part["value"] for part in parts_of([3, 1, 3], "integer")] == [1, 3]
    assert [part["value"] for part in parts_of([86_400.0], "date")] == ["1970-01-02"]


def test_many_numbers_are_told_by_ranges_and_many_words_by_the_commonest():
    parts = parts_of(range(100), "integer")
    assert [part["range"] for part in parts] == [[0, 19], [20, 39], [40, 59], [60, 79], [80, 99]]
    assert [part["rows"] for part in parts] == [20] * 5
    words = [f"w{at:02}" for at in range(MOST_VALUES + 5)] + ["w24"] * FEW
    parts = parts_of(words, "string")
    assert parts[0]["value"] == "w24"
    assert [part["small"] for part in parts] == [False] + [True] * MOST_VALUES
    assert (parts[-1]["other"], parts[-1]["rows"]) == (5, 5)


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(st.none() | st.integers(-30, 30), min_size=1, max_size=80),
    kind=st.sampled_from(["integer", "number", "string", "datetime"]),
)
def test_every_row_is_in_one_part(cells, kind):
    parts = parts_of([None if cell is None else str(cell) for cell in cells] if kind == "string" else cells, kind)
    found = [at for part in parts for at in part["metrics"]["at"]]
    assert sorted(found) == list(range(len(cells)))
    assert all(part["rows"] == len(part["metrics"]["at"]) > 0 for part in parts)


def test_each_part_has_the_metrics_of_its_rows():
    frame, columns = table()
    asked = spec(
        [{"node": "drop_columns", "columns": ["member"]}, *FULL], LOGISTIC,
        split={"shuffle": False}, refit=False, evaluation={"slices": ["member", "deck"]},
    )  # fmt: skip
    state = trained(asked, frame=frame, facts=columns)
    member, deck = state.evaluation["slices"]
    assert (member["column"], deck["column"]) == ("member", "deck")
    held_out = frame.iloc[-40:]
    for part in member["parts"]:
        rows = held_out[held_out["member"] == part["value"]]
        said = state.pipeline.predict(rows.drop(columns="y"))
        assert part["rows"] == len(rows)
        assert part["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(rows["y"].tolist(), said))
    shares = [part["metrics"]["accuracy"] * part["rows"] for part in deck["parts"]]
    assert sum(shares) / 40 == pytest.approx(state.metrics["accuracy"])


def test_every_kind_of_column_can_be_sliced_by():
    frame, columns = wide()
    names = [column.name for column in columns if column.name != "y"]
    state = trained(spec(USES["scale"], LOGISTIC, evaluation={"slices": names}), frame=frame, facts=columns)
    sliced = state.evaluation["slices"]
    assert [each["column"] for each in sliced] == names
    assert all(sum(part["rows"] for part in each["parts"]) == state.rows["test"] for each in sliced)
    assert sliced[names.index("void")]["parts"][0].keys() == {"missing", "rows", "small", "metrics"}
    json.dumps(sliced, allow_nan=False)
