"""What a spec may say of tuning, and what is wrong with it, said where it stands before anything runs."""

import pytest
from helpers import table

from skyulf.core.candidates import check_spec
from skyulf.core.spec import parse_spec
from skyulf.core.tuning_space import parameters_of, with_parameters
from skyulf.errors import Invalid

STEPS = [{"node": "impute", "columns": "numeric"}, {"node": "drop_columns", "columns": ["été \"x'", "deck"]}]


def document(tuning, **more):
    base = {"task": "classification", "target": "y", "steps": STEPS, "model": {"node": "logistic_regression"}}
    return {**base, "tuning": tuning, **more}


def space(**more):
    return {"space": {"model.C": {"low": 0.01, "high": 100, "log": True}}, **more}


def test_a_spec_with_tuning_survives_a_round_trip_through_json():
    spec = parse_spec(document(space(cv=3, metric="roc_auc", trials=5, seconds=60)))
    assert parse_spec(spec.model_dump(mode="json")) == spec
    assert (spec.tuning.cv.folds, spec.tuning.metric_for(spec.task)) == (3, "roc_auc")


def test_a_range_is_of_whole_numbers_where_the_parameter_takes_no_others():
    ranges = {"model.C": {"low": 1, "high": 9}, "model.max_iter": {"low": 10, "high": 90}}
    by_path = {one.path: one for one in parameters_of(parse_spec(document({"space": ranges})))}
    assert (by_path["model.C"].whole, by_path["model.max_iter"].whole) == (False, True)
    asked = parse_spec(document({"space": {"model.C": {"low": 1, "high": 4, "step": 2, "int": True}}}))
    (found,) = parameters_of(asked)
    assert [type(value) for value in found.values()] == [int, int]
    assert found.values() == (1, 3)


def test_parameters_are_put_where_their_paths_say():
    spec = parse_spec(document({"space": {"model.C": [1, 2], "steps.0.strategy": ["mean", "median"]}}))
    found = with_parameters(spec, {"model.C": 2, "steps.0.strategy": "median"})
    assert (found.model.params["C"], found.steps[0].params["strategy"], found.tuning) == (2, "median", None)


@pytest.mark.parametrize(
    ("tuning", "place", "words"),
    [
        ({"space": {"model.D": [1]}}, "tuning.space.model.D", "takes C"),
        ({"space": {"C": [1]}}, "tuning.space.C", "model.PARAMETER"),
        ({"space": {"steps.7.strategy": ["mean"]}}, "tuning.space.steps.7.strategy", "has 2"),
        ({"space": {"model.C": {"low": -1, "high": 1}}}, "tuning.space.model.C.low", "greater than 0"),
        ({"space": {"model.C": [1, 0]}}, "tuning.space.model.C.1", "greater than 0"),
        ({"space": {"model.max_iter": {"low": 1.5, "high": 9}}}, "tuning.space.model.max_iter.low", "integer"),
        ({"space": {"model.C": {"low": 2, "high": 1}}}, "tuning.space", "below"),
        ({"space": {"model.C": {"low": 0, "high": 1, "log": True}}}, "tuning.space", "above 0"),
        ({"space": {"model.C": "much"}}, "tuning.space", "list of values"),
        ({"space": {}}, "tuning.space", "at least 1"),
        (space(metric="auc"), "tuning.metric", "roc_auc"),
        (space(strategy="annealing"), "tuning.strategy", "halving"),
        (space(strategy="grid"), "tuning.space.model.C", "step"),
        ({"strategy": "grid", "trials": 2, "space": {"model.C": [1, 2, 3]}}, "tuning.trials", "3 combinations"),
        (space(strategy="cma_es"), "tuning.space", "two"),
        (space(cv=1), "tuning.cv.folds", "2"),
        (space(cv={"kind": "group"}), "tuning.cv", "column"),
        (space(cv={"fold": 3}), "tuning.cv.fold", "known are kind"),
    ],
)
def test_a_fault_names_its_place_and_the_way_out(tuning, place, words):
    with pytest.raises(Invalid) as caught:
        parse_spec(document(tuning))
    messages = {fault.place: fault.message for fault in caught.value.faults}
    assert words in messages[place]


def test_what_is_left_to_skyulf_is_not_tuned():
    for more, place in [({"model": None}, "model"), ({"steps": None}, "tuning.space.steps.0.strategy")]:
        with pytest.raises(Invalid) as caught:
            parse_spec(document({"space": {"steps.0.strategy": ["mean"]}}, **more))
        assert place in {fault.place for fault in caught.value.faults}
    assert parse_spec(document(space(), steps=None)).tuning is not None


@pytest.mark.parametrize(
    ("tuning", "place", "words"),
    [
        (space(cv=100), "tuning.cv.folds", "48 training rows"),
        (space(cv=30), "tuning.cv.folds", "rarest class"),
        (space(cv={"kind": "group", "folds": 3, "column": "nope"}), "tuning.cv.column", "no such column"),
        (space(cv={"kind": "group", "folds": 5, "column": "member"}), "tuning.cv.column", "fewer than 5"),
        (space(cv={"kind": "time_series", "column": "deck"}), "tuning.cv.column", "order"),
        (space(cv={"kind": "time_series", "column": "age"}), "tuning.cv.column", "missing"),
        (space(cv={"kind": "time_series", "column": "y"}), "tuning.cv.column", "target"),
    ],
)
def test_folds_that_a_dataset_does_not_make_are_faults(tuning, place, words):
    _, facts = table(60)
    (fault,) = check_spec(parse_spec(document(tuning)), facts, 60)
    assert fault.place == place
    assert words in fault.message


def test_a_value_of_a_step_that_the_model_cannot_take_is_a_fault():
    _, facts = table(60)
    steps = [*STEPS, {"node": "cast", "columns": ["member"], "params": {"to": "number"}}]
    spec = parse_spec(document({"space": {"steps.2.to": ["number", "category"]}}, steps=steps))
    (fault,) = check_spec(spec, facts, 60)
    assert fault.place == "tuning.space.steps.2.to.1"
    assert "unencoded" in fault.message
