"""A spec is read strictly, and what is wrong is said where it stands."""

import math

import pytest

from skyulf.core.registry import describe_nodes, models, steps
from skyulf.core.spec import PipelineSpec, parse_spec
from skyulf.errors import Invalid

WHOLE = {
    "task": "classification",
    "target": "species",
    "split": {"test_size": 0.2, "stratify": True},
    "steps": [
        {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
        {"node": "scale", "columns": {"kind": "numeric", "exclude": ["a"]}},
        {"node": "one_hot", "columns": ["b", "c"]},
    ],
    "model": {"node": "logistic_regression", "params": {"C": 1.0}, "seed": 3},
}


def faults_of(document):
    with pytest.raises(Invalid) as caught:
        parse_spec(document)
    return {fault.place: fault.message for fault in caught.value.faults}


def test_a_spec_survives_a_round_trip_through_json():
    spec = parse_spec(WHOLE)
    assert PipelineSpec.model_validate_json(spec.model_dump_json()) == spec


def test_only_task_and_target_are_required():
    spec = parse_spec({"task": "regression", "target": "price"})
    assert (spec.steps, spec.model, spec.split.test_size, spec.refit) == (None, None, 0.2, True)


def changed(**parts):
    return {**WHOLE, **parts}


def step(**parts):
    return changed(steps=[WHOLE["steps"][0], parts])


@pytest.mark.parametrize(
    ("document", "place", "word"),
    [
        ({}, "task", "required"),
        (changed(task="ranking"), "task", "classification"),
        (changed(target=""), "target", "at least 1"),
        (changed(tunning={}), "tunning", "known are task"),
        (changed(split={"size": 0.2}), "split.size", "test_size"),
        (changed(split={"test_size": 0}), "split.test_size", "greater"),
        (changed(split={"test_size": 1.0}), "split.test_size", "less"),
        (changed(split={"test_size": math.nan}), "split.test_size", "number"),
        (changed(split={"test_size": "0.2"}), "split.test_size", "number"),
        (changed(split={"stratify": 1}), "split.stratify", "boolean"),
        (changed(split={"shuffle": False, "stratify": True}), "split", "shuffle"),
        (changed(split={"seed": -1}), "split.seed", "greater"),
        (step(node="imputed"), "steps.1.node", "impute"),
        (step(node="logistic_regression"), "steps.1.node", "one_hot"),
        (step(node="impute", params={"strategy": "middle"}), "steps.1.params.strategy", "median"),
        (step(node="impute", params={"strateggy": "mean"}), "steps.1.params.strateggy", "strategy"),
        (step(node="impute", params={"strategy": "constant"}), "steps.1.params", "fill_value"),
        (step(node="scale", columns="numbers"), "steps.1.columns", "list of column names"),
        (step(node="scale", columns={"kind": "x"}), "steps.1.columns", "exclude"),
        (step(node="one_hot", params={"max_categories": True}), "steps.1.params.max_categories", "integer"),
        (changed(model={"node": "forest"}), "model.node", "random_forest"),
        (changed(model={"node": "scale"}), "model.node", "random_forest"),
        (changed(model={"node": "ridge"}), "model.node", "classification"),
        (changed(model={"node": "logistic_regression", "params": {"C": 0}}), "model.params.C", "greater"),
        (changed(model={"node": "logistic_regression", "params": {"C": math.inf}}), "model.params.C", ""),
        (changed(model={"node": "random_forest", "params": {"n_estimators": 0}}), "model.params.n_estimators", ""),
    ],
)
def test_a_fault_names_its_place_and_the_way_out(document, place, word):
    faults = faults_of(document)
    assert place in faults
    assert word in faults[place]


def test_every_fault_is_told_and_nothing_big_is_echoed():
    big = "z" * 10_000
    faults = faults_of(changed(task=big, target=7, **{big: big}))
    assert len(faults) == 3
    assert all(len(place) + len(message) < 1000 for place, message in faults.items())


def test_what_is_slow_is_not_refused():
    parse_spec(changed(model={"node": "random_forest", "params": {"n_estimators": 10_000}}))


def test_every_node_describes_itself():
    described = {node["name"]: node for node in describe_nodes()}
    assert set(described) == set(steps()) | set(models())
    assert {"impute", "scale", "one_hot", "ordinal", "drop_columns"} <= set(steps())
    assert set(models("regression")) >= {"linear_regression", "ridge", "random_forest", "hist_gradient_boosting"}
    assert all(node["doc"] and node["params"]["type"] == "object" for node in described.values())
    assert described["scale"]["params"]["properties"]["method"]["enum"][0] == "standard"
    assert described["ridge"]["tasks"] == ["regression"]
