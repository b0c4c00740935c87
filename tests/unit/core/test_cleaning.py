"""Steps that put cells right, compute, drop and mark: what they make of a few cells."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, spec, table, trained

from skyulf.core.candidates import check_spec
from skyulf.core.registry import BuildContext, steps

NAN = np.nan


def made(node: str, values: list[Any], /, **params: Any) -> list[Any]:
    """What a step makes of one column."""
    kind = object if any(isinstance(value, str) for value in values) else np.float64
    frame = pd.DataFrame({"x": pd.Series(values, dtype=kind)})
    step = steps()[node].model_validate(params)
    fitted = step.build_on(BuildContext(0, "classification"), ["x"]).fit(frame)
    got = np.asarray(fitted.transform(frame))
    np.testing.assert_array_equal(got.astype(str), fitted.compute(frame.to_numpy()).astype(str))
    return got[:, 0].tolist() if got.shape[1] == 1 else got.tolist()


def same(got: list[Any], wanted: list[Any]) -> bool:
    return len(got) == len(wanted) and all(a == b or (a != a and b != b) for a, b in zip(got, wanted, strict=True))


def test_values_are_replaced() -> None:
    assert same(made("replace", ["us", " US", "fr", NAN], values={"us": "USA", "fr": None}), ["USA", " US", NAN, NAN])
    assert same(made("replace", ["us", " US", "fr"], values={"US": "USA"}, ignore_case=True), ["USA", "USA", "fr"])
    assert same(made("replace", [-999.0, 1.0, 2.5, NAN], values={"-999": None, "2.5": 3}), [NAN, 1.0, 3.0, NAN])
    assert same(made("replace", ["a", "b"], values={"a": "b", "b": "a"}), ["b", "a"])


def test_what_cannot_be_true_is_set_missing() -> None:
    assert same(made("set_missing", [-1.0, 0, 120, 121, NAN], minimum=0, maximum=120), [NAN, 0, 120, NAN, NAN])
    assert same(made("set_missing", ["x", "?", "y"], values=["?"]), ["x", NAN, "y"])
    assert same(made("set_missing", ["x", "?", "y"], allowed=["y"]), [NAN, NAN, "y"])
    assert same(made("set_missing", [1.0, 2, 3], allowed=[1, 3], values=[3]), [1, NAN, NAN])


def test_text_is_cleaned() -> None:
    assert same(made("clean_text", ["  Öl,  GAS\t", " ", NAN]), ["öl, gas", NAN, NAN])
    everything = {"case": "upper", "accents": True, "punctuation": True, "digits": True}
    assert same(made("clean_text", ["Crème-brûlée №5!", "12"], **everything), ["CREME BRULEE NO", NAN])


@pytest.mark.parametrize(
    ("node", "params", "place"),
    [
        ("replace", {"values": {"a": "b"}}, "steps.0.columns"),
        ("replace", {"values": {"1": "b"}}, "steps.0.columns"),
        ("set_missing", {"values": ["x"]}, "steps.0.columns"),
        ("clean_text", {}, "steps.0.columns"),
    ],
)
def test_words_are_refused_for_numbers(node: str, params: Any, place: str) -> None:
    frame, facts = table()
    asked = spec([{"node": node, "columns": ["age"], "params": params}], LOGISTIC)
    assert place in {fault.place for fault in check_spec(asked, facts, len(frame))}


def test_functions_take_any_number() -> None:
    assert made("function", [-1.0, 0, np.e - 1], function="log1p") == pytest.approx([-np.log(2), 0, 1])
    assert made("function", [-4.0, 9], function="sqrt") == [-2, 3]
    assert same(made("function", [0.0, -2, NAN], function="reciprocal"), [0, -0.5, NAN])
    assert made("function", [1e9], function="exp") == [1e30]


def test_bins_have_the_edges_that_one_names() -> None:
    assert same(made("bin_edges", [-1.0, 0, 4.9, 5, 99, NAN], edges=[0, 5]), [0, 1, 1, 2, 2, NAN])


def arithmetic(operation: str, *rows: list[float]) -> list[float]:
    frame = pd.DataFrame(list(rows), columns=list("cab"), dtype=float)
    of = ["a", "b"] if operation == "ratio" else ["a", "b", "c"]
    step = steps()["arithmetic"].model_validate({"of": of, "operation": operation})
    got: list[float] = (
        step.build_on(BuildContext(0, "regression"), list("cab")).fit(frame).transform(frame)[:, 0].tolist()
    )
    return got


def test_arithmetic_goes_by_the_order_in_which_columns_are_named() -> None:
    assert arithmetic("difference", [1, 10, 4]) == [5]
    assert arithmetic("mean", [1, 10, 4]) == [5]
    assert arithmetic("maximum", [1, 10, 4]) == [10]
    assert same(arithmetic("ratio", [1, 10, 4], [1, 1, 0], [1, 0, 0]), [2.5, NAN, NAN])


def test_columns_that_are_named_need_no_selector_and_take_none() -> None:
    frame, facts = table()
    step = {"node": "arithmetic", "columns": ["age"], "params": {"of": ["age", "fare paid"]}}
    (fault,) = check_spec(spec([step], LOGISTIC), facts, len(frame))
    assert (fault.place, "leave this out" in fault.message) == ("steps.0.columns", True)
    wrong = {"node": "arithmetic", "params": {"of": ["age", "deck", "y", "gone"]}}
    faults = [f.message for f in check_spec(spec([wrong], LOGISTIC), facts, len(frame)) if "params.of" in f.place]
    assert any("deck is categorical" in fault for fault in faults)
    assert any("target" in fault for fault in faults)
    assert any("no such column" in fault for fault in faults)


def test_the_distance_of_vienna_and_graz() -> None:
    frame = pd.DataFrame({"lon": [16.3738, NAN], "lat": [48.2082, 47.0]})
    params = {"latitude": "lat", "longitude": "lon", "point": [47.0707, 15.4395]}
    step = steps()["geo_distance"].model_validate(params)
    got = step.build_on(BuildContext(0, "regression"), ["lon", "lat"]).fit(frame).transform(frame)[:, 0]
    assert got[0] == pytest.approx(144.7, abs=0.5)
    assert np.isnan(got[1])


def test_the_commonest_cells_have_a_column_each() -> None:
    frame = pd.DataFrame({"lat": [48.2, 48.2, 48.2, 40.7, 40.7, 0.0], "lon": [16.4, 16.4, 16.4, -74, -74, 0.0]})
    step = steps()["h3_cells"].model_validate({"latitude": "lat", "longitude": "lon", "resolution": 3, "max_cells": 2})
    fitted = step.build_on(BuildContext(0, "regression"), ["lat", "lon"]).fit(frame)
    got = fitted.transform(frame)
    assert got.sum(axis=1).tolist() == [1, 1, 1, 1, 1, 0]
    assert sorted(got.sum(axis=0).tolist()) == [2, 3]
    beyond = pd.DataFrame({"lat": [NAN, 91.0, 48.2], "lon": [0.0, 0.0, 16.4]})
    assert fitted.transform(beyond).sum(axis=1).tolist() == [0, 0, 1]


def test_outliers_are_drawn_in_marked_and_dropped_alike() -> None:
    values = [*np.arange(9.0), 1000.0, NAN]
    assert max(made("clip", values, method="bounds", maximum=5)[:10]) == 5
    assert same(made("outlier_indicator", values), [0.0] * 9 + [1.0, 0.0])
    assert made("outlier_indicator", values, method="z_score", deviations=2)[9] == 1.0
    assert sum(made("outlier_indicator", values, method="bounds", minimum=3)) == 3
    frame, facts = table(400)
    frame.loc[frame.index % 40 == 0, "fare paid"] = 1e6
    rest = [{"node": "drop_columns", "columns": "categorical"}, {"node": "impute"}]
    for params in ({"method": "iqr", "factor": 50.0}, {"method": "bounds", "maximum": 1e5}):
        drop = {"node": "drop_outliers", "columns": ["fare paid"], "params": params}
        state = trained(spec([drop, *rest], LOGISTIC), frame=frame, facts=facts)
        assert state.rows["served_after_steps"] == 390
        assert state.rows["test"] == 80


def test_rows_with_gaps_are_dropped_in_training_only() -> None:
    frame, facts = table(300)
    rest = [{"node": "drop_columns", "columns": "categorical"}, {"node": "impute"}]
    state = trained(spec([{"node": "drop_missing_rows"}, *rest], LOGISTIC), frame=frame, facts=facts)
    assert state.rows["served_after_steps"] == int(frame.notna().all(axis=1).sum()) < 300
    loose = {"node": "drop_missing_rows", "params": {"max_missing": 0.5}}
    state = trained(spec([loose, *rest], LOGISTIC), frame=frame, facts=facts)
    assert state.rows["served_after_steps"] == 300


def columns_kept(node: str, frame: pd.DataFrame, target: Any = None, **params: Any) -> list[int]:
    step = steps()[node].model_validate(params)
    kept: list[int] = step.build(BuildContext(0, "classification")).fit(frame, target).kept_.tolist()
    return kept


def test_columns_are_chosen() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 200))
    frame = pd.DataFrame({"a": a, "like a": -2 * a + 0.01 * b, "b": b, "exp b": np.exp(5 * b), "c": c})
    assert columns_kept("select_uncorrelated", frame) == [0, 2, 3, 4]
    assert columns_kept("select_uncorrelated", frame, method="spearman") == [0, 2, 4]
    for by in ("trees", "linear"):
        assert columns_kept("select_by_model", frame[["c", "b", "a"]], b > 0, keep=1, by=by) == [1]
    assert columns_kept("drop_missing_columns", frame.assign(a=np.where(a > 0, a, NAN)), max_missing=0.1) == [
        1,
        2,
        3,
        4,
    ]
    assert columns_kept("drop_missing_columns", frame[["a"]].assign(a=NAN), max_missing=0.0) == [0]


def test_evidence_is_the_logarithm_of_shares() -> None:
    frame = pd.DataFrame({"x": pd.Series(["u"] * 30 + ["v"] * 10, dtype=object)})
    target = np.array([1] * 10 + [0] * 20 + [1] * 10)
    fitted = steps()["weight_of_evidence"].model_validate({"smooth": 1e-9}).build(BuildContext(0, "classification"))
    fitted.fit(frame, target)
    unseen = pd.DataFrame({"x": pd.Series(["u", "unseen"], dtype=object)})
    assert fitted.transform(unseen)[:, 0] == pytest.approx([np.log(0.5 / 1.0), 0.0])
    crossed = fitted.fit_transform(frame, target)
    assert (crossed != fitted.transform(frame)).any(), "training rows are encoded by the others"


def test_evidence_is_for_classes() -> None:
    frame, facts = table(target="number")
    asked = spec([{"node": "weight_of_evidence", "columns": ["deck"]}], {"node": "ridge"}, "regression")
    (fault,) = check_spec(asked, facts, len(frame))
    assert (fault.place, fault.message) == ("steps.0.node", "weight_of_evidence is for classification only")


def test_hashes_are_the_same_for_ever() -> None:
    got = np.array(made("hash_encode", ["a", "b", NAN, "a"], buckets=8))
    assert got.sum(axis=1).tolist() == [1, 1, 0, 1]
    assert (got[0] == got[3]).all()
    assert got[:2].argmax(axis=1).tolist() == [7, 5]


@pytest.mark.parametrize("method", ["k_means", "mini_batch_k_means", "birch", "gaussian_mixture"])
def test_clusters_are_found(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.array([[0.0, 0], [9, 0], [0, 9]]), 50, axis=0)
    frame = pd.DataFrame(rng.normal(size=(150, 2)) + centres, columns=["x", "z"])
    context = BuildContext(0, "classification")
    for give in ("membership", "distances"):
        fitted = (
            steps()["cluster"].model_validate({"method": method, "count": 3, "give": give}).build(context).fit(frame)
        )
        got = fitted.transform(frame)
        groups = (got.argmax(axis=1) if give == "membership" else got.argmin(axis=1)).reshape(3, 50)
        assert all(len(set(group.tolist())) == 1 for group in groups)
        assert len(set(groups[:, 0].tolist())) == 3
        with monkeypatch.context() as patch:
            patch.setattr("skyulf.core.clusters.MANY_CELLS", 7)
            np.testing.assert_array_equal(fitted.transform(frame), got)
    few = pd.DataFrame({"x": [1.0, 1, 2], "z": [0.0, 0, 0]})
    assert steps()["cluster"].model_validate({"method": method}).build(context).fit(few).transform(few).shape == (3, 2)


def test_a_mixture_says_what_scikit_learns_says() -> None:
    from sklearn.mixture import GaussianMixture

    rows = np.random.default_rng(1).normal(size=(200, 3)) @ np.diag([1, 5, 0.1])
    fitted = (
        steps()["cluster"]
        .model_validate({"method": "gaussian_mixture", "count": 4})
        .build(BuildContext(0, "regression"))
    )
    wanted = GaussianMixture(4, random_state=0).fit(rows).predict_proba(rows)
    np.testing.assert_allclose(fitted.fit(rows).transform(rows), wanted, atol=1e-9)
