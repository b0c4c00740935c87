"""Thresholds are the best by their criterion, are chosen without the rows held out, and rule every prediction."""

import json

import numpy as np
import pytest
from helpers import FULL, LOGISTIC, facts_of, spec, table, trained
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from skyulf.core.applier import Applier
from skyulf.core.evaluation_spec import ThresholdsSpec
from skyulf.core.formats import load_model, save_model
from skyulf.core.packaging import Packaged, package
from skyulf.core.predictions import decided
from skyulf.core.scorer import Scorer
from skyulf.core.thresholds import choose_thresholds, judged
from skyulf.errors import Damaged


def two(chance):
    chance = np.asarray(chance, dtype=float)
    return np.column_stack([1 - chance, chance])


# By hand


def test_f1_by_hand():
    # From 0.3 on: 3 hits, 1 alarm, no miss, F1 6/7; from 0.6 on: 2 hits, none, 1 miss, 4/5; from 0.1 on: 3, 2, 0, 3/4.
    truth = np.array([1, 1, 0, 1, 0])
    chosen = choose_thresholds(ThresholdsSpec(), truth, two([0.9, 0.6, 0.4, 0.3, 0.1]))
    assert chosen.thresholds == pytest.approx((0.8, 0.2))
    assert (chosen.score, chosen.score_without) == pytest.approx((6 / 7, 4 / 5))


def test_a_cost_by_hand():
    # A miss costs as much as 4 alarms: from 0.3 on one alarm of 5 rows, 1/5; from 0.6 on one miss, 4/5.
    truth = np.array([1, 1, 0, 1, 0])
    dear = ThresholdsSpec(criterion="cost", false_negative_cost=4)
    chosen = choose_thresholds(dear, truth, two([0.9, 0.6, 0.4, 0.3, 0.1]))
    assert (chosen.thresholds[1], chosen.score, chosen.score_without) == pytest.approx((0.2, 1 / 5, 4 / 5))
    # And where an alarm costs as much as ten misses, nothing is claimed: the 3 misses cost 0.3 in 5 rows.
    cheap = ThresholdsSpec(criterion="cost", false_negative_cost=0.1)
    chosen = choose_thresholds(cheap, np.array([0, 1, 0, 1, 1]), two([0.9, 0.6, 0.4, 0.3, 0.2]))
    assert (chosen.thresholds[1], chosen.score) == pytest.approx((0.95, 0.06))


def test_the_usual_threshold_stays_where_none_is_better():
    chosen = choose_thresholds(ThresholdsSpec(criterion="mcc"), np.array([0, 0, 1, 1]), two([0.1, 0.4, 0.6, 0.9]))
    assert chosen.thresholds == (0.5, 0.5)
    chosen = choose_thresholds(ThresholdsSpec(), np.array([0, 1, 2]), np.eye(3))
    assert chosen.thresholds == (1 / 3, 1 / 3, 1 / 3)


def test_of_more_classes_the_greatest_multiple_is_taken():
    chances = np.array([[0.5, 0.4, 0.1], [0.5, 0.3, 0.2], [0.9, 0.05, 0.05]])
    assert decided(chances, None).tolist() == [0, 0, 0]
    assert decided(chances, (0.5, 0.25, 0.125)).tolist() == [1, 2, 0]
    assert decided(two([0.2, 0.3, 0.31]), (0.7, 0.3)).tolist() == [0, 1, 1]


def test_a_rare_class_is_found_by_balanced_accuracy():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1, 2], [200, 200, 12])
    chances = rng.dirichlet([2, 2, 0.3], len(truth)) * 0.4 + np.eye(3)[truth] * [0.6, 0.6, 0.25]
    chances /= chances.sum(axis=1, keepdims=True)
    chosen = choose_thresholds(ThresholdsSpec(criterion="balanced_accuracy"), truth, chances)
    without, with_ = decided(chances, None), decided(chances, chosen.thresholds)
    assert metrics.balanced_accuracy_score(truth, with_) > metrics.balanced_accuracy_score(truth, without) + 0.02


# Laws

SCORES = {
    "f1": lambda truth, said: metrics.f1_score(truth, said, zero_division=0.0),
    "balanced_accuracy": lambda truth, said: metrics.recall_score(truth, said, average="macro"),
    "youden": lambda truth, said: 2 * metrics.recall_score(truth, said, average="macro") - 1,
    "mcc": metrics.matthews_corrcoef,
    "cost": lambda truth, said: -(((truth == 0) & (said == 1)).sum() + 3 * ((truth == 1) & (said == 0)).sum()),
}


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=4, max_size=40),
    criterion=st.sampled_from(sorted(SCORES)),
)
def test_no_threshold_is_better_than_the_chosen_one(rows, criterion):
    truth = np.array([truth for truth, _ in rows], dtype=int)
    if len(set(truth.tolist())) < 2:
        return
    chances = two([score / 8 for _, score in rows])
    asked = ThresholdsSpec(criterion=criterion, false_negative_cost=3 if criterion == "cost" else None)
    chosen = choose_thresholds(asked, truth, chances).thresholds
    found = SCORES[criterion](truth, decided(chances, chosen))
    others = [SCORES[criterion](truth, decided(chances, (1 - at, at))) for at in np.arange(9) / 8]
    assert found >= max(others) - 1e-12
    assert judged(asked, truth, decided(chances, chosen), 2) >= judged(asked, truth, decided(chances, None), 2) - 1e-12


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(3, 5), criterion=st.sampled_from(["f1", "youden", "mcc"]))
def test_of_many_classes_they_do_no_worse_together_than_none(seed, count, criterion):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, count, 60)
    chosen = choose_thresholds(ThresholdsSpec(criterion=criterion), truth, rng.dirichlet(np.ones(count), 60))
    assert chosen.score >= chosen.score_without


# In a training


def unbalanced(rows=400):
    frame, facts = table(rows, target="number")
    frame["y"] = np.where(frame["y"] > np.quantile(frame["y"], 0.88), "yes", "no").astype(object)
    return frame, facts_of(frame, {column.name: column.type for column in facts} | {"y": "string"})


F1 = {"thresholds": {"criterion": "f1", "cv": 3}}


def test_a_model_without_thresholds_is_as_it_was():
    frame, facts = unbalanced()
    state = trained(spec(FULL, LOGISTIC), frame=frame, facts=facts)
    assert state.thresholds is None
    assert "thresholds" not in state.evaluation
    other = trained(spec(FULL, LOGISTIC, **F1), frame=frame, facts=facts)
    assert other.fingerprint != state.fingerprint
    assert other.metrics["roc_auc"] == state.metrics["roc_auc"]
    assert other.evaluation["thresholds"]["metrics_without"]["f1"] == state.metrics["f1"]


def test_rows_held_out_have_no_say():
    frame, facts = unbalanced()
    asked = spec(FULL, LOGISTIC, split={"shuffle": False}, **F1)
    changed = frame.copy()
    last = changed.index[-80:]
    changed.loc[last, "y"] = np.where(changed.loc[last, "y"] == "yes", "no", "yes")
    changed.loc[last, "fare paid"] = 1e6
    one, two_ = (trained(asked, frame=each, facts=facts) for each in (frame, changed))
    assert one.thresholds == two_.thresholds
    assert one.thresholds != (0.5, 0.5)
    assert one.metrics != two_.metrics


def test_the_evaluation_decides_as_the_served_model_does():
    frame, facts = unbalanced()
    state = trained(spec(FULL, LOGISTIC, refit=False, split={"shuffle": False}, **F1), frame=frame, facts=facts)
    held_out = frame.iloc[-80:]
    predictions = Applier(state).predict(Applier(state).columns_of_frame(held_out))
    said = predictions.predictions
    assert predictions.values.tolist() != predictions.chances.argmax(axis=1).tolist()
    matrix = metrics.confusion_matrix(held_out["y"].tolist(), said, labels=["no", "yes"])
    assert state.evaluation["confusion_matrix"] == matrix.tolist()
    (told,) = state.evaluation["thresholds"]["classes"]
    assert told == {"label": "yes", "threshold": state.thresholds[1]}


def test_files_and_copies_decide_alike(tmp_path):
    frame, facts = unbalanced()
    state = trained(spec(FULL, LOGISTIC, **F1), frame=frame, facts=facts)
    save_model(state, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.thresholds == state.thresholds
    applier = Applier(loaded)
    rows = applier.columns_of_frame(frame)
    said = applier.predict(rows)
    assert said.values.tolist() == (said.chances[:, 1] >= state.thresholds[1]).tolist()
    assert said.values.tolist() != said.chances.argmax(axis=1).tolist()
    packaged = package(loaded, "d", rows)
    assert isinstance(packaged, Packaged)
    copy = Scorer(packaged.content).predict(rows)
    assert copy.values.tolist() == said.values.tolist()


def test_a_copy_of_a_format_that_is_not_known_is_refused():
    frame, facts = unbalanced(120)
    state = trained(spec(FULL, LOGISTIC, **F1), frame=frame, facts=facts)
    packaged = package(state, "d", Applier(state).columns_of_frame(frame))
    assert isinstance(packaged, Packaged)
    import onnx

    model = onnx.ModelProto.FromString(packaged.content)
    record = json.loads(model.metadata_props[0].value)
    assert record["format"] == 2
    model.metadata_props[0].value = json.dumps({**record, "format": 4})
    with pytest.raises(Damaged):
        Scorer(model.SerializeToString())


@pytest.mark.parametrize(("kind", "folds"), [("stratified", 2), ("k_fold", 4)])
def test_every_training_row_is_predicted_once(kind, folds):
    frame, facts = unbalanced()
    asked = spec(FULL, LOGISTIC, thresholds={"cv": {"kind": kind, "folds": folds}})
    assert trained(asked, frame=frame, facts=facts).evaluation["thresholds"]["rows"] == 320
