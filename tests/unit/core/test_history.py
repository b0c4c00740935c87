"""Steps that look back: at training rows before a row, and at no others."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, facts_of, spec, trained, wide

from skyulf.core.applier import Applier
from skyulf.core.candidates import check_spec
from skyulf.core.registry import BuildContext, steps

CONTEXT = BuildContext(0, "regression")


def looked_back(node: str, frame: pd.DataFrame, query: pd.DataFrame | None = None, **params: Any) -> Any:
    step = steps()[node].model_validate(params)
    fitted = step.build_on(CONTEXT, list(frame.columns)).fit(frame)
    return fitted.transform(frame if query is None else query)


SALES = pd.DataFrame(
    {"day": [3.0, 1, 2, 1, 2], "shop": pd.Series(list("aaabb"), dtype=object), "sold": [30.0, 10, 20, 7, 8]}
)


def test_a_lag_is_what_the_row_before_in_its_group_held() -> None:
    got = looked_back("lag", SALES, order="day", groups=["shop"], lags=[1, 2])
    np.testing.assert_array_equal(got, [[20, 10], [np.nan] * 2, [10, np.nan], [np.nan] * 2, [7, np.nan]])


def test_rolling_statistics_leave_the_row_itself_out() -> None:
    got = looked_back(
        "rolling", SALES, order="day", groups=["shop"], window=2, statistics=["mean", "sum", "max", "std"]
    )
    np.testing.assert_allclose(got[0], [15, 30, 20, 5])
    np.testing.assert_allclose(got[2], [10, 10, 10, 0])
    assert np.isnan(got[1]).all()


def test_rows_to_predict_see_the_training_rows_before_them_and_not_each_other() -> None:
    later = pd.DataFrame(
        {"day": [9.0, 10, 2.5, np.nan, 9], "shop": pd.Series([*"aaaa", "c"], dtype=object), "sold": [1.0] * 5}
    )
    together = looked_back("lag", SALES, later, order="day", groups=["shop"])
    np.testing.assert_array_equal(together[:, 0], [30, 30, 20, np.nan, np.nan])
    for at in range(len(later)):
        alone = looked_back("lag", SALES, later[at : at + 1], order="day", groups=["shop"])
        np.testing.assert_array_equal(alone[0], together[at])


def test_rows_of_one_moment_are_not_each_others_past() -> None:
    same = pd.DataFrame({"t": [1.0, 1, 2], "v": [5.0, 6, 7]})
    got = looked_back("lag", same, order="t")
    np.testing.assert_array_equal(got[:, 0], [np.nan, np.nan, 6])


def test_against_pandas_on_drawn_rows() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"t": rng.permutation(300).astype(float), "g": rng.integers(0, 5, 300) * 1.0, "v": rng.normal(size=300)}
    )
    frame.loc[::7, "v"] = np.nan
    ordered = frame.sort_values("t")
    wanted = ordered.groupby("g")["v"].transform(lambda v: v.shift(1).rolling(4, min_periods=1).mean())
    got = looked_back("rolling", frame, order="t", groups=["g"], window=4)
    np.testing.assert_allclose(got[:, 0], wanted.sort_index().to_numpy(), atol=1e-12)
    lagged = ordered.groupby("g")["v"].shift(3).sort_index().to_numpy()
    np.testing.assert_array_equal(looked_back("lag", frame, order="t", groups=["g"], lags=[3])[:, 0], lagged)


def test_few_rows_and_many_are_looked_up_alike() -> None:
    rng = np.random.default_rng(2)
    past, asked = (
        pd.DataFrame(
            {"t": rng.integers(0, 40, size) * 1.0, "g": rng.integers(0, 9, size) * 1.0, "v": rng.normal(size=size)}
        )
        for size in (300, 120)
    )
    together = looked_back("lag", past, asked, order="t", groups=["g"], lags=[1, 4])
    parts = [looked_back("lag", past, asked[at : at + 40], order="t", groups=["g"], lags=[1, 4]) for at in (0, 40, 80)]
    np.testing.assert_array_equal(together, np.concatenate(parts))


def test_many_rows_and_a_long_window_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sales = SALES[["day", "sold"]]
    whole = looked_back("rolling", sales, order="day", window=3)
    monkeypatch.setattr("skyulf.core.history.MANY_CELLS", 4)
    np.testing.assert_array_equal(looked_back("rolling", sales, order="day", window=3), whole)


def test_the_columns_it_reads_must_be_there_and_of_their_kind() -> None:
    frame, facts = wide()
    lag = {"node": "lag", "columns": ["age"], "params": {"order": "deck", "groups": ["day", "gone"]}}
    faults = {f.place: f.message for f in check_spec(spec([lag], LOGISTIC), facts, len(frame))}
    assert "deck is categorical" in faults["steps.0.params.order"]
    assert set(faults) == {"steps.0.params.order", "steps.0.params.groups"}
    alone = {"node": "lag", "columns": ["age"], "params": {"order": "age"}}
    (fault,) = check_spec(spec([alone], LOGISTIC), facts, len(frame))
    assert "other columns than order" in fault.message


def test_columns_that_are_only_read_must_be_sent() -> None:
    frame = pd.DataFrame(
        {"t": np.arange(60.0), "g": pd.Series(["u", "v"] * 30, dtype=object), "v": np.arange(60.0) % 7}
    )
    frame["y"] = frame["v"].shift(2).fillna(0.0)
    facts = facts_of(frame, {"t": "number", "g": "string", "v": "number", "y": "number"})
    use = [
        {"node": "lag", "columns": ["v"], "params": {"order": "t", "groups": ["g"]}},
        {"node": "drop_columns", "columns": ["t", "g"]},
        {"node": "impute", "columns": "numeric"},
    ]
    asked = spec(use, {"node": "linear_regression"}, "regression", split={"shuffle": False})
    state = trained(asked, frame=frame, facts=facts)
    assert [column.name for column in state.input_schema] == ["t", "g", "v"]
    answer = Applier(state)
    (said,) = answer.predict(answer.validate([{"t": 60, "g": "u", "v": 0}])).predictions
    assert said == pytest.approx(frame["v"][58], abs=0.5)  # the lag, two rows before in the whole
