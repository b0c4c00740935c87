"""Nothing that is evaluated was seen: of every step, whatever it learns, and from whatever."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import LOGISTIC, USES, facts_of, spec, trained, wide
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skyulf.core.calculator import check, split
from skyulf.core.fingerprint import _tokens
from skyulf.core.registry import RowStep, steps

ALL = {"columns": "all"}
FILLED = {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}}

LEARNS_FROM_TARGET: dict[str, list[dict[str, Any]]] = {
    "select_by_model": [ALL | {"node": "select_by_model", "params": {"keep": 10}}],
    "select_by_model linear": [ALL | {"node": "select_by_model", "params": {"keep": 10, "by": "linear"}}],
    "select_univariate": [ALL | {"node": "select_univariate", "params": {"keep": 10}}],
    "select_univariate shared": [
        ALL | {"node": "select_univariate", "params": {"keep": 10, "score": "mutual_information"}}
    ],
    "target_encode": [{"node": "target_encode", "columns": ["c", "d"]}],
    "weight_of_evidence": [{"node": "weight_of_evidence", "columns": ["c", "d"]}],
}
"""Uses of the steps whose fitted state depends on the target, on pure noise."""


def noise(seed: int, many: bool) -> tuple[pd.DataFrame, list[Any]]:
    """Numbers, or categories of many values, that have nothing to do with the target."""
    rng = np.random.default_rng(seed)
    if many:
        frame = pd.DataFrame(rng.normal(size=(200, 200)), columns=[f"x{at}" for at in range(200)])
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


def test_the_same_noise_seems_to_tell_much_where_columns_are_chosen_on_all_rows() -> None:
    leaky = []
    for seed in range(5):
        frame, _ = noise(seed, many=True)
        chosen = SelectKBest(f_classif, k=10).fit_transform(frame.drop(columns="y"), frame["y"])
        leaky.append(cross_val_score(LogisticRegression(), chosen, frame["y"], scoring="roc_auc").mean())
    assert np.mean(leaky) > 0.7


def learnt(state: Any) -> list[bytes]:
    """What a pipeline has learnt before its model, in the normal form of fingerprints."""
    return list(_tokens([step for _, step in state.pipeline.steps[:-1]], ()))


def test_the_list_of_steps_that_learn_from_the_target_is_whole() -> None:
    """Of two fits that differ in the target alone, those steps differ that look at it."""
    frame, facts = wide()
    other = frame.assign(y=np.random.default_rng(0).permutation(frame["y"].to_numpy()))
    found = set()
    for name, use in {use.split()[0]: use for use in USES if not issubclass(steps()[use.split()[0]], RowStep)}.items():
        first, second = (
            trained(
                spec(USES[use], {"node": "decision_tree", "params": {"max_depth": 1}}, refit=False,
                     split={"test_size": 0.2, "stratify": False}),
                frame=one,
                facts=facts,
            )
            for one in (frame, other)
        )  # fmt: skip
        if learnt(first) != learnt(second):
            found.add(name)
    assert found == {use.split()[0] for use in LEARNS_FROM_TARGET}


@pytest.mark.parametrize("use", USES)
def test_whatever_stands_in_held_out_rows_the_fit_that_is_evaluated_stays_the_same(use: str) -> None:
    frame, facts = wide()
    asked = spec(USES[use], {"node": "decision_tree", "params": {"max_depth": 3}}, refit=False)
    before = trained(asked, frame=frame, facts=facts)
    table = check([asked], frame, facts)
    _, held_out = split(asked, table, 1)
    rng = np.random.default_rng(3)
    for name in frame.columns.drop("y"):
        own = frame[name].to_numpy(copy=True)
        own[held_out] = rng.permutation(own[held_out]) if own.dtype == object else rng.normal(1e4, 1e6, len(held_out))
        frame[name] = pd.Series(own, dtype=own.dtype)
        if own.dtype == object:
            frame.loc[held_out[:5], name] = "nobody has seen this"
    after = trained(asked, frame=frame, facts=facts)
    assert after.fingerprint == before.fingerprint
