"""Steps that learn from the target score on noise like noise, and all that learn from it are known."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, USES, facts_of, spec, trained, wide
from sklearn.metrics import roc_auc_score

from skyulf.core.assemble import assemble
from skyulf.core.fingerprint import _tokens
from skyulf.core.flow import follow
from skyulf.core.registry import BuildContext, RowStep, steps

ALL = {"columns": "all"}
FILLED = {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}}

LEARNS_FROM_TARGET: dict[str, list[dict[str, Any]]] = {
    "select_by_model": [ALL | {"node": "select_by_model", "params": {"keep": 10}}],
    "select_by_model linear": [ALL | {"node": "select_by_model", "params": {"keep": 10, "by": "linear"}}],
    "select_univariate": [ALL | {"node": "select_univariate", "params": {"keep": 10}}],
    "select_univariate shared": [
        ALL | {"node": "select_univariate", "params": {"keep": 10, "score": "mutual_information"}}
    ],
    "target_encode branches": [
        {"id": "coded", "node": "target_encode", "inputs": ["dataset"]},
        {"id": "kinds", "node": "one_hot", "inputs": [{"from": "dataset", "columns": ["c"]}]},
        {"node": "select_univariate", "inputs": ["kinds", "coded"], "params": {"keep": 10}},
    ],
    "target_encode": [{"node": "target_encode", "columns": ["c", "d"]}],
    "weight_of_evidence": [{"node": "weight_of_evidence", "columns": ["c", "d"]}],
}
"""Uses of the steps whose fitted state depends on the target, on pure noise."""


def noise(seed: int, many: bool) -> tuple[pd.DataFrame, list[Any]]:
    """Numbers, or categories of many values, that have nothing to do with the target."""
    rng = np.random.default_rng(seed)
    if many:
        frame = pd.DataFrame(rng.normal(size=(200, 100)), columns=[f"x{at}" for at in range(100)])
        types: dict[str, Any] = dict.fromkeys(frame.columns, "number")
    else:
        values = np.array([f"v{at}" for at in range(80)], dtype=object)
        frame = pd.DataFrame({name: pd.Series(rng.choice(values, 200), dtype=object) for name in "cd"})
        types = {"c": "string", "d": "string"}
    frame["y"] = rng.integers(0, 2, 200)
    return frame, facts_of(frame, {**types, "y": "integer"})


@pytest.mark.parametrize("use", LEARNS_FROM_TARGET)
def test_what_learns_from_the_target_scores_on_noise_like_noise(use: str) -> None:
    scores: list[float] = []
    for seed in range(10):
        frame, facts = noise(seed, many="select" in use)
        asked = spec(LEARNS_FROM_TARGET[use], LOGISTIC, split={"test_size": 0.5}, refit=False)
        score = trained(asked, frame=frame, facts=facts, seed=seed).metrics["roc_auc"]
        assert score is not None
        scores.append(score)
    assert np.mean(scores) == pytest.approx(0.5, abs=0.05)


def learnt(use: str, frame: pd.DataFrame, facts: list[Any]) -> list[bytes]:
    """What the steps of a use learn of a table, in the normal form of fingerprints."""
    context = BuildContext(0, "classification")
    asked = spec(USES[use], {"node": "decision_tree", "params": {"max_depth": 1}})
    pipeline = assemble(asked, follow(asked, facts, len(frame)), context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit catches what libraries warn of
        pipeline.fit(frame.drop(columns="y"), frame["y"].to_numpy(dtype=object))
    return list(_tokens([step for _, step in pipeline.steps[:-1]], ()))


def test_the_list_of_steps_that_learn_from_the_target_is_whole() -> None:
    """Of two fits that differ in the target alone, those steps differ that look at it."""
    frame, facts = wide()
    other = frame.assign(y=np.random.default_rng(0).permutation(frame["y"].to_numpy()))
    one_of_each = {use.split()[0]: use for use in USES if not issubclass(steps()[use.split()[0]], RowStep)}
    found = {name for name, use in one_of_each.items() if learnt(use, frame, facts) != learnt(use, other, facts)}
    assert found == {use.split()[0] for use in LEARNS_FROM_TARGET}


@pytest.mark.parametrize("node", ["target_encode", "weight_of_evidence"])
def test_training_rows_are_encoded_without_their_own_target(node: str) -> None:
    """Encoded by themselves, categories of pure noise would tell the model everything; by the others, nothing."""
    by_others, by_themselves = [], []
    for seed in range(10):
        frame, _ = noise(seed, many=False)
        target = frame["y"].to_numpy()
        step = steps()[node].model_validate({}).build(BuildContext(seed, "classification"))
        by_others.append(roc_auc_score(target, step.fit_transform(frame[["c"]], target)[:, 0]))
        by_themselves.append(roc_auc_score(target, step.transform(frame[["c"]])[:, 0]))
    assert np.mean(by_others) == pytest.approx(0.5, abs=0.06)
    assert np.mean(by_themselves) > 0.8
