"""What a fit promises, seen from outside."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from helpers import FULL, LOGISTIC, facts_of, silent, spec, table, trained
from helpers import SMALL as QUICK
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from skyulf.core.applier import Applier
from skyulf.core.calculator import fit
from skyulf.core.candidates import choose_candidates
from skyulf.core.registry import models
from skyulf.errors import TrainingFailed

SMALL = {**QUICK, "decision_tree": {"min_samples_leaf": 5}}
WEAK = {"multinomial_naive_bayes": 0.1}
"""Models for columns of another kind: these are no counts."""
UNREFITTED = {"refit": False, "split": {"shuffle": False, "test_size": 0.25}}


def frame_of(**columns):
    return pd.DataFrame({k: pd.Series(v, dtype=object) if v.dtype == object else v for k, v in columns.items()})


@pytest.mark.parametrize("target", ["string", "boolean", "integer"])
@pytest.mark.parametrize("model", sorted(models("classification")))
def test_every_classifier_learns(model, target):
    frame, facts = table(400, target=target)
    state = trained(spec(FULL, {"node": model, "params": SMALL.get(model, {})}), frame=frame, facts=facts)
    least = (0.55 if target == "integer" else 0.75) - WEAK.get(model, 0.0)
    assert state.metrics["balanced_accuracy"] > least
    assert state.classes == {"string": ["no", "yes"], "boolean": [False, True], "integer": [0, 1, 2]}[target]
    assert all(type(a) is type(b) for a, b in zip(state.classes, sorted(state.classes), strict=True))
    assert state.rows == {"total": 400, "train": 320, "test": 80, "dropped": 0}
    assert np.sum(state.evaluation["confusion_matrix"]) == 80
    assert state.warnings == ()


@pytest.mark.parametrize("model", sorted(models("regression")))
def test_every_regressor_learns(model):
    frame, facts = table(400, target="number")
    node = {"node": model, "params": SMALL.get(model, {})}
    state = trained(spec(FULL, node, "regression"), frame=frame, facts=facts)
    assert state.metrics["r2"] > 0.6
    assert state.classes is None


@pytest.mark.parametrize("method", ["standard", "minmax", "robust", "maxabs"])
@pytest.mark.parametrize("encode", ["one_hot", "ordinal"])
def test_steps_work_in_any_order(method, encode):
    frame, facts = table()
    steps = [
        {"node": encode, "columns": ["deck"]},
        {"node": "scale", "columns": "numeric", "params": {"method": method}},
        {"node": "one_hot", "columns": "categorical", "params": {"min_frequency": 5}},
        {"node": "impute", "columns": {"kind": "numeric", "exclude": ["member"]}},
        {"node": "scale", "columns": "all"},
        {"node": "drop_columns", "columns": ["member"]},
    ]
    state = trained(spec(steps, LOGISTIC), frame=frame, facts=facts)
    assert state.metrics["accuracy"] > 0.75
    assert "member" in [c.name for c in state.input_schema]  # it was used before it was dropped


def test_names_that_one_hot_would_generate_twice_do_no_harm():
    frame = frame_of(
        a=np.array(["b_c", "d"] * 30, dtype=object),
        a_b=np.array(["c", "d", "e"] * 20, dtype=object),
        a_d=np.arange(60.0),
        y=np.array(["u", "v"] * 30, dtype=object),
    )
    facts = facts_of(frame, {"a": "string", "a_b": "string", "a_d": "number", "y": "string"})
    state = trained(spec([{"node": "one_hot", "columns": "categorical"}], LOGISTIC), frame=frame, facts=facts)
    assert state.metrics["accuracy"] == 1.0


def test_candidates_are_scored_and_the_best_is_taken():
    frame, facts = table(target="integer")
    chosen = choose_candidates(spec(), facts, len(frame))
    state = trained(*chosen.specs, frame=frame, facts=facts)
    assert [score["candidate"] for score in state.candidate_scores] == list(range(len(chosen.specs)))
    best = max(state.candidate_scores, key=lambda score: score["mean"])
    assert best["chosen"]
    assert state.spec.model.node == chosen.specs[best["candidate"]].model.node
    assert state.spec.model.params  # complete: every parameter is written out


def test_progress_goes_through_every_stage_in_small_steps():
    frame, facts = table()
    heard = []
    fit(choose_candidates(spec(), facts, 200).specs, frame, facts, 1, lambda *what: heard.append(what), 1)
    fractions = [fraction for _, fraction, _ in heard]
    assert list(dict.fromkeys(stage for stage, _, _ in heard)) == [
        "load", "split", "choose", "fit", "evaluate", "refit", "fingerprint",
    ]  # fmt: skip
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert max(np.diff(fractions)) < 0.3
    assert "accuracy" in heard[-1][2]


def test_a_report_that_raises_ends_the_fit():
    frame, facts = table()

    def stop(stage, fraction, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit([spec(FULL, LOGISTIC)], frame, facts, 1, stop, 1)


def test_rows_without_a_target_are_dropped_and_counted():
    frame, facts = table(target="integer")
    frame["y"] = frame["y"].astype("Int64")
    frame.loc[:9, "y"] = pd.NA
    state = trained(spec(FULL, LOGISTIC), frame=frame, facts=facts_of(frame, {c.name: c.type for c in facts}))
    assert state.rows == {"total": 200, "train": 152, "test": 38, "dropped": 10}
    assert state.classes == [0, 1, 2]


def test_columns_that_are_missing_throughout_are_taken():
    frame, facts = table()
    frame["age"] = np.nan
    frame["deck"] = pd.Series([np.nan] * 200, dtype=object)
    facts = facts_of(frame, {c.name: c.type for c in facts})
    for model in models("classification"):
        state = trained(spec(FULL, {"node": model, "params": SMALL.get(model, {})}), frame=frame, facts=facts)
        assert state.metrics["accuracy"] > 0.5
    assert trained(*choose_candidates(spec(), facts, 200).specs, frame=frame, facts=facts).metrics["accuracy"] > 0.5


def noise(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(100, 500)), rng.integers(0, 2, 100)


def test_selecting_on_all_rows_would_score_on_noise_and_ours_does_not():
    """The classic leak: the columns that seem to tell most are chosen on all rows, and then "cross-validated"."""
    leaky, ours = [], []
    for seed in range(10):
        values, target = noise(seed)
        selected = SelectKBest(f_classif, k=10).fit_transform(values, target)
        leaky.append(cross_val_score(LogisticRegression(), selected, target, scoring="roc_auc").mean())
        frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(500)]).assign(y=target)
        facts = facts_of(frame, {**dict.fromkeys(frame.columns[:-1], "number"), "y": "integer"})
        steps = [{"node": "select_univariate", "columns": "all", "params": {"keep": 10}}]
        asked = spec(steps, LOGISTIC, split={"test_size": 0.5}, refit=False)
        ours.append(trained(asked, frame=frame, facts=facts, seed=seed).metrics["roc_auc"])
    assert np.mean(leaky) == pytest.approx(0.85, abs=0.05)
    assert np.mean(ours) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("encode", ["one_hot", "target_encode"])
def test_noise_scores_like_noise(encode):
    rng = np.random.default_rng(0)
    aucs = []
    for seed in range(8):
        values = rng.normal(size=(300, 10))
        frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(10)])
        frame["c"] = pd.Series(rng.choice(np.array([f"v{i}" for i in range(120)], dtype=object), 300), dtype=object)
        frame["y"] = rng.integers(0, 2, 300)
        facts = facts_of(frame, {**{f"x{i}": "number" for i in range(10)}, "c": "string", "y": "integer"})
        steps = [{"node": encode, "columns": ["c"]}, {"node": "scale", "columns": "numeric"}]
        state = trained(spec(steps, LOGISTIC, split={"test_size": 0.5}), frame=frame, facts=facts, seed=seed)
        aucs.append(state.metrics["roc_auc"])
    assert abs(np.mean(aucs) - 0.5) < 0.05


@settings(max_examples=15, deadline=None)
@given(row=st.integers(150, 199), number=st.floats(-1e6, 1e6), word=st.text(max_size=5))
def test_nothing_that_is_evaluated_was_seen(row, number, word):
    """Whatever stands in a held-out row, the fit that is evaluated stays the same."""
    frame, facts = table()
    before = trained(spec(FULL, LOGISTIC, **UNREFITTED), frame=frame, facts=facts)
    frame.loc[row, ["age", "deck", "y"]] = [number, word, "no"]
    after = trained(spec(FULL, LOGISTIC, **UNREFITTED), frame=frame, facts=facts)
    assert after.fingerprint == before.fingerprint


def test_the_choice_saw_no_held_out_row():
    frame, facts = table()
    specs = choose_candidates(spec(**UNREFITTED), facts, 200).specs
    before = trained(*specs, frame=frame, facts=facts)
    frame.loc[150:, "age"] = 1e6
    frame.loc[150:, "y"] = frame.loc[150:, "y"].to_numpy()[::-1]
    after = trained(*specs, frame=frame, facts=facts)
    assert after.candidate_scores == before.candidate_scores
    assert after.fingerprint == before.fingerprint


def test_changing_a_training_row_changes_the_fit():
    frame, facts = table()
    before = trained(spec(FULL, LOGISTIC, **UNREFITTED), frame=frame, facts=facts)
    frame.loc[3, "fare paid"] = 999.0
    assert trained(spec(FULL, LOGISTIC, **UNREFITTED), frame=frame, facts=facts).fingerprint != before.fingerprint


def test_the_served_model_saw_all_rows_unless_the_spec_says_no():
    frame, facts = table()
    one, two = (trained(spec(FULL, LOGISTIC, refit=refit), frame=frame, facts=facts) for refit in (True, False))
    assert one.metrics == two.metrics
    assert one.fingerprint != two.fingerprint


def test_seeds_rule():
    frame, facts = table()
    forest = {"node": "random_forest", "params": {"n_estimators": 5}}

    def mark(seed, model_seed=None, split_seed=None):
        asked = spec(FULL, {**forest, "seed": model_seed}, split={"seed": split_seed}, refit=False)
        return trained(asked, frame=frame, facts=facts, seed=seed).fingerprint

    assert mark(1) == mark(1)
    assert mark(1) != mark(2)
    assert mark(1, 5, 6) == mark(2, 5, 6)
    assert mark(1, 5) != mark(1, 6)
    assert mark(2**40 + 1) == mark(2**40 + 1)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda f: f.assign(y="secret"), "two classes"),
        (lambda f: f.assign(**{"fare paid": np.inf}), "fare paid"),
        (lambda f: f.drop(columns="age"), "age"),
        (lambda f: f.assign(y=np.where(f.index == 0, "secret", "no")), "split.stratify"),
    ],
)
def test_data_that_belies_its_facts_fails_without_telling_values(change, word):
    frame, facts = table()
    with pytest.raises(TrainingFailed) as caught:
        trained(spec(FULL, LOGISTIC), frame=change(frame), facts=facts)
    assert word in caught.value.detail
    assert "secret" not in caught.value.detail


def test_faults_of_the_spec_fail_the_training():
    frame, facts = table()
    with pytest.raises(TrainingFailed, match="one_hot or ordinal"):
        trained(spec([], LOGISTIC), frame=frame, facts=facts)


def test_a_model_that_does_not_converge_is_told_of():
    frame, facts = table()
    asked = spec(FULL, {"node": "logistic_regression", "params": {"max_iter": 1}})
    state = trained(asked, frame=frame, facts=facts)
    assert len(state.warnings) == 1
    assert "max_iter" in state.warnings[0]


def test_tiny_tables_train():
    frame = frame_of(x=np.arange(6.0), y=np.array(["a", "b"] * 3, dtype=object))
    facts = facts_of(frame, {"x": "number", "y": "string"})
    bare = spec(split={"test_size": 0.34})
    assert trained(*choose_candidates(bare, facts, 6).specs, frame=frame, facts=facts).classes == ["a", "b"]
    numbers = frame_of(x=np.arange(4.0), y=np.arange(4.0))
    facts = facts_of(numbers, {"x": "number", "y": "number"})
    state = trained(*choose_candidates(spec(task="regression"), facts, 4).specs, frame=numbers, facts=facts)
    assert state.metrics["r2"] is None


def test_a_column_that_is_only_dropped_need_not_be_sent():
    frame, facts = table()
    steps = [{"node": "drop_columns", "columns": ["deck"]}, *FULL]
    state = trained(spec(steps, LOGISTIC), frame=frame, facts=facts)
    assert "deck" not in [c.name for c in state.input_schema]
    answer = Applier(state).predict(Applier(state).columns_of_frame(frame.drop(columns="deck")))
    assert answer.predictions == state.pipeline.predict(frame).tolist()


def test_a_state_is_frozen():
    frame, facts = table()
    state = fit([spec(FULL, LOGISTIC)], frame, facts, 1, silent, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.fingerprint = ""
