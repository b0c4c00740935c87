"""Every step, in some use of it: fitted, saved, loaded and applied to arrays it says one thing."""

import datetime as dt
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, USES, facts_of, spec, table, trained, wide
from test_fingerprint import marks

from skyulf.core.applier import Applier
from skyulf.core.calculator import check, split
from skyulf.core.candidates import check_spec
from skyulf.core.fingerprint import fingerprint
from skyulf.core.formats import load_model, save_model
from skyulf.core.plan import plan
from skyulf.core.registry import BuildContext, steps
from skyulf.errors import TrainingFailed

ONE_OF_EACH = list({use.split()[0]: use for use in reversed(USES)}.values())
STEPS_PROGRAM = """
import sys
from helpers import LOGISTIC, USES, spec, trained, wide
frame, facts = wide()
for name, steps in USES.items():
    print(name, trained(spec(steps, LOGISTIC, refit=False), frame=frame, facts=facts).fingerprint)
"""
SEASON = "été \"x'"
ROW = {"age": 30, "fare paid": 8.5, SEASON: "a", "deck": "x", "member": True, "day": "2020-02-29"}
ROW |= {"at %": "2020-02-29T23:59:59.5+01:00", "void": None, "digits": "31", "note": "dear unseen"}


@cache
def state_of(use):
    frame, facts = wide()
    asked = spec(USES[use], LOGISTIC, refit=False)
    assert check_spec(asked, facts, len(frame)) == ()
    return trained(asked, frame=frame, facts=facts)


def test_every_step_is_used():
    assert {use.split()[0] for use in USES} == set(steps())


@pytest.mark.parametrize("use", USES)
def test_a_step_learns_and_is_saved_whole(use, tmp_path):
    state = state_of(use)
    assert state.metrics["roc_auc"] > 0.6
    save_model(state, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    frame, _ = wide()
    probe = frame.drop(columns="y")[:50]
    assert fingerprint(loaded.pipeline, probe) == fingerprint(state.pipeline, probe)
    before, after = Applier(state), Applier(loaded)
    rows = [ROW, {**ROW, "deck": "never seen", SEASON: ""}, {**ROW, "age": -1e9, "fare paid": 0.0}]
    assert after.predict(after.validate(rows)) == before.predict(before.validate(rows))


@pytest.mark.parametrize("use", USES)
def test_arrays_say_what_the_pipeline_says(use):
    state = state_of(use)
    frame, _ = wide()
    frame = frame.drop(columns="y")
    frame.loc[0, "deck"] = "never seen"
    frame.loc[1, "fare paid"] = -5.0
    answer = Applier(state)
    for part in (frame, frame[3:4]):
        said = answer.predict(answer.columns_of_frame(part)).probabilities
        np.testing.assert_allclose([list(p.values()) for p in said], state.pipeline.predict_proba(part), atol=1e-9)


@pytest.mark.parametrize("use", USES)
def test_nulls_go_where_the_schema_says(use):
    state = state_of(use)
    answer = Applier(state)
    assert answer.predict(answer.validate([])).predictions == []
    nulls = {c.name: None for c in state.input_schema if c.nullable}
    assert {"void", "deck"} <= set(nulls)
    for row in ({**ROW, **nulls}, *({**ROW, name: None} for name in nulls)):
        answer.predict(answer.validate([row]))


@pytest.mark.parametrize("use", USES)
def test_any_finite_number_is_served(use):
    answer = Applier(state_of(use))
    rows = [{**ROW, "age": n, "fare paid": n} for n in (1e308, -1e308, 0, 2**70)]
    said = answer.predict(answer.validate(rows))
    assert all(math.isfinite(p) for row in said.probabilities for p in row.values())


@pytest.mark.parametrize(
    "use", [use for use in USES if use.startswith(("target_encode", "select_by_model", "select_univariate"))]
)
@pytest.mark.parametrize(("target", "task"), [("integer", "classification"), ("number", "regression")])
def test_steps_that_look_at_the_target_do_both_tasks(use, target, task):
    frame, _ = wide()
    other, _ = table(len(frame), target=target)
    frame["y"] = other["y"]
    types = {c.name: c.type for c in wide()[1]}
    model = LOGISTIC if task == "classification" else {"node": "ridge"}
    facts = facts_of(frame, {**types, "y": target})
    state = trained(spec(USES[use], model, task), frame=frame, facts=facts)
    assert state.metrics["r2" if task == "regression" else "balanced_accuracy"] > 0.3
    Applier(state).predict(Applier(state).validate([ROW]))


def transformed(node, params, values, kind=np.float64):
    frame = pd.DataFrame({"x": pd.Series(list(values), dtype=kind)})
    step = steps()[node].model_validate(params)
    return step.build(BuildContext(0, "classification")).fit(frame).transform(frame)


def test_outliers_are_drawn_in():
    clipped = transformed("clip", {"factor": 1.5}, [*range(1, 10), 1000, np.nan])[:, 0]
    assert clipped[9] == pytest.approx(7.75 + 1.5 * 4.5)
    assert np.isnan(clipped[10])
    assert transformed("clip", {"method": "quantiles", "low": 0.0, "high": 0.5}, range(11)).max() == 5


def test_power_makes_symmetric():
    skewed = np.random.default_rng(0).lognormal(0, 1, 500)
    for method in ("yeo_johnson", "box_cox"):
        even = transformed("power_transform", {"method": method}, skewed)[:, 0]
        assert even.mean() == pytest.approx(0, abs=1e-9)
        assert even.std() == pytest.approx(1)
        assert abs(pd.Series(even).skew()) < 0.2
    with pytest.raises(TrainingFailed, match="yeo_johnson"):
        transformed("power_transform", {"method": "box_cox"}, [0.0, 1.0])


def test_parts_of_dates():
    moments = [
        dt.datetime(2024, 2, 29, 13, 45, 59, 999_000, dt.UTC),
        dt.datetime(1969, 12, 31, 23, 0, 1, tzinfo=dt.UTC),
    ]
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    parts = ["year", "month", "day", "weekday", "day_of_year", "hour", "minute", "second", "days"]
    got = transformed("date_parts", {"parts": parts}, [*(m.timestamp() for m in moments), np.nan])
    for moment, row in zip(moments, got, strict=False):
        part = moment.timetuple()
        wanted = [*part[:3], moment.isoweekday(), part.tm_yday, *part[3:6], (moment - epoch).days]
        assert row.tolist() == wanted
    assert np.isnan(got[2]).all()


def test_select_keeps_what_tells():
    state = state_of("select_univariate")
    assert state.pipeline[-1].coef_.shape == (1, 4)
    assert state.metrics["roc_auc"] > 0.8


def test_cells_are_cast():
    numbers = transformed("cast", {"to": "number"}, [" 3", "1e3", "x", "", "inf", "nan", np.nan], object)[:, 0]
    np.testing.assert_array_equal(numbers, [3, 1000, *[np.nan] * 5])
    words = transformed("cast", {"to": "category"}, [3.0, 2.5, np.nan, 1e16])[:, 0].tolist()
    assert words[:2] + words[3:] == ["3", "2.5", "10000000000000000"]
    assert np.isnan(words[2])


def test_text_without_words_gives_no_columns():
    assert transformed("text_vectors", {}, ["", "!", np.nan], object).shape == (3, 0)
    assert transformed("text_vectors", {"max_features": 2}, ["a dear dog", "dear cat", np.nan], object).shape == (3, 2)


def test_a_cast_is_followed():
    frame, facts = table()
    code = [{"node": "cast", "columns": ["age"], "params": {"to": "category"}}, *USES["one_hot"]]
    assert check_spec(spec(code, LOGISTIC), facts, len(frame)) == ()
    number = [{"node": "cast", "columns": ["deck", SEASON], "params": {"to": "number"}}]
    faults = check_spec(spec(number, LOGISTIC), facts, len(frame))
    assert [fault.message.count(name) for fault in faults for name in ("deck", SEASON)] == [1, 1]


@pytest.mark.parametrize("use", ONE_OF_EACH)
def test_a_few_rows_and_a_column_of_gaps_train_or_say_why_not(use):
    frame, facts = wide(24)
    frame["age"] = np.nan
    facts = facts_of(frame, {fact.name: fact.type for fact in facts})
    asked = spec(USES[use], {"node": "decision_tree"}, split={"test_size": 0.34}, refit=False)
    if check_spec(asked, facts, len(frame)):
        return
    try:
        state = trained(asked, frame=frame, facts=facts)
    except TrainingFailed as failed:
        reason = str(failed)
    else:
        reason = use
        Applier(state).predict(Applier(state).columns_of_frame(frame[:1]))
    assert use.split()[0] in reason


@pytest.mark.parametrize("use", ONE_OF_EACH)
def test_whatever_stands_in_held_out_rows_the_fit_that_is_evaluated_stays_the_same(use):
    frame, facts = wide()
    asked = spec(USES[use], LOGISTIC, refit=False)
    _, held_out = split(asked, check([asked], frame, facts), 1)
    rng = np.random.default_rng(3)
    for name in frame.columns.drop("y"):
        own = frame[name].to_numpy(copy=True)
        own[held_out] = rng.permutation(own[held_out]) if own.dtype == object else rng.normal(1e4, 1e6, len(held_out))
        frame[name] = pd.Series(own, dtype=own.dtype)
        if own.dtype == object:
            frame.loc[held_out[:5], name] = "nobody has seen this"
    assert trained(asked, frame=frame, facts=facts).fingerprint == state_of(use).fingerprint


def test_every_step_has_one_fingerprint_in_every_process():
    here = [f"{use} {state_of(use).fingerprint}" for use in USES]
    assert marks(1, 2, STEPS_PROGRAM) == here
    assert len({line.split()[-1] for line in here}) == len(here)


@pytest.mark.parametrize("use", USES)
def test_as_many_columns_are_made_as_the_plan_says(use):
    frame, facts = wide()
    columns = plan(spec(USES[use], LOGISTIC), facts, len(frame)).candidates[0].steps[-1].columns
    made = state_of(use).pipeline[-1].n_features_in_
    if all(column.count is not None for column in columns):
        assert made == sum(column.count for column in columns)
    if all(column.most is not None for column in columns):
        assert made <= sum(column.most for column in columns)
