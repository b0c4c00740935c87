"""Clustering: what is asked of it, what it finds, and what it says of rows that it never saw."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import facts_of, silent
from sklearn.metrics import adjusted_rand_score

from skyulf.core import clusters, packaging
from skyulf.core.applier import Applier
from skyulf.core.attribution import attribute
from skyulf.core.calculator import fit
from skyulf.core.candidates import check_spec, choose_candidates
from skyulf.core.cluster_quality import judge_partition
from skyulf.core.columns import ColumnFacts, ColumnType
from skyulf.core.flow import follow
from skyulf.core.formats import load_model, save_model
from skyulf.core.importance import explain
from skyulf.core.memory import needed_columns
from skyulf.core.plan import check_alone, plan
from skyulf.core.scorer import Scorer
from skyulf.core.spec import parse_spec
from skyulf.core.state import FittedState
from skyulf.errors import Damaged, Invalid, NotAllowed

TYPES: dict[str, ColumnType] = {"x": "number", "y": "number", "kind": "string", "label": "string"}
BY_NODE: dict[str, dict[str, Any]] = {
    "k_means": {"n_clusters": 3},
    "mini_batch_k_means": {"n_clusters": 3},
    "birch": {"n_clusters": 3},
    "gaussian_mixture": {"n_components": 3},
}
REFERENCE = {"reference": "label"}
STEPS = [{"node": "impute", "columns": "numeric"}, {"node": "scale", "columns": "numeric"}]


def blobs(rows: int = 180, seed: int = 0) -> tuple[pd.DataFrame, list[ColumnFacts]]:
    """Three clouds, far from zero and from one another, in an order that says nothing."""
    random = np.random.default_rng(seed)
    at = random.permutation(np.arange(rows) % 3)
    spots = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    x, y = (spots[at] + random.normal(size=(rows, 2)) + 1e4).T
    label = pd.Series(np.array(["a", "b", "c"], dtype=object)[at], dtype=object)
    frame = pd.DataFrame({"x": x, "y": y, "kind": pd.Series(random.choice(["u", "v"], rows), dtype=object)})
    frame["label"] = label.where(random.random(rows) > 0.1)
    frame.loc[::20, "x"] = np.nan
    return frame, facts_of(frame, TYPES)


def asked(**parts: Any) -> Any:
    return parse_spec({"task": "clustering", **parts})


def found(frame: pd.DataFrame, facts: list[ColumnFacts], **parts: Any) -> FittedState:
    candidates = choose_candidates(asked(**parts), facts, len(frame)).specs
    return fit(candidates, frame, facts, 1, silent, threads=2, free=lambda: 2)


@pytest.fixture(scope="module")
def left_to_itself() -> FittedState:
    return found(*blobs(), evaluation=REFERENCE, steps=[{"node": "drop_columns", "columns": ["kind"]}, *STEPS])


def test_the_number_of_clusters_is_found_and_each_number_tried_is_told(left_to_itself: FittedState) -> None:
    assert left_to_itself.spec.model is not None
    assert left_to_itself.spec.model.params["n_clusters"] == 3
    scores = left_to_itself.candidate_scores
    assert [score["metric"] for score in scores] == ["silhouette"] * 9
    assert [score["chosen"] for score in scores] == [False, True, *[False] * 7]
    assert left_to_itself.classes == [0, 1, 2]
    assert left_to_itself.target_type == "integer"


def test_the_reference_is_compared_with_and_never_learnt_from(left_to_itself: FittedState) -> None:
    assert [column.name for column in left_to_itself.input_schema] == ["x", "y"]
    metrics: dict[str, Any] = left_to_itself.metrics
    partition = left_to_itself.evaluation["partition"]
    assert metrics["adjusted_rand"] > 0.7
    assert metrics["v_measure"] > 0.7
    assert metrics["normalized_mutual_information"] == pytest.approx(metrics["v_measure"])
    assert sum(partition["sizes"]) == partition["rows"] == left_to_itself.rows["test"] == 36
    assert 0 < partition["reference_rows"] < 36  # the others have no label, and were clustered all the same
    assert left_to_itself.rows == {"total": 180, "train": 144, "test": 36, "dropped": 0}
    frame, facts = blobs()
    other = frame.assign(label=pd.Series(["z"] * len(frame), dtype=object))
    again = found(other, facts, evaluation=REFERENCE, model={"node": "k_means"})
    assert again.fingerprint == found(frame, facts, evaluation=REFERENCE, model={"node": "k_means"}).fingerprint


@pytest.mark.parametrize("node", BY_NODE)
def test_each_model_is_saved_whole_and_says_the_same_as_its_copy(node: str, tmp_path: Any) -> None:
    frame, facts = blobs()
    parts = {"model": {"node": node, "params": BY_NODE[node]}, "evaluation": REFERENCE}
    state = found(frame, facts, **parts)
    assert found(frame, facts, **parts).fingerprint == state.fingerprint
    assert state.metrics["adjusted_rand"] is not None
    assert state.metrics["adjusted_rand"] > 0.8
    save_model(state, tmp_path / "model")
    model = Applier(load_model(tmp_path / "model"))
    rows = model.columns_of_frame(frame)
    said = model.predict(rows)
    assert said == Applier(state).predict(rows)
    assert adjusted_rand_score(frame["label"].fillna("?"), said.predictions) > 0.7
    numbers = said.by_class
    assert numbers is not None
    assert numbers.shape == (180, 3)
    mixture = node == "gaussian_mixture"
    assert (said.probabilities is None, said.distances is None) == (not mixture, mixture)
    assert (numbers.argmax(axis=1) if mixture else numbers.argmin(axis=1)).tolist() == said.predictions
    for at in (0, 20):
        alone = model.predict({name: cells[at : at + 1] for name, cells in rows.items()})
        assert alone.predictions == said.predictions[at : at + 1]
    none = model.predict({name: cells[:0] for name, cells in rows.items()})
    assert none.by_class is not None
    assert none.by_class.shape == (0, 3)
    packaged = packaging.package(load_model(tmp_path / "model"), "sha256:x", rows)
    if node == "birch":
        assert isinstance(packaged, packaging.NotPackaged)
        assert "birch" in packaged.reason
        return
    assert isinstance(packaged, packaging.Packaged), packaged
    copied = Scorer(packaged.content).predict(rows)
    assert copied.predictions == said.predictions
    assert copied.by_class == pytest.approx(numbers, abs=1e-6)
    assert (copied.probabilities is None, copied.distances is None) == (not mixture, mixture)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_a_mixture_of_any_shape_has_a_copy(covariance: str) -> None:
    frame, facts = blobs()
    params = {"n_components": 3, "covariance_type": covariance}
    state = found(frame, facts, model={"node": "gaussian_mixture", "params": params})
    rows = Applier(state).columns_of_frame(frame)
    assert isinstance(packaging.package(state, "sha256:x", rows), packaging.Packaged)


def test_who_knows_no_distances_refuses_the_file(tmp_path: Any) -> None:
    frame, facts = blobs(60)
    state = found(frame, facts, model={"node": "k_means", "params": {"n_clusters": 2}})
    save_model(state, tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    assert b'"format": 3' in content
    (tmp_path / "model").write_bytes(content.replace(b'"format": 3', b'"format": 4'))
    with pytest.raises(Damaged):
        load_model(tmp_path / "model")


def test_distances_far_from_zero_are_exact() -> None:
    numbers = np.array([[1e9 + 1.0, 1e9], [1e9, 1e9]])
    assert clusters.far_from(numbers, np.array([[1e9, 1e9]])).tolist() == [[1.0], [0.0]]


def test_rows_that_one_cluster_holds_have_no_silhouette() -> None:
    fitted = type("Fitted", (), {"cluster_centers_": np.array([[0.0], [9.0]])})()
    metrics, partition = judge_partition(fitted, np.array([[0.0], [1.0]]), np.array([-1, -1]), 0)
    assert partition["sizes"] == [2, 0]
    assert metrics.pop("inertia") == 1
    assert set(metrics.values()) == {None}


def test_steps_that_drop_rows_are_taken_and_duplicates_count_once() -> None:
    frame, _ = blobs()
    doubled = pd.concat([frame, frame], ignore_index=True)
    steps = [{"node": "drop_duplicates"}, {"node": "drop_columns", "columns": ["kind"]}, *STEPS]
    state = found(doubled, facts_of(doubled, TYPES), steps=steps, evaluation=REFERENCE)
    assert state.rows["served_after_steps"] == 180


def test_importance_is_the_share_of_rows_that_move(tmp_path: Any, left_to_itself: FittedState) -> None:
    frame, facts = blobs()
    save_model(left_to_itself, tmp_path / "model")
    model = load_model(tmp_path / "model")
    told = explain(model, frame, facts, seed=1, threads=1)
    assert (told["metric"], told["score"]) == ("another_cluster", 0)
    assert {each["column"] for each in told["importance"] if each["mean"] > 0.2} == {"x", "y"}
    with pytest.raises(NotAllowed):
        attribute(model, frame, facts, seed=1, threads=1)


# What is refused


REFUSED: dict[str, dict[str, Any]] = {
    "target": {"target": "label"},
    "split.stratify": {"split": {"stratify": True}},
    "target_transform": {"target_transform": "log1p"},
    "tuning": {"model": {"node": "k_means"}, "tuning": {"space": {"model.params.n_clusters": [2, 3]}}},
    "thresholds": {"thresholds": {}},
    "intervals": {"intervals": {}},
    "evaluation.slices": {"evaluation": {"slices": ["kind"]}},
    "model.node": {"model": {"node": "ridge"}},
}


@pytest.mark.parametrize("place", REFUSED)
def test_what_goes_by_a_target_is_refused_at_its_place(place: str) -> None:
    with pytest.raises(Invalid) as refusal:
        asked(**REFUSED[place])
    assert [fault.place for fault in refusal.value.faults] == [place]


def test_others_need_a_target_and_have_no_reference() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_spec({"task": "regression"})
    assert [str(fault) for fault in refusal.value.faults] == ["target: Field required"]
    with pytest.raises(Invalid) as refusal:
        parse_spec({"task": "regression", "target": "x", "evaluation": REFERENCE})
    assert [fault.place for fault in refusal.value.faults] == ["evaluation.reference"]


@pytest.mark.parametrize(
    "node", ["target_encode", "weight_of_evidence", "select_univariate", "select_by_model", "smote", "undersample"]
)
def test_steps_that_learn_from_the_target_are_refused(node: str) -> None:
    _, facts = blobs()
    spec = asked(steps=[{"node": node}], model={"node": "k_means"})
    assert [fault.place for fault in check_alone(spec)] == ["steps.0.node"]
    assert [fault.place for fault in check_spec(spec, facts, 180)] == ["steps.0.node"]


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"evaluation": {"reference": "nothing"}}, "evaluation.reference"),
        ({"evaluation": REFERENCE, "steps": [{"node": "one_hot", "columns": ["label"]}]}, "steps.0.columns.0"),
        (
            {"evaluation": REFERENCE, "steps": [{"node": "drop_duplicates", "params": {"subset": ["label"]}}]},
            "steps.0.params.subset.0",
        ),
        ({"model": {"node": "k_means", "params": {"n_clusters": 145}}}, "model.params.n_clusters"),
        ({"model": {"node": "gaussian_mixture", "params": {"n_components": 145}}}, "model.params.n_components"),
        ({"split": {"test_size": 0.999}}, "split.test_size"),
        ({"steps": [], "model": {"node": "k_means"}}, "steps"),
    ],
)
def test_the_check_names_what_a_dataset_does_not_allow(parts: dict[str, Any], place: str) -> None:
    _, facts = blobs()
    assert place in [fault.place for fault in check_spec(asked(**parts), facts, 180)]


def test_a_plan_shows_what_would_be_tried_and_the_reference_nowhere() -> None:
    _, facts = blobs()
    spec = asked(evaluation=REFERENCE)
    assert check_spec(spec, facts, 180) == ()
    planned = plan(spec, facts, 180)
    assert [each.model["params"]["n_clusters"] for each in planned.candidates] == list(range(2, 11))
    assert "label" not in {column.name for each in planned.candidates for column in each.columns}
    assert len(plan(spec, facts, 9).candidates) == 2  # of few rows, fewer
    (first, *_) = choose_candidates(spec, facts, 180).specs
    assert needed_columns(first, follow(first, facts, 180)) == {"x", "y", "kind", "label"}
