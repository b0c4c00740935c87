"""Nested cross-validation: each outer fold is tuned without the rows that judge it, and the model is tuned as ever."""

import numpy as np
import pandas as pd
import pytest
from helpers import facts_of, spec, table

from skyulf.core.calculator import fit
from skyulf.core.candidates import check_spec
from skyulf.core.folds import make_folds
from skyulf.core.nested import JobTrials, outer_context, tune_job
from skyulf.core.registry import BuildContext
from skyulf.core.spec import parse_spec
from skyulf.core.trial import Bench
from skyulf.errors import Invalid, TrainingFailed

LOGISTIC = {"node": "logistic_regression"}
SCALE = [{"node": "scale", "columns": "numeric"}]
SPACE = {"model.C": {"low": 0.001, "high": 100, "log": True}}
OUTER = 3


def numbers(rows=120, signal=1.0, seed=0, columns=4):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, columns))
    frame = pd.DataFrame(matrix, columns=[f"x{at}" for at in range(columns)])
    frame["y"] = (signal * matrix[:, 0] + rng.normal(size=rows) > 0).astype(int)
    return frame, facts_of(frame, {**dict.fromkeys(frame.columns[:-1], "number"), "y": "integer"})


def asked(steps=SCALE, **tuning):
    return spec(steps, LOGISTIC, tuning={"cv": 3, "space": SPACE, "outer": OUTER, **tuning})


def searched(frame, facts, one, recorded=(), only=None, threads=1):
    """What the tuning of all rows of a frame came to, its trials, and how many were planned."""
    told, planned = [], set()

    def heard(trial, search):
        told.append(trial)
        planned.add(search.planned)

    features, target = frame.drop(columns="y"), frame["y"].to_numpy()
    trials = JobTrials({trial.key: trial for trial in recorded}, heard, only)
    context = BuildContext(7, "classification", threads)
    return tune_job(one, facts, len(frame), features, target, context, trials, lambda _: None), told, planned


def known(trials):
    ordered = sorted(trials, key=lambda trial: (-1 if trial.outer_fold is None else trial.outer_fold, *trial.key[1:]))
    return [(one.key, one.parameters, one.state, one.scores, one.share) for one in ordered]


def test_each_outer_fold_is_searched_and_judged_and_then_all_rows_are():
    tuned, trials, planned = searched(*numbers(), asked(trials=12))
    assert planned == {12}, "the trials asked for are those of all searches"
    by_fold = {fold: [one for one in trials if one.outer_fold == fold] for fold in (None, 0, 1, 2)}
    assert [sum(not one.held_out for one in by_fold[fold]) for fold in by_fold] == [3, 3, 3, 3]
    for fold in range(OUTER):
        *tried, judging = by_fold[fold]
        best = min(tried, key=lambda one: (one.mean, one.number))
        assert judging.held_out
        assert (judging.number, judging.parameters) == (best.number, best.parameters)
        assert tuned.summary["outer"]["folds"][fold]["score"] == judging.mean
    scores = [one["score"] for one in tuned.summary["outer"]["folds"]]
    assert tuned.summary["outer"]["mean"] == pytest.approx(np.mean(scores))
    assert tuned.summary["outer"]["std"] == pytest.approx(np.std(scores, ddof=1))
    assert [(one["train"], one["test"]) for one in tuned.summary["outer"]["folds"]] == [(80, 40)] * 3


def test_the_score_of_an_outer_fold_is_that_of_the_chosen_pipeline_on_its_held_out_rows():
    frame, facts = numbers()
    one = asked(trials=8)
    tuned, _, _ = searched(frame, facts, one)
    told = tuned.summary["outer"]["folds"][1]
    features, target = frame.drop(columns="y"), frame["y"].to_numpy()
    folds = make_folds(one.tuning.outer, "classification", features, target, 7)
    seed = outer_context(BuildContext(7, "classification"), 1).seed
    bench = Bench(one, tuple(facts), 120, features, target, folds, "log_loss", seed)
    assert bench.score(told["parameters"], 1.0, 1).score == told["score"]


def test_the_model_is_the_one_that_the_tuning_finds_without_outer_folds():
    frame, facts = numbers()
    nested = fit([asked(trials=12)], frame, facts, 7, lambda *_: None, 1)
    alone = fit([asked(trials=3, outer=None)], frame, facts, 7, lambda *_: None, 1)
    assert nested.fingerprint == alone.fingerprint
    assert nested.evaluation["tuning"]["parameters"] == alone.evaluation["tuning"]["parameters"]
    assert "outer" not in alone.evaluation["tuning"]


@pytest.mark.parametrize("strategy", ["random", "tpe", "halving"])
def test_rows_held_out_by_an_outer_fold_change_nothing_that_was_tuned_for_it(strategy):
    """Other features, other classes, and a class that is nowhere else."""
    frame, facts = numbers()
    one = asked(trials=12, strategy=strategy, metric="f1", outer={"kind": "k_fold", "folds": OUTER})
    _, trials, _ = searched(frame, facts, one)
    context = BuildContext(7, "classification")
    folds = make_folds(one.tuning.outer, "classification", frame, frame["y"].to_numpy(), context.seed)
    for fold, (_, held_out) in enumerate(folds):
        other = frame.copy()
        other.loc[held_out, ["x0", "x1"]] *= -100
        other.loc[held_out, "y"] = 1 - other.loc[held_out, "y"]
        other.loc[held_out[:3], "y"] = 2
        _, changed, _ = searched(other, facts, one)
        of = [[each for each in both if each.outer_fold == fold and not each.held_out] for both in (trials, changed)]
        assert known(of[0]) == known(of[1])
        chosen = [
            next(each for each in both if each.outer_fold == fold and each.held_out) for both in (trials, changed)
        ]
        assert chosen[0].parameters == chosen[1].parameters
        assert chosen[0].scores != chosen[1].scores, "they judge"


def test_each_outer_fold_has_a_seed_of_its_own_whatever_the_number_of_folds():
    def drawn(outer):
        trials = searched(*numbers(), asked(trials=2 * (outer + 1), outer=outer))[1]
        return {one.outer_fold: one.parameters for one in trials if one.number == 0 and not one.held_out}

    of_three, of_two = drawn(3), drawn(2)
    assert len({one["model.C"] for one in of_three.values()}) == 4
    assert {fold: of_three[fold] for fold in (None, 0, 1)} == of_two


def test_on_noise_the_outer_folds_do_not_believe_the_best_of_many_trials():
    means = []
    steps = [{"node": "select_univariate", "columns": "numeric"}]
    for seed in range(5):
        one = asked(steps, trials=8, metric="roc_auc", space={"steps.0.keep": [2, 5, 10]})
        means.append(searched(*numbers(200, 0.0, seed, 40), one)[0].summary["outer"]["mean"])
    assert np.mean(means) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("strategy", ["random", "tpe"])
def test_an_attempt_goes_on_from_what_was_recorded_and_comes_to_the_same(strategy):
    data, one = numbers(), asked(strategy=strategy, trials=24)
    whole, trials, _ = searched(*data, one)
    for kept in (4, 7, 15, len(trials)):
        again, others, _ = searched(*data, one, recorded=trials[:kept])
        assert len(others) == len(trials) - kept, "nothing that is recorded is tried again"
        assert known([*trials[:kept], *others]) == known(trials)
        assert again.summary["outer"] == whole.summary["outer"]
        assert again.spec == whole.spec


def test_a_search_made_again_consists_of_the_trials_that_it_is_told():
    data, one = numbers(), asked(trials=24, seconds=3600)
    _, trials, _ = searched(*data, one)
    only = frozenset(trial.key for trial in trials if trial.number < 2 or trial.held_out)
    _, again, _ = searched(*data, one, only=only)
    assert {trial.key for trial in again if not trial.held_out} == {key for key in only if not key[2]}
    assert [trial.outer_fold for trial in again if trial.held_out] == [0, 1, 2]


def test_time_is_shared_by_all_searches():
    tuned, trials, _ = searched(*numbers(), asked(trials=400, seconds=0.001))
    assert sorted((one.outer_fold is None, one.outer_fold or 0, one.held_out) for one in trials) == [
        (False, 0, False), (False, 0, True), (False, 1, False), (False, 1, True), (False, 2, False), (False, 2, True),
        (True, 0, False),
    ]  # fmt: skip
    assert tuned.summary["outer"]["mean"] is not None


def test_an_outer_fold_without_a_score_is_a_result_and_warned_of():
    frame, facts = numbers(rows=60)
    frame = frame.sort_values("y", ignore_index=True)
    one = asked(trials=8, metric="roc_auc", outer={"kind": "k_fold", "folds": 3, "shuffle": False})
    tuned, trials, _ = searched(frame, facts, one)
    folds = tuned.summary["outer"]["folds"]
    assert folds[0]["score"] is None
    assert "roc_auc cannot be computed" in folds[0]["reason"]
    assert (tuned.summary["outer"]["mean"], tuned.summary["outer"]["std"]) == (None, None)
    assert tuned.warnings
    assert "outer fold 0 of 3 has no score" in tuned.warnings[0]
    assert [one.state for one in trials if one.held_out and one.outer_fold == 0] == ["failed"]


def test_rows_that_cannot_be_parted_again_are_said_before_anything_is_tried():
    frame, facts = numbers(rows=60)
    frame["y"] = np.repeat([0, 1], 30)
    one = asked(trials=8, outer={"kind": "time_series", "folds": 3}, cv=2)
    told = []
    features, target = frame.drop(columns="y"), frame["y"].to_numpy()
    with pytest.raises(TrainingFailed, match=r"in outer fold|hold one class"):
        tune_job(
            one, facts, 60, features, target, BuildContext(7, "classification"),
            JobTrials(finished=lambda trial, _: told.append(trial)), lambda _: None,
        )  # fmt: skip
    assert not told


def document(**tuning):
    given = {"space": {"model.C": [0.1, 1.0]}, **tuning}
    steps = [{"node": "drop_columns", "columns": ["age", "été \"x'", "deck"]}]
    return {"task": "classification", "target": "y", "steps": steps, "model": LOGISTIC, "tuning": given}


def test_outer_folds_are_of_the_inner_ones_kind_where_theirs_is_left_out():
    groups = {"kind": "group", "folds": 2, "column": "member"}
    parsed = parse_spec(document(cv=groups, outer=4))
    assert parsed.tuning.outer_folds.model_dump(exclude={"shuffle"}) == {**groups, "folds": 4}
    assert parse_spec(parsed.model_dump(mode="json")) == parsed
    assert "outer" not in parse_spec(document()).model_dump(mode="json")["tuning"]


@pytest.mark.parametrize(
    ("tuning", "place", "words"),
    [
        ({"outer": 1}, "tuning.outer.folds", "greater than or equal to 2"),
        ({"outer": {"fold": 3}}, "tuning.outer.fold", "known are kind"),
        ({"outer": {"kind": "group"}}, "tuning.outer", "column"),
        ({"outer": {"shuffle": True}, "cv": {"kind": "group", "column": "member"}}, "tuning", "not shuffled"),
        ({"outer": 5, "trials": 5}, "tuning.trials", "6 searches"),
        ({"outer": 5, "trials": 11, "strategy": "grid"}, "tuning.trials", "12 combinations in 6 searches"),
    ],
)
def test_a_fault_of_the_outer_folds_is_told_where_it_stands(tuning, place, words):
    with pytest.raises(Invalid) as caught:
        parse_spec(document(**tuning))
    assert words in {fault.place: fault.message for fault in caught.value.faults}[place]


@pytest.mark.parametrize(
    ("tuning", "place", "words"),
    [
        ({"outer": 49}, "tuning.outer.folds", "48 training rows"),
        ({"outer": 30}, "tuning.outer.folds", "rarest class"),
        ({"outer": 2, "cv": {"kind": "k_fold", "folds": 25}}, "tuning.cv.folds", "24 training rows of the smallest"),
        ({"outer": 2, "cv": 15}, "tuning.cv.folds", "of the smallest outer fold at most, fewer than 15"),
        (
            {"outer": {"kind": "time_series", "folds": 5}, "cv": {"kind": "k_fold", "folds": 9}},
            "tuning.cv.folds",
            "8 tr",
        ),
        ({"outer": {"kind": "group", "folds": 2, "column": "no"}}, "tuning.outer.column", "no such column"),
        ({"outer": {"kind": "group", "folds": 5, "column": "member"}}, "tuning.outer.column", "fewer than 5"),
        ({"outer": 2, "cv": {"kind": "group", "folds": 2, "column": "member"}}, "tuning.cv.column", "smallest outer"),
    ],
)
def test_outer_folds_that_a_dataset_does_not_make_are_faults(tuning, place, words):
    _, facts = table(60)
    (fault,) = check_spec(parse_spec(document(**tuning)), facts, 60)
    assert fault.place == place
    assert words in fault.message
