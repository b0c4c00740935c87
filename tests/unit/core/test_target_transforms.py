"""A regression may learn a transformed target: declared, chosen by cross-validation, and undone in every prediction."""

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers import FULL, SMALL, facts_of, spec, table, trained
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core.applier import Applier
from skyulf.core.candidates import choose_candidates
from skyulf.core.columns import ColumnFacts
from skyulf.core.formats import load_model, save_model
from skyulf.core.importance import explain
from skyulf.core.packaging import NotPackaged, Packaged, package
from skyulf.core.plan import plan
from skyulf.core.registry import models
from skyulf.core.scorer import Scorer
from skyulf.core.spec import PipelineSpec, parse_spec
from skyulf.core.state import FittedState
from skyulf.core.target_transforms import TargetTransform
from skyulf.errors import Invalid

METHODS = ("log1p", "yeo_johnson")
NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, -1.0, 1.0, -2.0, 1e-9, 1e9, -1e9, 0.5]), st.floats(-1e9, 1e9, allow_subnormal=False)
)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=60)
@given(targets=st.lists(NUMBERS, min_size=1, max_size=30))
def test_what_is_turned_comes_back(method: str, targets: list[float]) -> None:
    column = np.array(targets)[:, None]
    turn = TargetTransform(method).fit(column)
    back = turn.inverse_transform(turn.transform(column))
    assert np.isfinite(back).all()
    if method == "log1p":
        np.testing.assert_allclose(back, column, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [0.0, -5.0, -1e3, 1e3])
def test_skewed_targets_come_back_whatever_their_sign(method: str, shift: float) -> None:
    column = np.random.default_rng(0).lognormal(1, 1.5, (500, 1)) + shift
    turn = TargetTransform(method).fit(column)
    np.testing.assert_allclose(turn.inverse_transform(turn.transform(column)), column, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_predicted_beyond_what_was_seen(method: str) -> None:
    column = np.array([[-3.0], [0.0], [2.0], [40.0]])
    turn = TargetTransform(method).fit(column)
    far = turn.inverse_transform(np.array([[-1e30], [-50.0], [50.0], [1e30]]))
    np.testing.assert_allclose(far, [[-3.0], [-3.0], [40.0], [40.0]])


def skewed(shift: float = 0.0) -> tuple[Any, list[ColumnFacts]]:
    frame, facts = table(400, target="number")
    frame["y"] = np.exp(frame["y"]) + shift
    told = facts_of(frame, {fact.name: fact.type for fact in facts})
    moments = frame["y"] - frame["y"].mean()
    skewness = float((moments**3).mean() / (moments**2).mean() ** 1.5)
    return frame, [fact.model_copy(update={"skewness": skewness}) if fact.name == "y" else fact for fact in told]


@cache
def fitted(node: str, method: str | None, shift: float = 0.0) -> FittedState:
    frame, facts = skewed(shift)
    params = SMALL.get(node, {})
    asked = spec(FULL, {"node": node, "params": params}, "regression", target_transform=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that did not converge on so little
        return trained(asked, frame=frame, facts=facts)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("node", sorted(models("regression")))
def test_every_regressor_predicts_in_the_targets_units(node: str, method: str, tmp_path: Any) -> None:
    state = fitted(node, method)
    frame, _ = skewed()
    rows = Applier(state).columns_of_frame(frame)
    wanted = state.pipeline.predict(frame[list(state.pipeline_inputs)])
    assert frame["y"].min() - 1e-9 <= wanted.min() <= wanted.max() <= frame["y"].max() * (1 + 1e-9)
    np.testing.assert_allclose(Applier(state).predict(rows).values, wanted, rtol=1e-12)
    save_model(state, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.spec.target_transform == method
    np.testing.assert_array_equal(Applier(loaded).predict(rows).values, Applier(state).predict(rows).values)
    packaged = package(loaded, "sha256:ab", rows)
    if node == "k_neighbors":
        assert isinstance(packaged, NotPackaged)
        return
    assert isinstance(packaged, Packaged), packaged
    np.testing.assert_allclose(Scorer(packaged.content).predict(rows).values, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [-1.0, -3.0])
def test_negative_targets_train_and_have_a_copy(method: str, shift: float) -> None:
    state = fitted("hist_gradient_boosting", method, shift)
    frame, _ = skewed(shift)
    near = state.pipeline.predict(frame[list(state.pipeline_inputs)])
    assert np.corrcoef(np.log(near - shift), np.log(frame["y"] - shift))[0, 1] > 0.7
    assert isinstance(package(state, "sha256:ab", Applier(state).columns_of_frame(frame)), Packaged)


def test_steps_that_drop_rows_and_the_importance_of_columns_go_with_it() -> None:
    frame, facts = skewed()
    fewer = {"node": "drop_duplicates", "columns": "all", "params": {"subset": ["deck", "member", "age"]}}
    model = {"node": "random_forest", "params": {"n_estimators": 9}}
    state = trained(spec([fewer, *FULL], model, "regression", target_transform="log1p"), frame=frame, facts=facts)
    assert state.rows["train_after_steps"] < state.rows["train"]
    assert isinstance(package(state, "sha256:ab", Applier(state).columns_of_frame(frame)), Packaged)
    worth = explain(state, frame, facts, seed=1, threads=1)
    assert worth["metric"] == "rmse"
    assert worth["score"] > 1, "in the target's units, not those of its logarithm"


def test_what_grows_by_shares_is_learnt_better_from_its_logarithm() -> None:
    plain, turned = (fitted("ridge", method).metrics["rmse"] for method in (None, "log1p"))
    assert plain is not None
    assert turned is not None
    assert turned < 0.8 * plain


def test_the_fingerprint_tells_transforms_apart_and_is_the_same_again() -> None:
    marks = {method: fitted("ridge", method).fingerprint for method in (None, *METHODS)}
    assert len(set(marks.values())) == 3
    fitted.cache_clear()
    assert {method: fitted("ridge", method).fingerprint for method in (None, *METHODS)} == marks


def test_the_record_says_what_became_of_the_target() -> None:
    assert fitted("ridge", None).spec.target_transform == "none"
    assert fitted("ridge", "log1p").spec.target_transform == "log1p"


TARGET = ColumnFacts(name="y", type="number", distinct=2000, commonest=1, rarest=1, skewness=2.5)
OTHER = ColumnFacts(name="x", type="number", distinct=2000, commonest=1, rarest=1)


def turned(asked: PipelineSpec, target: ColumnFacts = TARGET, rows: int = 2000) -> list[tuple[str, str | None]]:
    chosen = choose_candidates(asked, [OTHER, target], rows).specs
    return [(one.model.node, one.target_transform) for one in chosen if one.model]


def test_a_skewed_target_is_tried_as_its_logarithm_too() -> None:
    assert turned(spec(task="regression")) == [
        ("ridge", None),
        ("hist_gradient_boosting", None),
        ("hist_gradient_boosting", None),
        ("ridge", "log1p"),
        ("hist_gradient_boosting", "log1p"),
    ]
    assert choose_candidates(spec(task="regression"), [OTHER, TARGET], 2000).specs[-1].model.params["max_iter"] == 1000


@pytest.mark.parametrize(
    ("asked", "target", "rows"),
    [
        (spec(task="regression"), TARGET.model_copy(update={"skewness": 0.9}), 2000),
        (spec(task="regression"), TARGET.model_copy(update={"skewness": -4.0}), 2000),
        (spec(task="regression"), TARGET.model_copy(update={"skewness": None}), 2000),
        (spec(task="regression"), TARGET, 999),
        (spec(task="regression"), TARGET.model_copy(update={"nulls": 1001}), 2000),
        (spec(task="regression", model={"node": "ridge"}), TARGET, 2000),
        (spec(task="regression", target_transform="none"), TARGET, 2000),
        (spec(), TARGET.model_copy(update={"type": "integer", "distinct": 3, "rarest": 100}), 2000),
    ],
)
def test_a_target_is_not_turned_without_need_or_against_the_word(
    asked: PipelineSpec, target: ColumnFacts, rows: int
) -> None:
    assert {method for _, method in turned(asked, target, rows)} == {asked.target_transform}


def test_a_transform_that_is_asked_for_goes_for_every_candidate() -> None:
    assert {method for _, method in turned(spec(task="regression", target_transform="yeo_johnson"))} == {"yeo_johnson"}


def test_cross_validation_on_training_rows_chooses_the_transform() -> None:
    frame, facts = table(400, target="number")
    frame["y"] = np.exp(2 + frame["age"].fillna(40) / 20 + 0.1 * np.random.default_rng(2).normal(size=400))
    options = [spec(FULL, {"node": "ridge"}, "regression", target_transform=method) for method in ("none", "log1p")]
    state = trained(*options, frame=frame, facts=facts)
    assert state.spec.target_transform == "log1p"
    assert [score["metric"] for score in state.candidate_scores] == ["neg_rmse", "neg_rmse"]
    means = [score["mean"] for score in state.candidate_scores]
    assert means[1] > means[0]


def test_the_plan_shows_it() -> None:
    shown = plan(spec(task="regression"), [OTHER, TARGET], 2000).candidates
    assert [candidate.target_transform for candidate in shown] == ["none", "none", "none", "log1p", "log1p"]
    classes = TARGET.model_copy(update={"type": "string", "distinct": 2, "rarest": 900})
    assert {one.target_transform for one in plan(spec(), [OTHER, classes], 2000).candidates} == {None}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"task": "classification", "target": "y", "target_transform": "log1p"}, "task regression"),
        ({"task": "regression", "target": "y", "target_transform": "log"}, "'log1p'"),
        ({"task": "regression", "target": "y", "target_transform": 1}, "'log1p'"),
    ],
)
def test_what_cannot_be_is_named(document: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_spec(document)
    (fault,) = caught.value.faults
    assert fault.place == "target_transform"
    assert words in fault.message


def test_specs_of_before_say_nothing_of_it() -> None:
    old = {"task": "regression", "target": "y", "steps": [], "model": {"node": "ridge"}}
    assert parse_spec(old).transform is None
    assert parse_spec({"task": "classification", "target": "y", "target_transform": "none"}).transform is None
