"""Steps that change rows: of the training data only."""

import numpy as np
import pandas as pd
import pytest
import sklearn.pipeline
from helpers import FULL, LOGISTIC, facts_of, spec, table, trained
from sklearn.linear_model import Ridge

from skyulf.core.applier import Applier
from skyulf.core.candidates import check_spec
from skyulf.core.formats import load_model, save_model
from skyulf.core.plan import plan
from skyulf.errors import TrainingFailed

TYPES = {"a": "number", "b": "number", "y": "number"}
RIDGE = {"node": "ridge"}


def drop(columns="all", **params):
    return {"node": "drop_duplicates", "columns": columns, "params": params}


def repeated(each=60, times=4, seed=3):
    draw = np.random.default_rng(seed)
    once = pd.DataFrame({"a": draw.normal(size=each), "b": draw.normal(size=each)})
    once["y"] = once["a"] * 2 + draw.normal(size=each)
    many = pd.concat([once, *[once.head(each // 2)] * (times - 1)], ignore_index=True)
    return many, facts_of(many, TYPES), once


def test_the_model_is_fitted_on_one_of_the_rows_that_are_alike():
    frame, facts, once = repeated()
    state = trained(spec([drop()], RIDGE, "regression"), frame=frame, facts=facts)
    theirs = Ridge(alpha=1.0).fit(once[["a", "b"]], once["y"])
    np.testing.assert_allclose(state.pipeline[-1].coef_, theirs.coef_, rtol=1e-12)
    plain = trained(spec([], RIDGE, "regression"), frame=frame, facts=facts)
    assert abs(plain.pipeline[-1].coef_ - theirs.coef_).max() > 1e-6


def test_what_steps_leave_is_counted_and_no_row_is_missing_where_it_is_evaluated():
    frame, facts, once = repeated()
    state = trained(spec([drop()], RIDGE, "regression"), frame=frame, facts=facts)
    plain = trained(spec([], RIDGE, "regression"), frame=frame, facts=facts)
    counted = {name: count for name, count in state.rows.items() if not name.endswith("after_steps")}
    assert counted == plain.rows
    assert state.rows["served_after_steps"] == len(once)
    assert len(once) / 2 < state.rows["train_after_steps"] <= len(once)
    assert sum(group["count"] for group in state.evaluation["actual_by_predicted"]) == state.rows["test"]
    assert "train_after_steps" not in plain.rows


def test_without_refit_what_is_served_was_fitted_on_what_was_left_of_the_training_rows():
    frame, facts, _ = repeated()
    state = trained(spec([drop()], RIDGE, "regression", refit=False), frame=frame, facts=facts)
    assert state.rows["served_after_steps"] == state.rows["train_after_steps"]


def test_what_is_served_and_stored_knows_no_sampler_and_drops_no_row(tmp_path):
    frame, facts = table()
    state = trained(spec([drop(), *FULL], LOGISTIC), frame=frame, facts=facts)
    assert type(state.pipeline) is sklearn.pipeline.Pipeline
    save_model(state, tmp_path / "model")
    answer = Applier(load_model(tmp_path / "model"))
    twice = pd.concat([frame, frame])
    said = answer.predict(answer.columns_of_frame(twice)).predictions
    assert said[: len(frame)] == said[len(frame) :]


def test_fitted_twice_it_is_the_same_model():
    frame, facts = table()
    use = spec([drop(keep="last"), *FULL], LOGISTIC)
    one, other = (trained(use, frame=frame, facts=facts) for _ in range(2))
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (drop(), 5),
        (drop(["a"]), 3),
        (drop(subset=["a"]), 2),
        (drop(subset=["a", "b"]), 4),
        (drop(subset=["a", "y"]), 3),
        (drop(subset=["b"]), 3),
    ],
)
def test_the_columns_that_count(step, left):
    frame = pd.DataFrame({"a": [1, 1, 1, 1, 2, 2.0], "b": [1, 1, np.nan, np.nan, 1, 2], "y": [1, 1, 1, 2, 3, 3.0]})
    frame = frame.reindex(np.repeat(frame.index, 3)).reset_index(drop=True)
    use = spec([step, {"node": "impute", "columns": "numeric"}], RIDGE, "regression")
    state = trained(use, frame=frame, facts=facts_of(frame, TYPES))
    assert state.rows["served_after_steps"] == left


@pytest.mark.parametrize(("keep", "mean"), [("first", 0.0), ("last", 9.0)])
def test_the_first_or_the_last_of_them_stays(keep, mean):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=40), "b": draw.normal(size=40), "y": 0.0})
    frame = pd.concat([frame, frame.assign(y=9.0)], ignore_index=True)
    use = spec([drop(subset=["a", "b"], keep=keep)], RIDGE, "regression")
    state = trained(use, frame=frame, facts=facts_of(frame, TYPES))
    assert state.pipeline[-1].intercept_ == pytest.approx(mean)


def test_columns_that_earlier_steps_made_count_too():
    frame, facts = table(120)
    before = spec([drop(), *FULL], LOGISTIC)
    after = spec([*FULL, drop()], LOGISTIC)
    ages = spec([*FULL, {"node": "drop_columns", "columns": ["age", "fare paid", "member"]}, drop()], LOGISTIC)
    left = [trained(use, frame=frame, facts=facts).rows["served_after_steps"] for use in (before, after, ages)]
    assert left[0] == left[1] == len(frame)
    assert left[2] == len(frame.fillna({"deck": frame["deck"].mode()[0]})[["été \"x'", "deck", "y"]].drop_duplicates())


def test_candidates_are_compared_on_rows_that_no_step_dropped():
    frame, facts, _ = repeated()
    forest = {"node": "random_forest", "params": {"n_estimators": 5}}
    uses = [spec([drop()], model, "regression") for model in (RIDGE, forest)]
    state = trained(*uses, frame=frame, facts=facts)
    assert all(score is not None for candidate in state.candidate_scores for score in candidate["scores"])


def test_a_column_that_only_told_rows_apart_need_not_be_sent():
    frame, facts, _ = repeated()
    use = spec([drop(subset=["b"]), {"node": "drop_columns", "columns": ["b"]}], RIDGE, "regression")
    assert [column.name for column in trained(use, frame=frame, facts=facts).input_schema] == ["a"]


def test_names_that_are_not_there_are_found_before_anything_runs():
    frame, facts, _ = repeated()
    use = spec([drop(subset=["a", "absent", "y"])], RIDGE, "regression")
    assert [fault.place for fault in check_spec(use, facts, len(frame))] == ["steps.0.params.subset.1"]
    (step,) = plan(spec([drop()], RIDGE, "regression"), facts, len(frame)).candidates[0].steps
    assert "served" in (step.note or "")
    assert [column.name for column in step.columns] == ["a", "b"]


def test_one_class_left_is_told():
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.zeros(60), "b": draw.normal(size=60), "y": draw.integers(0, 2, 60)})
    facts = facts_of(frame, {"a": "number", "b": "number", "y": "integer"})
    with pytest.raises(TrainingFailed, match="one class"):
        trained(spec([drop(subset=["a"])], LOGISTIC), frame=frame, facts=facts)
