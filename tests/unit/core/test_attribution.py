"""SHAP values add up, are those of a linear model by hand, and are not asked of a machine without the library."""

import importlib.util
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import FULL, LOGISTIC, facts_of, spec, table, trained

from skyulf.core import attribution
from skyulf.core.attribution import attribute
from skyulf.core.calculator import check, split
from skyulf.core.formats import LoadedModel, load_model, save_model
from skyulf.core.state import FittedState
from skyulf.errors import NotAllowed


def stored(state: FittedState, tmp_path: Any) -> LoadedModel:
    save_model(state, tmp_path / "model")
    return load_model(tmp_path / "model")


def test_of_a_linear_model_they_are_its_slopes(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
    frame["y"] = 3 * frame["a"] - 2 * frame["b"]
    facts = facts_of(frame, dict.fromkeys(frame.columns, "number"))
    asked = spec([], {"node": "linear_regression"}, "regression", split={"shuffle": False}, refit=False)
    document = attribute(stored(trained(asked, frame=frame, facts=facts), tmp_path), frame, facts, 1, 1)
    assert (document["of"], document["rows"], document["background"]) == ("prediction", 80, 30)
    (output,) = document["outputs"]
    assert [each["column"] for each in output["columns"]] == ["a", "b", "c"]
    held_out = frame.iloc[-80:]
    drawn = held_out.iloc[np.random.default_rng(1).choice(80, 30, replace=False)]
    for each, slope in zip(output["columns"], (3, -2, 0), strict=True):
        values = slope * (held_out[each["column"]] - drawn[each["column"]].mean())
        assert each["mean"] == pytest.approx(values.mean(), abs=1e-9)
        assert each["mean_abs"] == pytest.approx(values.abs().mean(), abs=1e-9)
    assert output["base"] == pytest.approx(drawn["y"].mean())


@pytest.mark.parametrize("target", ["string", "integer"])
def test_they_add_up_to_what_the_model_says(target: Any, tmp_path: Any) -> None:
    frame, facts = table(300, target=target)
    state = trained(spec(FULL, LOGISTIC, refit=False), frame=frame, facts=facts)
    document = attribute(stored(state, tmp_path), frame, facts, 1, 1)
    names = [output["output"] for output in document["outputs"]]
    assert names == (["yes"] if target == "string" else ["0", "1", "2"])
    checked = check([state.spec], frame, facts)
    _, test = split(state.spec, checked, 1)
    chances = state.pipeline.predict_proba(checked.features.iloc[np.sort(test)])[:, -len(names) :]
    for at, output in enumerate(document["outputs"]):
        moved = sum(each["mean"] for each in output["columns"])
        assert output["base"] + moved == pytest.approx(chances[:, at].mean(), abs=1e-6)
        assert {each["column"] for each in output["columns"]} == {column.name for column in facts} - {"y"}


def test_twice_they_are_the_same(tmp_path: Any) -> None:
    frame, facts = table(120)
    model = stored(trained(spec(FULL, LOGISTIC), frame=frame, facts=facts), tmp_path)
    assert attribute(model, frame, facts, 1, 1) == attribute(model, frame, facts, 1, 1)


def test_what_it_takes_is_told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, facts = table(120)
    model = stored(trained(spec(FULL, LOGISTIC), frame=frame, facts=facts), tmp_path)
    monkeypatch.setattr(attribution, "MOST_CLASSES", 1)
    with pytest.raises(NotAllowed, match="of 2 classes"):
        attribute(model, frame, facts, 1, 1)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotAllowed, match=r"pip install 'skyulf\[shap\]'"):
        attribute(model, frame, facts, 1, 1)
