"""What is drawn is little, is true to all the rows, and is JSON whatever a model says."""

import json
import warnings

import numpy as np
import pytest
from sklearn import metrics

from skyulf.core.curves import MOST_GROUPS, MOST_POINTS, RESIDUAL_BINS, calibration, rank, residual_histogram
from skyulf.core.evaluation import MOST_DRAWN, evaluate_classes, evaluate_numbers

STRICT = {"allow_nan": False}


def scored(rows=20_000, share=0.06):
    rng = np.random.default_rng(3)
    truth = (rng.random(rows) < share).astype(int)
    return truth, 1 / (1 + np.exp(3 - 1.5 * truth - rng.normal(size=rows)))


def two(chance):
    return np.column_stack([1 - chance, chance])


def between(wanted, x, y):
    """What a drawn line says at the wanted places."""
    return np.interp(wanted, x, y)


def test_a_roc_curve_in_few_points_is_that_of_all():
    truth, chance = scored()
    shown = rank(truth == 1, chance).roc_points(MOST_POINTS)
    x, y = shown["false_positive_rate"], shown["true_positive_rate"]
    assert 20 < len(x) <= MOST_POINTS
    assert (x[0], y[0], x[-1], y[-1], shown["threshold"][0]) == (0, 0, 1, 1, None)
    every_x, every_y, _ = metrics.roc_curve(truth, chance)
    at = np.linspace(0, 1, 500)
    assert np.abs(between(at, x, y) - between(at, every_x, every_y)).max() < 0.02
    assert np.trapezoid(y, x) == pytest.approx(metrics.roc_auc_score(truth, chance), abs=2e-3)


def test_a_precision_recall_curve_in_few_points_is_that_of_all():
    truth, chance = scored()
    shown = rank(truth == 1, chance).precision_recall_points(MOST_POINTS)
    assert 20 < len(shown["recall"]) <= MOST_POINTS
    precision, recall, _ = metrics.precision_recall_curve(truth, chance)
    at = np.linspace(0.05, 1, 200)
    drawn = between(at, shown["recall"], shown["precision"])
    assert np.abs(drawn - between(at, recall[::-1], precision[::-1])).max() < 0.03
    for threshold, hits in zip(shown["threshold"][::20], shown["recall"][::20], strict=True):
        assert (chance[truth == 1] >= threshold * 0.999).mean() == pytest.approx(hits, abs=0.01)


def test_tied_scores_are_one_point():
    ranking = rank(np.array([True, False, True, False]), np.array([0.5, 0.5, 0.9, 0.1]))
    assert ranking.roc_points(MOST_POINTS) == {
        "false_positive_rate": [0, 0, 0.5, 1],
        "true_positive_rate": [0, 0.5, 1, 1],
        "threshold": [None, 0.9, 0.5, 0.1],
    }
    assert ranking.roc_auc() == 0.875


def test_calibration_compares_what_was_said_with_what_was():
    said = np.array([0.0, 0.05, 0.31, 0.39, 0.95, 1.0])
    bins = calibration(np.array([False, True, False, True, True, True]), said)
    assert bins == [
        {"predicted": 0.025, "observed": 0.5, "count": 2},
        {"predicted": 0.35, "observed": 0.5, "count": 2},
        {"predicted": 0.975, "observed": 1.0, "count": 2},
    ]


def test_of_two_classes_the_second_is_drawn_and_of_many_none():
    truth, chance = scored(500, 0.3)
    _, document = evaluate_classes(truth, (chance > 0.5).astype(int), two(chance), ["no", "yes"])
    assert [curve["label"] for curve in document["curves"]] == ["yes"]
    assert document["curves"][0]["support"] == truth.sum()
    for count, drawn in ((3, 3), (MOST_DRAWN, MOST_DRAWN), (MOST_DRAWN + 1, 0)):
        truth = np.arange(500) % count
        _, document = evaluate_classes(truth, truth, np.eye(count)[truth], list(range(count)))
        assert len(document["curves"]) == drawn


def test_the_document_stays_small():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, MOST_DRAWN, 20_000)
    chances = rng.dirichlet(np.ones(MOST_DRAWN), len(truth))
    _, many = evaluate_classes(truth, chances.argmax(axis=1), chances, list(range(MOST_DRAWN)))
    assert len(json.dumps(many)) < 150_000
    _, numbers = evaluate_numbers(truth.astype(float), truth + rng.normal(size=len(truth)))
    assert len(json.dumps(numbers)) < 10_000


def test_probabilities_that_are_none_become_null():
    truth = np.array([0, 1, 1])
    chances = two(np.array([0.2, np.nan, 0.9]))
    ours, document = evaluate_classes(truth, truth, chances, ["a", "b"])
    assert (ours["roc_auc"], ours["average_precision"], ours["brier"]) == (None, None, None)
    assert document["curves"] == [
        {
            "label": "b",
            "support": 2,
            "roc_auc": None,
            "average_precision": None,
            "roc": None,
            "precision_recall": None,
            "calibration": [],
        }
    ]
    json.dumps(document, **STRICT)


def test_residuals_are_counted_once_and_outliers_do_not_widen_the_picture():
    rng = np.random.default_rng(1)
    residuals = np.append(rng.normal(size=5_000), 1e9)
    shown = residual_histogram(residuals)
    assert sum(shown["counts"]) == 5_001
    assert len(shown["counts"]) == RESIDUAL_BINS == len(shown["edges"]) - 1
    assert shown["edges"][-1] < 10


def test_groups_follow_the_predictions():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=3_000) * 50
    predicted = truth + rng.normal(size=3_000)
    _, document = evaluate_numbers(truth, predicted)
    groups = document["actual_by_predicted"]
    assert len(groups) == MOST_GROUPS
    assert sum(group["count"] for group in groups) == 3_000
    assert [group["predicted"] for group in groups] == sorted(group["predicted"] for group in groups)
    assert all(group["low"] <= group["median"] <= group["high"] for group in groups)
    assert max(abs(group["actual"] - group["predicted"]) for group in groups) < 1


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        ([1.0], [2.0]),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        ([1.0, 2.0, 3.0], [1.0, np.inf, 3.0]),
        ([1e300, -1e300], [-1e300, 1e300]),
        ([1e17, 1e17 + 16], [1e17, 1e17]),
        ([1.0, 2.0], [np.nan, np.nan]),
    ],
)
def test_a_regression_of_any_numbers_is_json(truth, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, document = evaluate_numbers(np.array(truth), np.array(predicted))
    json.dumps([ours, document], **STRICT)
