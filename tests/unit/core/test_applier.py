"""Rows in, predictions out: the same as the pipeline says on a frame, and wrong rows are told where."""

import json
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import FULL, LOGISTIC, SMALL, spec, table, trained
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core.applier import Applier
from skyulf.core.formats import load_model, save_model
from skyulf.core.registry import models
from skyulf.errors import Invalid

SEASON = "été \"x'"
ROW = {"age": 30, "fare paid": 8.5, SEASON: "a", "deck": "x", "member": True}

MIXED = [
    {"node": "one_hot", "columns": ["deck"]},
    {"node": "ordinal", "columns": [SEASON]},
    {"node": "impute", "columns": "all", "params": {"strategy": "most_frequent"}},
    {"node": "scale", "columns": "numeric", "params": {"method": "robust"}},
]
EMBEDDED = [
    {"node": "impute", "columns": "numeric", "params": {"strategy": "constant", "fill_value": -1}},
    {"node": "impute", "columns": "categorical", "params": {"strategy": "constant", "fill_value": "gap"}},
    {"node": "scale", "columns": "numeric", "params": {"method": "minmax"}},
    {"node": "one_hot", "columns": ["deck"], "params": {"max_categories": 3}},
    {"node": "one_hot", "columns": "all", "params": {"min_frequency": 0.2}},
    {"node": "scale", "columns": "all", "params": {"method": "maxabs"}},
]
STEPS = {"full": FULL, "mixed": MIXED, "embedded": EMBEDDED}


@cache
def state_of(steps, model, task="classification", target="string"):
    frame, facts = table(target=target)
    return trained(spec(STEPS[steps], {"node": model, "params": SMALL.get(model, {})}, task), frame=frame, facts=facts)


def applier(steps="full", model="logistic_regression", **more):
    return Applier(state_of(steps, model, **more))


CELLS = st.fixed_dictionaries(
    {
        "age": st.none() | st.integers(-(10**6), 10**6),
        "fare paid": st.none() | st.floats(-1e9, 1e9),
        SEASON: st.none() | st.sampled_from(["a", "b", "c"]) | st.text(max_size=3),
        "deck": st.none() | st.sampled_from(["x", "y", "nan", "None"]) | st.text(max_size=3),
        "member": st.none() | st.booleans(),
    }
)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("model", sorted(models("classification")))
@settings(max_examples=12, deadline=None)
@given(rows=st.lists(CELLS, min_size=1, max_size=6))
def test_arrays_say_what_the_pipeline_says_on_a_frame(steps, model, rows):
    state = state_of(steps, model)
    frame = pd.DataFrame(
        {
            c.name: pd.Series(
                [np.nan if row[c.name] is None else row[c.name] for row in rows],
                dtype=object if c.type == "string" else np.float64,
            )
            for c in state.input_schema
        }
    )
    answer = applier(steps, model)
    said = answer.predict(answer.validate(rows))
    chances = state.pipeline.predict_proba(frame)
    np.testing.assert_allclose([list(p.values()) for p in said.probabilities], chances, atol=1e-9)
    top = [state.classes[at] for at in chances.argmax(axis=1)]
    clear = np.ptp(np.sort(chances, axis=1)[:, -2:], axis=1) > 1e-9
    assert [p for p, sure in zip(said.predictions, clear, strict=True) if sure] == [
        p for p, sure in zip(top, clear, strict=True) if sure
    ]
    again = answer.predict(answer.columns_of_frame(frame))
    assert again == said


@pytest.mark.parametrize("model", sorted({*models("classification"), *models("regression")}))
@pytest.mark.parametrize("steps", STEPS)
def test_saved_and_loaded_it_answers_alike(steps, model, tmp_path):
    task = "classification" if model in models("classification") else "regression"
    state = state_of(steps, model, task, "string" if task == "classification" else "number")
    save_model(state, tmp_path / "model.skops")
    loaded = Applier(load_model(tmp_path / "model.skops"))
    rows = [ROW, {**ROW, "age": None, "deck": "never seen"}]
    before = Applier(state)
    assert loaded.predict(loaded.validate(rows)) == before.predict(before.validate(rows))


@pytest.mark.parametrize(
    ("target", "task", "kind", "keys"),
    [
        ("string", "classification", str, {"no", "yes"}),
        ("integer", "classification", int, {"0", "1", "2"}),
        ("boolean", "classification", bool, {"false", "true"}),
        ("number", "regression", float, None),
        ("integer", "regression", float, None),
    ],
)
def test_predictions_have_the_json_type_of_the_target(target, task, kind, keys):
    model = "logistic_regression" if task == "classification" else "ridge"
    answer = applier(model=model, task=task, target=target)
    said = answer.predict(answer.validate([ROW, ROW]))
    assert [type(value) for value in said.predictions] == [kind, kind]
    json.dumps(said.predictions, allow_nan=False)
    if keys is None:
        assert said.probabilities is None
    else:
        assert set(said.probabilities[0]) == keys
        assert sum(said.probabilities[0].values()) == pytest.approx(1)


def faults_of(*rows, **more):
    with pytest.raises(Invalid) as caught:
        applier(**more).validate(rows)
    return {fault.place: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("age", "old", "expected a number, got text"),
        ("age", True, "expected a number, got true or false"),
        ("fare paid", False, "expected a number, got true or false"),
        ("age", 10**400, "expected a number, got a number too large"),
        ("age", math.nan, "expected a number, got a number that is not finite"),
        ("age", math.inf, "expected a number, got a number that is not finite"),
        ("age", [1], "expected a number, got a list"),
        ("age", {}, "expected a number, got an object"),
        ("deck", 3, "expected text, got a number"),
        ("deck", True, "expected text, got true or false"),
        ("member", 1, "expected true or false, got a number"),
        ("member", "true", "expected true or false, got text"),
    ],
)
def test_a_wrong_cell_is_told_by_row_and_column(name, cell, message):
    assert faults_of(ROW, {**ROW, name: cell}) == {f"rows.1.{name}": message}


def test_an_absent_column_is_told_and_a_strange_one_ignored():
    assert faults_of({**ROW, "new": 1}, {k: v for k, v in ROW.items() if k != "deck"}) == {
        "rows.1.deck": "this column is absent"
    }
    applier().validate([{**ROW, "new": object(), "y": "yes"}])


def test_faults_are_capped():
    assert len(faults_of(*[{}] * 1000)) == 20


def test_any_finite_number_goes_everywhere():
    for model in models("classification"):
        answer = applier(model=model)
        rows = [{**ROW, "age": n, "fare paid": n} for n in (1e308, -1e308, 2**70, 1.5)]
        said = answer.predict(answer.validate(rows))
        assert all(math.isfinite(p) for row in said.probabilities for p in row.values())


def test_null_goes_where_the_pipeline_takes_it():
    frame, facts = table()
    frame["age"] = frame["age"].fillna(3.0)
    encoded = [{"node": "ordinal", "columns": "categorical"}]
    facts = [f.model_copy(update={"nulls": 0}) if f.name == "age" else f for f in facts]
    linear = Applier(state := trained(spec(encoded, LOGISTIC), frame=frame, facts=facts))
    assert {c.name: c.nullable for c in state.input_schema} == {
        "age": False, "fare paid": False, SEASON: True, "deck": True, "member": False,
    }  # fmt: skip
    linear.predict(linear.validate([{**ROW, "deck": None, SEASON: None}]))
    with pytest.raises(Invalid, match="do not fit") as caught:
        linear.validate([{**ROW, "age": None}])
    assert "takes no null" in caught.value.faults[0].message
    trees = spec(encoded, {"node": "hist_gradient_boosting"})
    assert all(c.nullable for c in trained(trees, frame=frame, facts=facts).input_schema)


def test_no_rows_no_predictions():
    answer = applier()
    assert answer.predict(answer.validate([])).predictions == []


def test_rows_do_not_sway_each_other():
    answer = applier()
    alone = answer.predict(answer.validate([ROW]))
    together = answer.predict(answer.validate([{**ROW, "age": None, "deck": "zz"}, ROW]))
    assert together.predictions[1] == alone.predictions[0]
