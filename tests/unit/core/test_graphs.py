"""Steps that are a graph: what the check says of them, and that they are one model however they are written."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import FULL, LOGISTIC, spec, table, trained, wide
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core.applier import Applier
from skyulf.core.candidates import check_spec, choose_candidates
from skyulf.core.formats import load_model, save_model
from skyulf.core.packaging import Packaged, package
from skyulf.core.plan import check_alone, plan
from skyulf.core.spec import parse_spec
from skyulf.core.walk import Walk
from skyulf.errors import Invalid

NUMBERS = {"from": "dataset", "columns": "numeric"}
CATEGORIES = {"from": "dataset", "columns": "categorical"}

BRANCHES: list[dict[str, Any]] = [
    {"id": "filled", "node": "impute", "inputs": [NUMBERS], "params": {"strategy": "median"}},
    {"id": "scaled", "node": "scale", "inputs": ["filled"]},
    {"id": "coded", "node": "target_encode", "inputs": [CATEGORIES]},
    {"id": "kinds", "node": "one_hot", "inputs": [CATEGORIES]},
    {"id": "words", "node": "text_vectors", "inputs": [{"from": "dataset", "columns": ["note"]}]},
]
JOINED = LOGISTIC | {"inputs": ["scaled", "coded", "kinds", "words"]}
"""Numbers, categories in two ways, and text."""

BEYOND: list[dict[str, Any]] = [
    {"id": "squares", "node": "polynomial", "inputs": [{"from": "filled", "columns": ["age", "fare paid"]}]},
    {"id": "few", "node": "select_univariate", "inputs": ["squares", "kinds"], "params": {"keep": 5}},
    {"id": "rest", "node": "clip", "inputs": ["few", {"from": "filled", "columns": ["member"]}, "coded"]},
]
LATTICE = [*BRANCHES[:1], *BRANCHES[2:4], *BEYOND]
"""One step is read by two, another by one of these and by the last: no tree has such a shape."""


def faults_of(steps: Any, model: Any = LOGISTIC, **more: Any) -> list[tuple[str, str]]:
    """What is found wrong with a spec on the wide table, wherever it is found; places and words."""
    frame, facts = wide()
    try:
        asked = spec(steps, model, **more)
    except Invalid as invalid:
        return [(fault.place, fault.message) for fault in invalid.faults]
    return [(fault.place, fault.message) for fault in check_spec(asked, facts, len(frame))]


def as_graph(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list of steps with everything said that a list leaves unsaid."""
    before = ["dataset", *(f"step-{at}" for at in range(len(steps)))]
    return [{**step, "id": before[at + 1], "inputs": [before[at]]} for at, step in enumerate(steps)]


# What the check finds


@pytest.mark.parametrize(
    ("steps", "model", "place", "words"),
    [
        ([BRANCHES[1] | {"inputs": ["nobody"]}], LOGISTIC, "steps.0.inputs.0", "known are dataset, scaled"),
        ([BRANCHES[0] | {"inputs": [{"from": "x", "columns": "all"}]}], LOGISTIC, "steps.0.inputs.0.from", "known are"),
        (BRANCHES[:1], LOGISTIC | {"inputs": ["scaled"]}, "model.inputs.0", "known are dataset, filled"),
        ([BRANCHES[0], BRANCHES[0]], LOGISTIC, "steps.1.id", "steps.0 has this id, too"),
        ([BRANCHES[0] | {"id": "dataset"}], LOGISTIC, "steps.0.id", "call the step otherwise"),
        ([BRANCHES[0] | {"id": "7"}], LOGISTIC, "steps.0.id", "the first is a letter"),
        ([BRANCHES[1] | {"inputs": ["scaled"]}], LOGISTIC, "steps.0.inputs", "scaled reads scaled"),
        (
            [
                BRANCHES[0] | {"inputs": ["scaled"]},
                BRANCHES[1],
                {"id": "free", "node": "scale", "inputs": ["dataset"]},
            ],
            LOGISTIC,
            "steps.0.inputs",
            "filled reads scaled reads filled; let one of them read something else",
        ),
        (BRANCHES[:3], LOGISTIC, "model.inputs", "nothing reads coded, scaled; name here those that"),
        (BRANCHES[:3], LOGISTIC | {"inputs": ["scaled"]}, "steps.2", "nothing reads this step; name it in the inputs"),
        ([BRANCHES[0], {"node": "scale", "inputs": ["dataset"]}], None, "steps.1", "give it an id"),
        (None, LOGISTIC | {"inputs": ["scaled"]}, "model.inputs", "the steps are left to Skyulf"),
        ([BRANCHES[0] | {"inputs": []}], LOGISTIC, "steps.0.inputs", "at least 1 item"),
        ([BRANCHES[0] | {"inputs": [3]}], LOGISTIC, "steps.0.inputs.0", 'expected "dataset", the id of a step, or'),
        ([BRANCHES[0] | {"inputs": [NUMBERS, CATEGORIES]}], LOGISTIC, "steps.0.inputs.1.from", "read twice here"),
        (
            [*BRANCHES[:2], {"id": "even", "node": "random_oversample", "inputs": ["dataset"]}, BRANCHES[4]],
            LOGISTIC | {"inputs": ["scaled", "even", "words"]},
            "steps.2.node",
            "the model would read rows that went past it; put it before the branches part, or after they are joined",
        ),
        (
            [*BRANCHES[:3], {"id": "again", "node": "scale", "inputs": [NUMBERS]}],
            LOGISTIC | {"inputs": ["scaled", "coded", "again"]},
            "model.inputs",
            "age, fare paid, member, void would come by scaled and by again; take it from one of them only",
        ),
        (
            [
                {"id": "a", "node": "date_parts", "inputs": [{"from": "dataset", "columns": ["day"]}]},
                {"id": "b", "node": "date_parts", "inputs": [{"from": "dataset", "columns": "datetime"}]},
                {"node": "impute", "inputs": ["a", "b"]},
            ],
            LOGISTIC,
            "steps.2.inputs",
            "day year, day month, day day",
        ),
        (
            [
                BRANCHES[3],
                {"id": "c", "node": "clip", "inputs": ["kinds"]},
                {"id": "d", "node": "clip", "inputs": ["kinds"]},
            ],
            LOGISTIC | {"inputs": ["c", "d"]},
            "model.inputs",
            "one for each category of deck",
        ),
        (
            [*BRANCHES[:2], BRANCHES[2] | {"columns": ["age"]}],
            LOGISTIC | {"inputs": ["scaled", "coded"]},
            "steps.2.columns.0",
            "not in what is read here",
        ),
        (
            [BRANCHES[0] | {"inputs": [{"from": "dataset", "columns": ["age", "y"]}]}],
            LOGISTIC,
            "steps.0.inputs.0.columns.1",
            "this is the target",
        ),
        (BRANCHES[3:4], LOGISTIC | {"inputs": ["dataset", "kinds"]}, "steps", "text columns reach the model unencoded"),
    ],
)
def test_what_cannot_be_is_found_with_its_place_and_the_way_out(steps: Any, model: Any, place: str, words: str) -> None:
    found = faults_of(steps, model)
    assert any(at == place and words in message for at, message in found), found


def test_a_parameter_of_a_graph_may_be_named_by_the_id_of_its_step_and_only_once() -> None:
    tuning = {"strategy": "grid", "cv": 2, "space": {"steps.filled.strategy": ["mean", "median"]}}
    assert faults_of(BRANCHES, JOINED, tuning=tuning) == []
    tuning["space"] = {"steps.filed.strategy": ["mean"]}
    assert "there is no step filed" in faults_of(BRANCHES, JOINED, tuning=tuning)[0][1]
    tuning["space"] = {"steps.filled.strategy": ["mean"], "steps.0.strategy": ["median"]}
    assert "the same parameter" in faults_of(BRANCHES, JOINED, tuning=tuning)[0][1]


def test_after_each_step_of_each_branch_the_check_shows_the_columns() -> None:
    frame, facts = wide()
    (candidate,) = plan(spec(LATTICE, LOGISTIC), facts, len(frame)).candidates
    after = {step.id: step for step in candidate.steps}
    assert [column.name for column in after["filled"].columns] == ["age", "fare paid", "member", "void"]
    assert [after[step].reads for step in ("filled", "few")] == [("dataset",), ("squares", "kinds")]
    (squares,) = after["squares"].columns
    assert (squares.of, squares.count, squares.nullable) == (("age", "fare paid"), 5, False)
    assert [(column.name, column.most) for column in after["few"].columns] == [(None, 5)]
    assert candidate.reads == ("rest",)
    assert candidate.columns == after["rest"].columns
    coded = ["été \"x' by the target", "deck by the target", "digits by the target"]
    assert [column.name for column in candidate.columns if column.name] == ["member", *coded]


def test_what_is_wrong_whatever_the_dataset_is_looked_for_in_each_branch_by_itself() -> None:
    dropped = {"id": "less", "node": "drop_columns", "columns": ["age"], "inputs": ["dataset"]}
    other = {"id": "more", "node": "scale", "columns": ["age"], "inputs": [NUMBERS]}
    good = spec([dropped, other], LOGISTIC | {"inputs": [{"from": "less", "columns": ["deck"]}, "more"]})
    assert check_alone(good) == ()
    bad = spec([dropped, other | {"inputs": ["less"]}], LOGISTIC)
    assert [fault.place for fault in check_alone(bad)] == ["steps.1.columns.0"]


def test_a_model_that_is_left_out_reads_every_branch() -> None:
    frame, facts = wide()
    steps = [*BRANCHES[:2], *BRANCHES[3:]]
    asked = spec(steps)
    assert check_spec(asked, facts, len(frame)) == ()
    candidates = choose_candidates(asked, facts, len(frame)).specs
    assert {one.model.inputs for one in candidates if one.model} == {("kinds", "scaled", "words")}
    assert all(parse_spec(json.loads(one.model_dump_json())) == one for one in candidates)


def test_specs_that_are_lists_are_recorded_as_they_were() -> None:
    document = spec(FULL, LOGISTIC).model_dump(mode="json")
    assert [set(step) for step in document["steps"]] == [{"node", "columns", "params"}] * len(FULL)
    assert set(document["model"]) == {"node", "params", "seed"}


# One model however it is written


@pytest.mark.parametrize("steps", [FULL, [*FULL, {"node": "drop_duplicates"}, {"node": "clip"}]], ids=["plain", "rows"])
def test_a_list_written_as_a_graph_is_the_same_model(steps: Any) -> None:
    frame, facts = table()
    listed = trained(spec(steps, LOGISTIC), frame=frame, facts=facts)
    graph = trained(spec(as_graph(steps), LOGISTIC), frame=frame, facts=facts)
    assert graph.fingerprint == listed.fingerprint
    assert [name for name, _ in graph.pipeline.steps] == [name for name, _ in listed.pipeline.steps]


FRAME, FACTS = wide(90)
FINGERPRINT = trained(spec(LATTICE, LOGISTIC), frame=FRAME, facts=FACTS).fingerprint


@settings(max_examples=6)
@given(st.permutations(range(len(LATTICE))), st.randoms(use_true_random=False))
def test_the_order_of_writing_and_the_names_do_not_change_the_model(order: list[int], chance: random.Random) -> None:
    names = {step["id"]: f"s{chance.randrange(10**6)}-{at}" for at, step in enumerate(LATTICE)} | {"dataset": "dataset"}
    steps = copy.deepcopy([LATTICE[at] for at in order])
    for step in steps:
        step["id"] = names[step["id"]]
        step["inputs"] = [
            names[each] if isinstance(each, str) else each | {"from": names[each["from"]]} for each in step["inputs"]
        ]
    assert trained(spec(steps, LOGISTIC), frame=FRAME, facts=FACTS).fingerprint == FINGERPRINT


# What lists have


@pytest.mark.parametrize(("steps", "model"), [(BRANCHES, JOINED), (LATTICE, LOGISTIC)], ids=["branches", "lattice"])
def test_a_graph_is_saved_loaded_and_applied_to_arrays_with_identical_outcome(
    steps: Any, model: Any, tmp_path: Path
) -> None:
    frame, facts = wide()
    state = trained(spec(steps, model), frame=frame, facts=facts)
    save_model(state, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.spec == state.spec
    features = frame.drop(columns="y")
    chances = state.pipeline.predict_proba(features)
    assert np.array_equal(loaded.pipeline.predict_proba(features), chances)
    rows = Applier(loaded).columns_of_frame(features)
    assert np.array_equal(Applier(loaded).predict(rows).chances, chances)
    sent = {column.name for column in state.input_schema}
    assert sent.isdisjoint({"day", "at %"}), "nothing reads dates"
    assert {column.name for column in state.input_schema if not column.nullable} == set()


@settings(max_examples=4)
@given(row=st.integers(68, 89), number=st.floats(-1e6, 1e6), word=st.text(max_size=5))
def test_whatever_stands_in_a_held_out_row_nothing_that_is_fitted_changes(row: int, number: float, word: str) -> None:
    asked = spec(LATTICE, LOGISTIC, refit=False, split={"test_size": 0.25, "shuffle": False})
    before = trained(asked, frame=FRAME, facts=FACTS)
    frame = FRAME.copy()
    frame.loc[row, ["age", "deck", "y"]] = [number, word, "no"]
    assert trained(asked, frame=frame, facts=FACTS).fingerprint == before.fingerprint
    frame.loc[3, ["age", "deck"]] = [99.0, "x"]
    assert trained(asked, frame=frame, facts=FACTS).fingerprint != before.fingerprint


def test_numbers_that_stood_beside_text_are_numbers_again_in_a_branch_of_their_own() -> None:
    """After a step that makes columns, a table with text in it is one of objects; encoders learn what they get."""
    frame, facts = wide()
    steps: list[dict[str, Any]] = [
        {"id": "all", "node": "one_hot", "columns": ["deck"]},
        {"id": "codes", "node": "ordinal", "inputs": [{"from": "all", "columns": ["member", "age"]}]},
        {"id": "texts", "node": "hash_encode", "inputs": [{"from": "all", "columns": ["digits"]}]},
    ]
    state = trained(spec(steps, LOGISTIC | {"inputs": ["codes", "texts"]}), frame=frame, facts=facts)
    features = frame.drop(columns="y")
    walk = Walk(state.pipeline, state.pipeline_inputs)
    chances = walk.chances({name: features[name].to_numpy() for name in features})
    assert np.array_equal(chances, state.pipeline.predict_proba(features))


def test_a_graph_has_an_onnx_copy() -> None:
    frame, facts = wide()
    state = trained(spec(LATTICE, LOGISTIC), frame=frame, facts=facts)
    rows = Applier(state).columns_of_frame(frame.drop(columns="y"))
    packaged = package(state, "0" * 64, rows)
    assert isinstance(packaged, Packaged), packaged
    assert packaged.largest_difference < 1e-9


def test_row_steps_stand_where_every_way_leads_through_them_and_are_left_out_once_fitted() -> None:
    frame, facts = wide()
    rare = {"node": "drop_outliers", "columns": ["fare paid"], "params": {"method": "bounds", "maximum": 9.0}}
    steps = [
        rare | {"id": "near", "inputs": ["dataset"]},
        *({**step, "inputs": [{**step["inputs"][0], "from": "near"}]} for step in (BRANCHES[0], BRANCHES[3])),
        {"id": "even", "node": "random_oversample", "inputs": ["filled", "kinds"]},
        {"node": "scale"},
    ]
    state = trained(spec(steps, LOGISTIC), frame=frame, facts=facts)
    assert [name for name, _ in state.pipeline.steps] == ["4_branches", "5_scale", "model"]
    near = frame[frame["fare paid"].isna() | (frame["fare paid"] <= 9)]
    assert state.rows["served_after_steps"] == 2 * near["y"].value_counts().max()


def test_a_tuning_searches_through_parameters_of_any_branch() -> None:
    frame, facts = wide()
    space = {"steps.filled.strategy": ["mean", "median"], "steps.words.max_features": [5, 10], "model.C": [0.1, 1.0]}
    tuning = {"strategy": "random", "trials": 3, "cv": 2, "space": space}
    state = trained(spec(BRANCHES, JOINED, tuning=tuning), frame=frame, facts=facts)
    assert set(state.evaluation["tuning"]["parameters"]) == set(space)
    found = state.evaluation["tuning"]["parameters"]["steps.words.max_features"]
    assert (state.spec.steps or ())[4].params["max_features"] == found
