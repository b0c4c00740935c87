"""How well clusters part rows that they never saw."""

import numpy as np
import pytest
from helpers import FULL, LOGISTIC, spec, table, trained

from skyulf.core.cluster_quality import evaluate_clusters, members
from skyulf.core.clusters import Clusters


def test_by_hand():
    # Two pairs at 0 and 1, and at 10 and 11, on a line.
    numbers, assigned = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 2, 2])
    metrics, sizes = evaluate_clusters(numbers, assigned, 4)
    outer, inner = 1 - 1 / 10.5, 1 - 1 / 9.5  # nearer to its own by so much
    assert metrics["silhouette"] == pytest.approx((outer + inner) / 2)
    assert metrics["calinski_harabasz"] == pytest.approx((4 * 5**2 / 1) / (4 * 0.5**2 / 2))
    assert metrics["davies_bouldin"] == pytest.approx((0.5 + 0.5) / 10)
    assert sizes == [2, 0, 2, 0]


@pytest.mark.parametrize("assigned", [[0, 0, 0], [0, 1, 2]])
def test_what_is_no_partition_has_no_metrics(assigned):
    metrics, _ = evaluate_clusters(np.arange(3.0)[:, None], np.array(assigned), 3)
    assert set(metrics.values()) == {None}


@pytest.mark.parametrize("method", ["k_means", "birch", "gaussian_mixture"])
@pytest.mark.parametrize("give", ["membership", "distances"])
def test_rows_belong_to_the_same_cluster_whatever_the_step_gives(method, give):
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.normal(0, 1, (30, 2)), rng.normal(9, 1, (30, 2))])
    fitted = Clusters(method, 2, give).fit(numbers)
    first = members(fitted, numbers)
    assert set(first[:30]) != set(first[30:])
    assert len(set(first[:30])) == len(set(first[30:])) == 1


def test_an_evaluation_tells_of_each_step():
    frame, facts = table()
    steps = [
        *FULL,
        {"node": "cluster", "columns": ["age", "fare paid"], "params": {"count": 3}},
        {"node": "cluster", "columns": ["age"], "params": {"count": 2, "method": "gaussian_mixture"}},
    ]
    state = trained(spec(steps, LOGISTIC), frame=frame, facts=facts)
    first, second = state.evaluation["clusters"]
    assert (first["method"], second["method"]) == ("k_means", "gaussian_mixture")
    assert sum(first["sizes"]) == first["rows"] == state.rows["test"]
    assert -1 <= first["metrics"]["silhouette"] <= 1
    assert "clusters" not in trained(spec(FULL, LOGISTIC), frame=frame, facts=facts).evaluation


MODE = {"node": "impute", "columns": "categorical", "params": {"strategy": "most_frequent"}}


def test_a_step_in_a_branch_is_told_of_as_one_in_a_list():
    frame, facts = table()
    filled = [{"node": "impute", "columns": "numeric"}, {**MODE, "id": "filled"}]
    branches = [
        {"node": "scale", "inputs": [{"from": "filled", "columns": ["age", "fare paid"]}], "columns": "all"},
        {"node": "cluster", "id": "groups", "params": {"count": 3}},
        {"node": "one_hot", "id": "words", "inputs": [{"from": "filled", "columns": "categorical"}]},
    ]
    model = {**LOGISTIC, "inputs": ["groups", "words"]}
    graph = trained(spec([*filled, *branches], model), frame=frame, facts=facts)
    listed = [*filled, {"node": "scale", "columns": ["age", "fare paid"]}]
    listed += [{"node": "cluster", "columns": ["age", "fare paid"], "params": {"count": 3}}]
    listed += [{"node": "one_hot", "columns": "categorical"}]
    alike = trained(spec(listed, LOGISTIC), frame=frame, facts=facts)
    assert graph.evaluation["clusters"] == alike.evaluation["clusters"]
