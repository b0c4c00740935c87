"""Columns are weighed on rows that the weighed model never saw: what it learnt by heart weighs nothing."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import facts_of, spec, trained

from skyulf.core.columns import ColumnFacts
from skyulf.core.formats import load_model, save_model
from skyulf.core.importance import MOST_ROWS, REPEATS, explain
from skyulf.core.state import FittedState

FOREST = {"node": "random_forest", "params": {"n_estimators": 30}}


def made(rows: int, task: str) -> tuple[pd.DataFrame, list[ColumnFacts]]:
    """A target that follows from one column and a little from another, beside noise and a category."""
    rng = np.random.default_rng(3)
    strong, weak, noise = rng.normal(size=(3, rows))
    group = rng.choice(np.array(["a", "b"], dtype=object), rows)
    signal = strong + 0.4 * weak + rng.normal(0, 0.3, rows)
    y: Any = signal if task == "regression" else (signal > 0).astype(float)
    frame = pd.DataFrame(
        {"strong": strong, "weak": weak, "noise": noise, "group": pd.Series(group, dtype=object), "y": y}
    )
    kind = "number" if task == "regression" else "boolean"
    types: Any = {"strong": "number", "weak": "number", "noise": "number", "group": "string", "y": kind}
    return frame, facts_of(frame, types)


def explained(state: FittedState, frame: pd.DataFrame, facts: list[ColumnFacts], tmp_path: Any) -> dict[str, Any]:
    save_model(state, tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return explain(load_model(tmp_path / "model"), frame, facts, seed=1, threads=1)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("refit", [True, False])
def test_columns_are_ranked_by_what_they_are_worth(task: str, refit: bool, tmp_path: Any) -> None:
    frame, facts = made(400, task)
    steps = [{"node": "one_hot", "columns": "categorical"}]
    state = trained(spec(steps, FOREST, task, refit=refit), frame=frame, facts=facts)
    document = explained(state, frame, facts, tmp_path)
    assert [each["column"] for each in document["importance"]][:2] == ["strong", "weak"]
    worth = {each["column"]: each["mean"] for each in document["importance"]}
    assert worth["strong"] > 3 * worth["weak"] > 0
    assert abs(worth["noise"]) < worth["weak"] / 2
    assert all(each["std"] >= 0 for each in document["importance"])
    metric = "rmse" if task == "regression" else "brier"
    assert (document["metric"], document["rows"], document["repeats"]) == (metric, 80, REPEATS)
    # The rows are those held out: the model does on them as its metrics say, though the served one saw them all.
    assert document["score"] == pytest.approx(state.metrics[metric])


def test_noise_weighs_nothing_though_the_served_model_knows_it_by_heart(tmp_path: Any) -> None:
    frame, facts = made(300, "regression")
    frame["y"] = np.random.default_rng(9).normal(size=len(frame))
    state = trained(
        spec([{"node": "drop_columns", "columns": ["group"]}], FOREST, "regression"), frame=frame, facts=facts
    )
    document = explained(state, frame, facts, tmp_path)
    assert {each["column"] for each in document["importance"]} == {"strong", "weak", "noise"}
    assert all(each["mean"] < 0.1 for each in document["importance"])
    assert document["score"] > 0.9, "what is pure noise cannot be predicted"


def test_it_is_the_same_each_time_and_on_no_more_rows_than_needed(tmp_path: Any) -> None:
    frame, facts = made(6_000, "classification")
    model = {"node": "logistic_regression"}
    steps = [{"node": "one_hot", "columns": "categorical"}]
    state = trained(spec(steps, model), frame=frame, facts=facts)
    first = explained(state, frame, facts, tmp_path)
    assert first["rows"] == MOST_ROWS
    assert explained(replace(state), frame, facts, tmp_path) == first
