"""Our metrics are those of scikit-learn, and what cannot be computed is None."""

import numpy as np
import pytest
from sklearn import metrics

from skyulf.core.evaluation import evaluate_classes, evaluate_numbers


@pytest.mark.parametrize("count", [2, 4])
def test_classification(count):
    rng = np.random.default_rng(count)
    truth = rng.integers(0, count, 300)
    chances = rng.dirichlet(np.ones(count), 300) + np.eye(count)[truth] * 0.3
    chances /= chances.sum(axis=1, keepdims=True)
    said = chances.argmax(axis=1)
    ours, document = evaluate_classes(truth, said, chances, list("abcd"[:count]))
    wanted = {
        "accuracy": metrics.accuracy_score(truth, said),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, said),
        "precision": metrics.precision_score(truth, said, average="macro"),
        "recall": metrics.recall_score(truth, said, average="macro"),
        "f1": metrics.f1_score(truth, said, average="macro"),
        "log_loss": metrics.log_loss(truth, chances),
        "roc_auc": metrics.roc_auc_score(truth, chances if count > 2 else chances[:, 1], multi_class="ovr"),
        "average_precision": metrics.average_precision_score(
            np.eye(count)[truth] if count > 2 else truth, chances if count > 2 else chances[:, 1]
        ),
        "brier": ((chances - np.eye(count)[truth]) ** 2).sum(axis=1).mean() / (2 if count == 2 else 1),
        "mcc": metrics.matthews_corrcoef(truth, said),
    }
    assert ours == pytest.approx(wanted)
    assert document["confusion_matrix"] == metrics.confusion_matrix(truth, said).tolist()
    assert sum(each["support"] for each in document["per_class"]) == 300


def test_a_class_that_does_not_occur():
    truth = np.array([0, 0, 1])
    ours, document = evaluate_classes(truth, truth, np.eye(3)[truth], ["a", "b", "c"])
    assert ours["roc_auc"] is None
    assert ours["average_precision"] is None
    assert document["curves"][2]["roc"] is None
    assert (ours["accuracy"], ours["f1"], ours["mcc"]) == (1.0, 1.0, 1.0)
    assert len(document["confusion_matrix"]) == 3


def test_regression():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=100)
    said = truth + rng.normal(size=100) / 3
    ours, document = evaluate_numbers(truth, said)
    assert ours == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(truth, said),
            "rmse": metrics.root_mean_squared_error(truth, said),
            "mse": metrics.mean_squared_error(truth, said),
            "r2": metrics.r2_score(truth, said),
            "median_ae": metrics.median_absolute_error(truth, said),
            "mape": metrics.mean_absolute_percentage_error(truth, said),
            "explained_variance": metrics.explained_variance_score(truth, said),
        }
    )
    assert document["residuals"]["quantiles"]["0.5"] == pytest.approx(np.median(truth - said))


def test_of_a_share_of_nothing_nothing_is_said():
    assert evaluate_numbers(np.array([2.0, -4.0]), np.array([1.0, -5.0]))[0]["mape"] == (0.5 + 0.25) / 2
    assert evaluate_numbers(np.array([2.0, 0.0]), np.array([1.0, 0.0]))[0]["mape"] is None


def test_one_row_has_no_r2():
    ours, _ = evaluate_numbers(np.array([1.0]), np.array([2.0]))
    assert (ours["r2"], ours["mae"]) == (None, 1.0)
