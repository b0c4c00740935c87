"""Tuning: what is tried and chosen is the same whenever and wherever it is done, and saw no row that judges it."""

import os

import numpy as np
import pandas as pd
import pytest
from helpers import facts_of, spec

from skyulf.core import trial_runners
from skyulf.core.calculator import fit
from skyulf.core.folds import make_folds, nested_order
from skyulf.core.nested import JobTrials
from skyulf.core.proposing import Halving, Proposal, Sampled
from skyulf.core.registry import BuildContext
from skyulf.core.trial import Bench, Trial
from skyulf.core.tuning import Trials, tune
from skyulf.core.tuning_space import Parameter
from skyulf.core.tuning_spec import FoldsSpec
from skyulf.errors import TrainingFailed

LOGISTIC = {"node": "logistic_regression"}
SCALE = [{"node": "scale", "columns": "numeric"}]
HALVING = {"strategy": "halving"}
C = {"model.C": {"low": 0.001, "high": 100, "log": True}}
BOTH = {**C, "model.tol": {"low": 1e-6, "high": 1e-2, "log": True}}


def numbers(rows=120, columns=4, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, columns))
    frame = pd.DataFrame(matrix, columns=[f"x{at}" for at in range(columns)])
    frame["y"] = (signal * matrix[:, 0] + rng.normal(size=rows) > 0).astype(int)
    types = dict.fromkeys(frame.columns[:-1], "number")
    return frame, facts_of(frame, {**types, "y": "integer"})


def tuned(tuning, threads=1, recorded=(), data=None, steps=SCALE, model=LOGISTIC, **more):
    """The fitted state, and the trials as they were told, but for their seconds."""
    told = []
    frame, facts = data or numbers()
    trials = JobTrials({trial.key: trial for trial in recorded}, lambda trial, search: told.append((trial, search)))
    asked = spec(steps, model, tuning={"cv": 3, **tuning}, **more)
    state = fit([asked], frame, facts, 7, lambda *_: None, threads, trials)
    return state, [trial for trial, _ in told], told


def known(trials):
    ordered = sorted(trials, key=lambda trial: trial.number)
    return [(trial.number, trial.parameters, trial.state, trial.scores, trial.share) for trial in ordered]


@pytest.mark.parametrize(
    ("tuning", "count"),
    [
        ({"strategy": "grid", "space": {"model.C": [0.1, 1, 10], "model.tol": [1e-4, 1e-3]}}, 6),
        ({"strategy": "random", "trials": 9, "space": C}, 9),
        ({"strategy": "halving", "trials": 9, "space": C}, 9 + 3 + 1),
        ({"strategy": "tpe", "trials": 9, "space": {**C, "model.class_weight": [None, "balanced"]}}, 9),
        ({"strategy": "cma_es", "trials": 9, "space": BOTH}, 9),
    ],
    ids=lambda value: value["strategy"] if isinstance(value, dict) else "",
)
def test_each_strategy_tries_what_it_should_and_chooses_the_best(tuning, count):
    state, trials, told = tuned(tuning)
    assert sorted(trial.number for trial in trials) == list(range(count))
    assert {search.planned for _, search in told} == {count}
    whole = [trial for trial in trials if trial.state == "finished" and trial.share == 1.0]
    best = min(whole, key=lambda trial: (trial.mean, trial.number))
    assert state.evaluation["tuning"]["trial"] == best.number
    assert state.spec.model.params["C"] == best.parameters["model.C"]
    assert state.spec.tuning is None
    assert all(trial.mean == pytest.approx(np.mean(trial.scores)) for trial in whole)


@pytest.fixture
def at_once(monkeypatch):
    """Processes are started after the first fold, and waited for: they get what there is to do."""
    start = trial_runners.Runners.start

    def started(self, count):
        start(self, count)
        for connection in tuple(self._workers):
            connection.poll(60)
            assert self._heard(connection) is None

    monkeypatch.setattr(trial_runners, "WORTH_IT", 0.0)
    monkeypatch.setattr(trial_runners.Runners, "start", started)


@pytest.mark.usefixtures("at_once")
def test_the_same_trials_on_two_cores_as_on_one():
    tuning = {"strategy": "tpe", "trials": 10, "space": BOTH}
    alone, trials, _ = tuned(tuning)
    together, trials_of_two, _ = tuned(tuning, threads=2)
    assert known(trials_of_two) == known(trials)
    assert together.fingerprint == alone.fingerprint


@pytest.mark.usefixtures("at_once")
def test_hyperband_gives_the_same_trials_up_on_two_cores_as_on_one():
    tuning = {"strategy": "random", "trials": 40, "cv": 4, "pruner": "hyperband", "space": C}
    _, trials, _ = tuned(tuning)
    _, trials_of_two, _ = tuned(tuning, threads=2)
    assert known(trials_of_two) == known(trials)
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert {len(trial.scores) for trial in pruned} == {1, 3}
    assert "after 1 of 4 folds it did worse than the best third" in pruned[0].reason


@pytest.mark.parametrize("more", [{"strategy": "random"}, {"strategy": "tpe", "pruner": "hyperband"}, HALVING])
def test_what_was_recorded_is_not_tried_again_and_changes_nothing(more):
    tuning = {"trials": 9, "space": C, **more}
    state, trials, _ = tuned(tuning)
    recorded = [trial for trial in trials if trial.number < 7 and trial.number != 3]
    again, others, _ = tuned(tuning, recorded=recorded)
    assert not {trial.number for trial in others} & {trial.number for trial in recorded}
    assert known([*recorded, *others]) == known(trials)
    assert again.fingerprint == state.fingerprint


@pytest.fixture
def refusing(monkeypatch):
    """A library that takes no C of 666, and quotes the data in saying so."""
    score = Bench._score

    def refuse(self, asked, share, fold):
        if asked.model.params["C"] == 666:
            raise ValueError("could not convert Mrs. Miller to float")
        return score(self, asked, share, fold)

    monkeypatch.setattr(Bench, "_score", refuse)


@pytest.mark.usefixtures("refusing")
def test_a_trial_that_fails_is_a_result_with_its_reason():
    state, trials, _ = tuned({"strategy": "grid", "space": {"model.C": [1.0, 666.0, 2.0]}})
    by_number = {trial.number: trial for trial in trials}
    assert [by_number[number].state for number in range(3)] == ["finished", "failed", "finished"]
    assert (by_number[1].mean, by_number[1].reason) == (None, "ValueError while it was fitted or scored")
    assert state.evaluation["tuning"]["trials"] == {"finished": 2, "pruned": 0, "failed": 1}


@pytest.mark.usefixtures("refusing")
def test_a_job_whose_every_trial_fails_says_why():
    with pytest.raises(TrainingFailed, match=r"none of 1 trials could be scored; the first: ValueError"):
        tuned({"strategy": "grid", "space": {"model.C": [666.0]}})


def _bench(**changes):
    frame, facts = numbers()
    asked = spec(SCALE, LOGISTIC, tuning={"space": C})
    target = frame.pop("y").to_numpy()
    folds = make_folds(FoldsSpec(folds=3), "classification", frame, target, 0)
    return Bench(asked, tuple(facts), 120, frame, target, folds, "log_loss", 0, **changes)


class Deadly(Bench):
    """Takes its process with it where C is 666."""

    def score(self, parameters, share, fold):
        if parameters["model.C"] == 666:
            os._exit(1)
        return super().score(parameters, share, fold)


@pytest.mark.usefixtures("at_once")
def test_a_process_that_dies_fails_its_trial_and_no_other():
    bench = _bench()
    deadly = Deadly(*(getattr(bench, name) for name in Bench.__slots__))
    with trial_runners.runners(deadly, 1) as workers:
        workers.start(1)
        for number, value in enumerate([1.0, 666.0, 10.0]):
            workers.order(trial_runners.Order(number, {"model.C": value}, 1.0, 0))
        told = {order.trial: score for order, score in (workers.next(3) for _ in range(3))}
    assert (told[1].score, told[1].reason) == (None, trial_runners.DIED)
    assert [told[number].score for number in (0, 2)] == [
        bench.score({"model.C": value}, 1.0, 0).score for value in (1.0, 10.0)
    ]


def test_a_trial_worse_than_the_median_is_given_up():
    sampled = Sampled("random", [Parameter("model.C", None, 0.1, 1.0)], 32, 0, True, prune=True)
    batch = sampled.ask()
    for proposal in batch:
        assert not sampled.prunes(proposal.number, [0.5])
    sampled.tell([Trial(one.number, one.parameters, "finished", (0.5, 0.9), 0.7, 0.1) for one in batch])
    first, second, *_ = sampled.ask()
    assert sampled.prunes(first.number, [0.4])
    assert not sampled.prunes(second.number, [0.6])


def test_halving_ranks_on_few_rows_first():
    halving = Halving([Parameter("model.C", None, 0.1, 1.0)], 9, 0, higher_is_better=False)
    rung = halving.ask()
    assert [(len(rung), {one.share for one in rung})] == [(9, {1 / 9})]
    halving.tell([Trial(one.number, one.parameters, "finished", (one.number,), one.number, 0.1, 1 / 9) for one in rung])
    assert halving.ask() == [Proposal(9 + at, rung[at].parameters, 1 / 3) for at in range(3)]


def test_the_search_ends_when_its_time_is_up_with_one_trial_at_least():
    state, trials, _ = tuned({"strategy": "random", "trials": 500, "seconds": 0.001, "space": C})
    assert len(trials) == 1
    assert state.evaluation["tuning"]["trial"] == trials[0].number


def test_every_kind_of_folds_keeps_what_it_promises():
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"when": rng.permutation(60).astype(float), "who": rng.integers(0, 12, 60).astype(float)})
    target = np.repeat([0, 1, 1], 20)

    def folds(**cv):
        return make_folds(FoldsSpec(folds=4, **cv), "classification", features, target, 3)

    assert all(target[test].sum() == 10 for _, test in folds())
    assert folds(kind="k_fold", shuffle=False)[0][1].tolist() == list(range(15))
    for train, test in folds(kind="group", column="who"):
        assert not set(features.who[train]) & set(features.who[test])
    for train, test in folds(kind="time_series", column="when"):
        assert features.when[train].max() < features.when[test].min()
    for kind in ({}, {"kind": "k_fold"}, {"kind": "group", "column": "who"}):
        for train, test in folds(**kind):
            assert sorted([*train, *test]) == list(range(60))


def test_a_class_that_is_missing_from_folds_is_said():
    data = numbers(rows=60)
    data[0]["y"] = np.repeat([0, 1], 30)
    data = (data[0], facts_of(data[0], {**dict.fromkeys(data[0].columns[:-1], "number"), "y": "integer"}))
    tuning = {"space": C, "metric": "roc_auc", "trials": 2}
    split = {"shuffle": False, "test_size": 0.1}
    with pytest.raises(TrainingFailed, match="hold one class of the target only"):
        tuned({**tuning, "cv": {"kind": "time_series", "folds": 5}}, data=data, split=split)
    with pytest.raises(TrainingFailed, match="roc_auc cannot be computed on fold"):
        tuned({**tuning, "cv": {"kind": "k_fold", "folds": 4, "shuffle": False}}, data=data, split=split)


def test_the_first_rows_of_a_nested_order_hold_every_class():
    target = np.array(["a"] * 90 + ["b"] * 10, dtype=object)
    order = nested_order(np.arange(100), target, "classification", 0)
    assert sorted(order) == list(range(100))
    assert set(target[order[:2]]) == {"a", "b"}
    assert (target[order[:50]] == "b").sum() == 5


def test_held_out_rows_change_nothing_that_is_tuned():
    frame, facts = numbers(rows=100)
    split = {"shuffle": False, "test_size": 0.2}
    _, trials, _ = tuned({"trials": 3, "space": C}, data=(frame, facts), split=split)
    other = frame.copy()
    other.loc[80:, ["x0", "x1"]] *= -100
    _, same, _ = tuned({"trials": 3, "space": C}, data=(other, facts), split=split)
    assert known(same) == known(trials)


def test_tuning_on_noise_finds_nothing_on_rows_that_it_did_not_see():
    """The best of many trials looks better than it is; the rows held out tell the truth."""
    scores = []
    in_folds = []
    tuning = {"trials": 4, "metric": "roc_auc", "space": {"steps.0.keep": [2, 5, 10], **C}}
    steps = [{"node": "select_univariate", "columns": "numeric"}]
    for seed in range(10):
        noise = numbers(rows=300, columns=40, signal=0.0, seed=seed)
        state, _, _ = tuned(tuning, data=noise, steps=steps, split={"test_size": 0.5})
        scores.append(state.metrics["roc_auc"])
        in_folds.append(state.evaluation["tuning"]["mean"])
    assert np.mean(scores) == pytest.approx(0.5, abs=0.05)
    assert np.mean(in_folds) < 0.6, "what selects sees the folds' training parts alone"


def test_a_regression_is_tuned_too():
    frame, _ = numbers()
    frame["y"] = frame["x0"] * 3 + 1
    facts = facts_of(frame, dict.fromkeys(frame.columns, "number"))
    space = {"model.alpha": [0.001, 1000.0]}
    model = {"node": "ridge"}
    state, _, _ = tuned({"strategy": "grid", "space": space}, data=(frame, facts), model=model, task="regression")
    assert state.evaluation["tuning"]["metric"] == "rmse"
    assert state.spec.model.params["alpha"] == 0.001


def test_tune_needs_no_more_than_training_rows():
    frame, facts = numbers()
    asked = spec(SCALE, LOGISTIC, tuning={"trials": 2, "space": C})
    target = frame.pop("y").to_numpy()
    found = tune(asked, facts, 120, frame, target, BuildContext(0, "classification"), Trials(), lambda _: None)
    assert found.summary["trials"]["finished"] == 2
