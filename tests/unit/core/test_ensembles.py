"""Models of models: what they consist of is checked as they are, and they say what that says."""

from typing import Any

import numpy as np
import pytest
from helpers import FULL, spec, table, trained

from skyulf.core.candidates import check_spec
from skyulf.core.spec import parse_spec
from skyulf.errors import Invalid

TREES = {"node": "extra_trees", "params": {"n_estimators": 5}}


def faults_of(params: Any, node: str = "voting", task: str = "classification") -> dict[str, str]:
    try:
        parse_spec({"task": task, "target": "y", "steps": FULL, "model": {"node": node, "params": params}})
    except Invalid as invalid:
        return {fault.place: fault.message for fault in invalid.faults}
    return {}


@pytest.mark.parametrize(
    ("node", "params", "word"),
    [
        ("voting", {"models": [TREES]}, "at least 2"),
        ("voting", {"models": [TREES, {"node": "gone"}]}, "no such node"),
        ("voting", {"models": [TREES, {"node": "ridge", "params": {"alpha": -1}}]}, "greater than or equal to 0"),
        ("voting", {"models": [TREES, {"node": "ridge", "params": {"aplha": 1}}]}, "no such parameter"),
        ("voting", {"models": [TREES, {"node": "voting"}]}, "cannot be within another"),
        ("voting", {"models": [TREES, {"node": "impute"}]}, "no such node"),
        ("voting", {"models": [TREES, TREES], "weights": [1.0]}, "one for each"),
        ("voting", {"models": [TREES, TREES], "weights": [0.0, 0.0]}, "not all 0"),
        ("stacking", {"final": {"node": "stacking"}}, "cannot be within another"),
        ("calibrated", {"model": {"node": "calibrated"}}, "cannot be within another"),
    ],
)
def test_what_a_model_consists_of_is_checked(node: str, params: Any, word: str) -> None:
    assert word in " ".join(faults_of(params, node).values())


def test_every_member_does_the_task() -> None:
    frame, facts = table()
    wrong = spec(FULL, {"node": "voting", "params": {"models": [TREES, {"node": "ridge"}]}})
    (fault,) = check_spec(wrong, facts, len(frame))
    assert (fault.place, fault.message) == ("model.node", "ridge is for regression only")


def test_every_parameter_of_every_member_is_written_out() -> None:
    use = spec(FULL, {"node": "voting", "params": {"models": [TREES, TREES]}}).model.use()  # type: ignore[union-attr]
    member = use.model_dump()["models"][0]
    assert member["params"]["n_estimators"] == 5
    assert "min_samples_leaf" in member["params"]


def test_a_vote_is_the_weighed_mean() -> None:
    frame, facts = table()
    models = [TREES, {"node": "logistic_regression"}]
    states = [
        trained(spec(FULL, model, refit=False), frame=frame, facts=facts)
        for model in (*models, {"node": "voting", "params": {"models": models, "weights": [1.0, 3.0]}})
    ]
    first, second, vote = (state.pipeline.predict_proba(frame.drop(columns="y")) for state in states)
    np.testing.assert_allclose(vote, (first + 3 * second) / 4, atol=1e-12)


def test_calibration_puts_bold_probabilities_right() -> None:
    frame, facts = table(1500)
    bold = {"node": "decision_tree"}
    right = {"node": "calibrated", "params": {"model": {"node": "decision_tree"}, "method": "isotonic"}}
    losses = [trained(spec(FULL, model), frame=frame, facts=facts).metrics["log_loss"] for model in (bold, right)]
    assert losses[1] is not None
    assert losses[0] is not None
    assert losses[1] < losses[0] / 2
