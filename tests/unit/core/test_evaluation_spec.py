"""What may be asked of an evaluation, and what is said where it cannot be had, before anything runs."""

import pytest
from helpers import FULL, LOGISTIC, facts_of, spec, table

from skyulf.core.candidates import check_spec
from skyulf.errors import Invalid

RIDGE = {"node": "ridge"}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"thresholds": {"criterion": "accuracy"}}, "thresholds.criterion"),
        ({"thresholds": {"criterion": "cost"}}, "thresholds"),
        ({"thresholds": {"false_negative_cost": 2}}, "thresholds"),
        ({"thresholds": {"cv": 1}}, "thresholds.cv.folds"),
        ({"intervals": {}}, "intervals"),
        ({"task": "regression", "thresholds": {}}, "thresholds"),
        ({"task": "regression", "intervals": {"coverage": 1.0}}, "intervals.coverage"),
        ({"task": "regression", "intervals": {"coverage": "0.9"}}, "intervals.coverage"),
        ({"task": "regression", "intervals": {"cv": {"kind": "stratified"}}}, "intervals.cv.kind"),
        ({"task": "regression", "intervals": {"method": "split"}}, "intervals.method"),
        ({"task": "regression", "intervals": {"calibration_size": 0.3}}, "intervals"),
        ({"task": "regression", "refit": False, "intervals": {"method": "split", "cv": 3}}, "intervals"),
        ({"evaluation": {"slices": ["y"]}}, "evaluation.slices"),
        ({"evaluation": {"slices": ["a", "a"]}}, "evaluation.slices"),
        ({"evaluation": {"slices": [f"c{at}" for at in range(11)]}}, "evaluation.slices"),
        ({"evaluation": {"by": ["a"]}}, "evaluation.by"),
    ],
)
def test_what_a_spec_may_not_say(more, place):
    with pytest.raises(Invalid) as refused:
        spec(**more)
    assert [fault.place for fault in refused.value.faults] == [place]


@pytest.mark.parametrize(
    ("target", "task", "more", "rows", "place"),
    [
        ("string", "classification", {"thresholds": {"cv": 90}}, 100, "thresholds.cv.folds"),
        ("string", "classification", {"thresholds": {"cv": {"kind": "group", "column": "x"}}}, 100,
         "thresholds.cv.column"),
        ("integer", "classification", {"thresholds": {"criterion": "cost", "false_negative_cost": 2}}, 100,
         "thresholds.criterion"),
        ("number", "regression", {"intervals": {"coverage": 0.99}}, 100, "intervals.coverage"),
        ("number", "regression", {"intervals": {"method": "split"}, "refit": False}, 40, "intervals.coverage"),
        ("number", "regression", {"intervals": {"method": "split", "calibration_size": 0.99}, "refit": False}, 100,
         "intervals.calibration_size"),
        ("number", "regression", {"evaluation": {"slices": ["age", "x"]}}, 100, "evaluation.slices.1"),
    ],
)  # fmt: skip
def test_what_a_dataset_does_not_let_be_found(target, task, more, rows, place):
    _, facts = table(rows, target=target)
    asked = spec(FULL, LOGISTIC if task == "classification" else RIDGE, task, **more)
    assert [fault.place for fault in check_spec(asked, facts, rows)] == [place]


def test_what_can_be_had():
    frame, facts = table(100, target="number")
    asked = spec(FULL, RIDGE, "regression", intervals={"coverage": 0.9}, evaluation={"slices": ["deck", "age"]})
    assert check_spec(asked, facts, len(frame)) == ()
    frame, facts = table(100)
    asked = spec(FULL, LOGISTIC, thresholds={"criterion": "cost", "false_negative_cost": 10, "cv": 4})
    assert check_spec(asked, facts_of(frame, {column.name: column.type for column in facts}), len(frame)) == ()
