"""How far columns have moved: known values of each measure, and what is called drift."""

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core.drift import (
    Sample,
    chi_squared,
    drift,
    jensen_shannon,
    population_stability,
    quantile_edges,
    wasserstein,
)

COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=8).filter(any)


def sample(rows: int = 1000, **columns: Any) -> Sample:
    arrays = {name: pa.array(values) for name, values in columns.items()}
    kinds = {"double": "number", "int64": "integer", "string": "string", "bool": "boolean", "date32[day]": "date"}
    return Sample(arrays, {name: kinds.get(str(array.type), "datetime") for name, array in arrays.items()}, rows)


def level(before: Any, after: Any) -> str:
    found = drift(sample(x=before), sample(x=after))
    orjson.dumps(found)
    assert found["level"] == found["columns"][0]["level"]
    return str(found["level"])


@settings(deadline=None)
@given(st.data())
def test_measures_are_0_of_equals_and_never_below(data: st.DataObject) -> None:
    before = np.array(data.draw(COUNTS))
    after = np.array(data.draw(st.lists(st.integers(0, 1000), min_size=len(before), max_size=len(before)).filter(any)))
    for measure in (population_stability, jensen_shannon):
        assert measure(before, before) == pytest.approx(0, abs=1e-7)
        assert measure(before, after) == pytest.approx(measure(after, before))
        assert measure(before, after) >= 0
    assert jensen_shannon(before, after) <= 1


def test_known_values() -> None:
    before, after = np.array([500_000, 500_000]), np.array([250_000, 750_000])
    # (0.25 - 0.5) ln(0.25 / 0.5) + (0.75 - 0.5) ln(0.75 / 0.5)
    assert population_stability(before, after) == pytest.approx(0.274653, abs=1e-5)
    assert jensen_shannon(np.array([5, 0]), np.array([0, 9])) == 1
    assert wasserstein(np.array([0.0, 2.0]), np.array([3.0, 5.0])) == pytest.approx(3)
    assert wasserstein(np.array([1.0, 1.0]), np.array([3.0])) is None
    chi2 = chi_squared(np.array([10, 20]), np.array([20, 10]))
    assert chi2 == {"statistic": pytest.approx(20 / 3), "p": pytest.approx(0.00982, abs=1e-4), "degrees": 1}
    assert chi_squared(np.array([10, 0]), np.array([20, 0])) is None


def test_numbers_that_recur_have_bins_of_their_own() -> None:
    assert quantile_edges(np.zeros(9)).tolist() == [0, 5e-324]
    assert len(quantile_edges(np.arange(1000.0))) == 9
    assert quantile_edges(np.empty(0)).tolist() == []


def test_what_is_called_drift() -> None:
    dice = np.random.default_rng(5)
    normal = dice.normal(size=5000)
    assert level(normal, dice.normal(size=5000)) == "none"
    assert level(normal, dice.normal(0.4, size=5000)) == "moderate"
    assert level(normal, dice.normal(1.0, size=5000)) == "major"
    assert level(["a", "b"] * 500, ["a", "b"] * 400) == "none"
    assert level(["a", "b"] * 500, ["a", "c"] * 400) == "major"
    assert level([True, False] * 500, [True, True, False] * 300) in ("moderate", "none")
    assert level(normal, [None if at % 2 else value for at, value in enumerate(normal.tolist())]) == "major"
    assert level([1, 1, 1, 2] * 300, [1, 1, 1, 2] * 50) == "none"
    assert level([0] * 900, [7] * 900) == "major"


def test_a_few_rows_are_no_drift() -> None:
    """Eight rows leave most bins empty: their index is large by chance."""
    dice = np.random.default_rng(6)
    before = dice.normal(size=5000)
    assert [level(before, dice.normal(size=8)) for _ in range(50)].count("none") >= 48


def test_categories_that_are_new() -> None:
    found = drift(sample(c=["a", "b", None, "a"] * 50), sample(c=["a", "new"] * 50))
    assert found["columns"][0]["unseen"] == 0.5
    assert found["columns"][0]["missing"] == [0.25, 0]


def test_columns_that_come_go_and_change_their_type() -> None:
    days = pa.array([1, 2, 3] * 30, pa.int32()).cast(pa.date32())
    moments = days.cast(pa.timestamp("us", "UTC"))
    before = sample(a=[1, 2] * 45, b=["x"] * 90, d=days, gone=[1.0] * 90)
    after = sample(a=[1.0, 2.0] * 45, b=[1.0] * 90, d=moments, come=[1.0] * 90)
    found = drift(before, after)
    assert (found["added"], found["removed"], found["retyped"]) == (["come"], ["gone"], ["b"])
    assert {column["name"]: column["level"] for column in found["columns"]} == {"a": "none", "d": "none"}


@pytest.mark.parametrize("side", [[], [None, None], ["a"]])
def test_next_to_nothing_can_be_compared(side: list[Any]) -> None:
    texts = pa.array(side, pa.string())
    for before, after in ((texts, texts), (texts, pa.array(["b"] * 9)), (pa.array(["b"] * 9), texts)):
        orjson.dumps(drift(sample(x=before), sample(x=after)))
    numbers = pa.array([None if value is None else 1.0 for value in side], pa.float64())
    for before, after in ((numbers, numbers), (numbers, pa.array([2.0] * 9)), (pa.array([2.0] * 9), numbers)):
        orjson.dumps(drift(sample(x=before), sample(x=after)))
