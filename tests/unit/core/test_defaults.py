"""What training does by itself, judged on rows that it never saw, on tables that nobody prepared."""

import numpy as np
import pandas as pd
import pytest
from helpers import facts_of, silent, spec

from skyulf.core.applier import Applier
from skyulf.core.calculator import fit
from skyulf.core.candidates import choose_candidates
from skyulf.core.choosing import choose
from skyulf.core.columns import ColumnFacts
from skyulf.core.flow import follow
from skyulf.core.frame import target_values
from skyulf.core.packaging import Packaged, package
from skyulf.core.registry import BuildContext
from skyulf.core.scorer import Scorer

GOOD = ["fine rooms and very kind people here", "we liked the quiet garden a lot", "would come again any time"]
BAD = ["broken heating and cold rooms all week", "nobody at the desk helped us ever", "never again in my whole life"]


def with_words(frame, types):
    facts = facts_of(frame, types)
    words = {name: frame[name].dropna().str.count(" ").mean() + 1 for name, kind in types.items() if kind == "string"}
    return [c.model_copy(update={"mean_words": words.get(c.name)}) for c in facts]


def by_default(frame, types, held, **asked):
    """Train on all rows but the last ``held`` with task and target alone; the state, and predictions of those."""
    rows = frame.iloc[:-held].reset_index(drop=True)
    facts = with_words(rows, types)
    chosen = choose_candidates(spec(**asked), facts, len(rows))
    state = fit(chosen.specs, rows, facts, 1, silent, threads=1)
    applier = Applier(state)
    return chosen, state, applier.predict(applier.columns_of_frame(frame.iloc[-held:]))


def reviews(rows, rng):
    good = rng.random(rows) < 0.5
    texts = [
        f"{rng.choice(GOOD if one else BAD)} {rng.choice(['room', 'stay'])} {rng.integers(1_000_000)}" for one in good
    ]
    return pd.DataFrame({"review": pd.Series(texts, dtype=object), "y": np.where(good, "yes", "no").astype(object)})


def test_words_of_free_text_are_learnt_from():
    rng = np.random.default_rng(0)
    frame = reviews(260, rng).assign(noise=rng.normal(size=260))
    _, state, predicted = by_default(frame, {"review": "string", "noise": "number", "y": "string"}, 60)
    assert np.mean(np.array(predicted.predictions) == frame["y"].to_numpy()[-60:]) > 0.95
    assert "text_vectors" in [step.node for step in state.spec.steps]


def test_text_alone_is_enough():
    frame = reviews(160, np.random.default_rng(1))
    _, _, predicted = by_default(frame, {"review": "string", "y": "string"}, 60)
    assert np.mean(np.array(predicted.predictions) == frame["y"].to_numpy()[-60:]) > 0.95


def test_forty_columns_of_names_and_chatter_do_no_harm():
    rng = np.random.default_rng(2)
    rows = 400
    signal = rng.normal(size=(rows, 2))
    y = signal[:, 0] * 2 - signal[:, 1] + rng.normal(0, 0.3, rows)
    frame = pd.DataFrame({"größe in m²": signal[:, 0], "âge": signal[:, 1], "y": y})
    types = {"größe in m²": "number", "âge": "number", "y": "number"}
    chatter = np.array(["near", "old", "blue", "street", "house", "north", "été"])
    more = {}
    for at in range(40):
        count = 7 if at % 2 else 1
        drawn = [f"{' '.join(rng.choice(chatter, count))} {rng.integers(10**6)}" for _ in range(rows)]
        more[f"note {at}"] = pd.Series(drawn, dtype=object)
        types[f"note {at}"] = "string"
    frame = pd.concat([frame, pd.DataFrame(more)], axis=1)
    chosen, _, predicted = by_default(frame, types, 100, task="regression")
    assert len(chosen.set_aside) == 35
    errors = np.array(predicted.predictions) - y[-100:]
    assert np.sqrt(np.mean(errors**2)) < 0.33


def test_a_class_of_one_row_keeps_nobody_from_training_who_does_not_want_its_share_kept():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=120), "y": pd.Series(["a", "b"] * 60, dtype=object)})
    frame["x"] += np.where(frame["y"] == "a", 3, -3)
    frame.loc[5, "y"] = "alone"
    _, state, predicted = by_default(frame, {"x": "number", "y": "string"}, 20, split={"stratify": False})
    assert state.classes == ["a", "alone", "b"]
    assert np.mean(np.array(predicted.predictions) == frame["y"].to_numpy()[-20:]) > 0.9
    assert list(state.warnings) == []


@pytest.mark.parametrize(("classes", "iterations"), [(30, 100), (66, 60), (1000, 10)])
def test_of_many_classes_and_rows_only_boosting_is_tried_for_as_long_as_can_be_afforded(classes, iterations):
    target = ColumnFacts(name="y", type="integer", distinct=classes, commonest=900, rarest=30)
    (only,) = choose_candidates(spec(), [ColumnFacts(name="x", type="number", distinct=60_000), target], 60_000).specs
    assert (only.model.node, only.model.params["max_iter"]) == ("hist_gradient_boosting", iterations)


@pytest.mark.parametrize("rows", [30, 60])
def test_tiny_tables_train(rows):
    rng = np.random.default_rng(5)
    member = rng.random(rows) < 0.5
    frame = pd.DataFrame({"x": member + rng.normal(0, 0.1, rows), "y": member.astype(float)})
    _, state, predicted = by_default(frame, {"x": "number", "y": "boolean"}, 10)
    assert state.classes == [False, True]
    assert predicted.predictions == member[-10:].tolist()


def test_of_very_many_rows_some_are_enough_to_choose(monkeypatch):
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x": rng.normal(size=600)})
    frame["y"] = np.where(frame["x"] > 0, "a", "b").astype(object)
    facts = facts_of(frame, {"x": "number", "y": "string"})
    specs = choose_candidates(spec(), facts, 600).specs
    flows = [follow(one, facts, 600) for one in specs]
    seen = []
    monkeypatch.setattr("skyulf.core.choosing.MOST_ROWS", 100)
    monkeypatch.setattr("skyulf.core.choosing._score", lambda *a: seen.append(len(a[5]) + len(a[6])) or 0.0)
    y = target_values(frame["y"], "string")
    context = BuildContext(0, "classification", 1)
    choose(specs, flows, frame[["x"]], y, np.arange(600), context, lambda _: None)
    assert set(seen) == {100}


def test_categories_that_no_training_row_had_are_served_as_most_rows_were():
    rng = np.random.default_rng(3)
    worth = {"a": 0.0, "b": 100.0, "c": 101.0, "d": 102.0}
    grade = rng.choice(list(worth), 900, p=[0.1, 0.3, 0.3, 0.3]).astype(object)
    frame = pd.DataFrame({"grade": pd.Series(grade, dtype=object), "x": rng.normal(size=900)})
    frame["y"] = frame["grade"].map(worth) + frame["x"]
    frame.loc[frame.index[-40:], "grade"] = "unseen"
    types = {"grade": "string", "x": "number", "y": "number"}
    model = {"node": "hist_gradient_boosting"}
    _, state, predicted = by_default(frame, types, 40, task="regression", model=model)
    assert [step.params["unknown_value"] for step in state.spec.steps if step.node == "ordinal"] == [None]
    # Put before "a", the first in the order, they would be taken for it, the rarest and furthest off.
    assert np.mean(predicted.predictions) > 90
    rows = Applier(state).columns_of_frame(frame.iloc[-80:])
    packaged = package(state, "sha256:ab", rows)
    assert isinstance(packaged, Packaged)
    np.testing.assert_allclose(Scorer(packaged.content).predict(rows).values, Applier(state).predict(rows).values)


def test_models_that_take_no_missing_cell_get_a_number_for_what_they_never_saw():
    frame, types = pd.DataFrame({"grade": ["a", "b"] * 60, "y": np.arange(120.0)}), {"grade": "string", "y": "number"}
    model = {"node": "gradient_boosting", "params": {"n_estimators": 5}}
    frame.loc[119, "grade"] = "unseen"
    _, state, predicted = by_default(frame, types, 1, task="regression", model=model)
    assert [step.params["unknown_value"] for step in state.spec.steps if step.node == "ordinal"] == [-1]
    assert np.isfinite(predicted.predictions).all()
