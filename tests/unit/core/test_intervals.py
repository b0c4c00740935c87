"""Intervals hold the true value as often as they were asked to, on rows that nothing was fitted or measured on."""

import numpy as np
import pytest
from helpers import FULL, facts_of, spec, table, trained
from hypothesis import given, settings
from hypothesis import strategies as st

from skyulf.core.applier import Applier
from skyulf.core.evaluation_check import rank_of
from skyulf.core.formats import load_model, save_model
from skyulf.core.intervals import conformal, share_within
from skyulf.core.packaging import Packaged, package
from skyulf.core.predictions import Intervals
from skyulf.core.scorer import Scorer
from skyulf.errors import TrainingFailed

RIDGE = {"node": "ridge"}


def test_the_width_by_hand():
    # Of 9 residuals 0.8 × 10 is the 8th: 8; of 0.9 the 9th.
    truth, said = np.arange(1.0, 10.0), np.zeros(9)
    assert conformal(0.8, truth, said) == Intervals(0.8, 8.0)
    assert conformal(0.9, -truth, said) == Intervals(0.9, 9.0)
    with pytest.raises(TrainingFailed, match="9 residuals are too few"):
        conformal(0.95, truth, said)
    with pytest.raises(TrainingFailed, match="not finite"):
        conformal(0.9, truth, np.full(9, np.nan))


def test_products_that_should_be_whole_are():
    assert [rank_of(0.9, n) for n in (8, 9, 19, 99)] == [None, 9, 18, 90]
    assert rank_of(0.99, 98) is None
    assert rank_of(0.99, 99) == 99


def test_ends_belong_to_them():
    assert share_within(Intervals(0.5, 1.0), np.array([1.0, 2.0, 3.0, 4.5]), np.array([2.0, 2.0, 4.5, 4.0])) == 0.75


@settings(max_examples=40, deadline=None)
@given(
    residuals=st.lists(st.integers(0, 50), min_size=5, max_size=60),
    coverage=st.sampled_from([0.1, 0.5, 0.8]),
)
def test_as_many_residuals_lie_within_as_the_rule_says(residuals, coverage):
    truth = np.array(residuals, dtype=float)
    width = conformal(coverage, truth, np.zeros(len(truth))).half_width
    assert (truth <= width).sum() >= coverage * (len(truth) + 1)
    assert (truth < width).sum() < coverage * (len(truth) + 1)


def noisy(rows, seed):
    """A table of numbers with noise that is neither normal nor of one size."""
    rng = np.random.default_rng(seed)
    frame, _ = table(rows, seed)
    x = np.nan_to_num(frame["age"], nan=30.0)
    frame["y"] = x / 10 + np.log(frame["fare paid"]) + rng.standard_t(4, rows) * (1 + x / 40)
    types = dict.fromkeys(["age", "fare paid", "y"], "number") | {"été \"x'": "string", "deck": "string"}
    return frame.drop(columns="member"), facts_of(frame, {**types})


@pytest.mark.parametrize("more", [{"cv": 4}, {"method": "split"}])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_they_cover_as_many_unseen_rows_as_asked(more, coverage):
    """Over 6 tables of 300 rows held out: the share has a standard deviation of about 0.02."""
    shares = []
    for seed in range(6):
        frame, facts = noisy(700, seed)
        asked = spec(
            FULL, RIDGE, "regression", intervals={"coverage": coverage, **more},
            refit="cv" in more, split={"test_size": 300 / 700},
        )  # fmt: skip
        state = trained(asked, frame=frame, facts=facts, seed=seed)
        told = state.evaluation["intervals"]
        assert (told["coverage"], told["half_width"]) == (coverage, state.intervals.half_width)
        assert told["residuals"] == (400 if "cv" in more else 100)
        assert state.rows["train"] + state.rows.get("measuring", 0) == 400
        shares.append(told["observed"])
    assert np.mean(shares) == pytest.approx(coverage, abs=0.04)


def test_rows_held_out_have_no_say():
    frame, facts = noisy(300, 0)
    changed = frame.copy()
    changed.loc[changed.index[-60:], "y"] = 1e6
    for more in ({}, {"method": "split"}):
        asked = spec(FULL, RIDGE, "regression", intervals=more, refit=False, split={"shuffle": False})
        one, other = (trained(asked, frame=each, facts=facts) for each in (frame, changed))
        assert one.intervals == other.intervals
        assert one.evaluation["intervals"]["observed"] > other.evaluation["intervals"]["observed"] == 0


def test_a_split_measures_by_rows_that_the_model_never_saw():
    frame, facts = noisy(300, 1)
    asked = spec(FULL, RIDGE, "regression", intervals={"method": "split"}, refit=False, split={"shuffle": False})
    changed = frame.copy()
    changed.loc[changed.index[180:240], "fare paid"] = 1.0
    changed.loc[changed.index[180:240], "y"] = 500.0
    one, other = (trained(asked, frame=each, facts=facts) for each in (frame, changed))
    assert one.metrics == other.metrics
    assert other.intervals.half_width > 400 > one.intervals.half_width


def test_they_stand_around_predictions_in_the_targets_units(tmp_path):
    frame, facts = noisy(300, 2)
    frame["y"] = np.exp(frame["y"] / 8)
    asked = spec(FULL, RIDGE, "regression", intervals={}, target_transform="log1p")
    state = trained(asked, frame=frame, facts=facts)
    save_model(state, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert loaded.intervals == state.intervals
    rows = Applier(loaded).columns_of_frame(frame)
    said = Applier(loaded).predict(rows)
    lower, upper = said.bounds
    assert upper == pytest.approx(said.values + state.intervals.half_width)
    assert lower == pytest.approx(said.values - state.intervals.half_width)
    assert share_within(said.intervals, frame["y"].to_numpy(), said.values) == pytest.approx(0.9, abs=0.05)
    packaged = package(loaded, "d", rows)
    assert isinstance(packaged, Packaged)
    copy = Scorer(packaged.content).predict(rows)
    assert copy.intervals == said.intervals
