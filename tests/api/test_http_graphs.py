"""Pipelines that are graphs, as callers of the API meet them: what is refused, and how they are kept."""

from typing import Any

import pytest
from live import Client, assert_problem, places

KEPT = {"from": "dataset", "columns": ["size", "heavy"]}
GRAPH: dict[str, Any] = {
    "task": "classification",
    "target": "kind",
    "steps": [
        {"id": "numbers", "node": "impute", "inputs": [KEPT]},
        {"id": "colours", "node": "one_hot", "inputs": [{"from": "dataset", "columns": ["colour"]}]},
    ],
    "model": {"node": "logistic_regression", "inputs": ["numbers", "colours"]},
}


def with_steps(*steps: dict[str, Any], model: Any = None) -> dict[str, Any]:
    return {**GRAPH, "steps": list(steps), "model": model or {"node": "logistic_regression"}}


NUMBERS, COLOURS = GRAPH["steps"]


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        (with_steps(NUMBERS | {"inputs": ["numbers"]}), "steps.0.inputs"),
        (with_steps(NUMBERS | {"inputs": ["colors"]}, COLOURS), "steps.0.inputs.0"),
        (with_steps(NUMBERS, COLOURS | {"id": "numbers"}), "steps.1.id"),
        (with_steps(NUMBERS, COLOURS), "model.inputs"),
        (with_steps(NUMBERS, COLOURS, model=GRAPH["model"] | {"inputs": ["colours"]}), "steps.0"),
        (with_steps(COLOURS, {"id": "numbers", "node": "drop_duplicates"}, model=GRAPH["model"]), "steps.1.node"),
    ],
    ids=["cycle", "unknown", "twice", "ends", "unread", "rows"],
)
def test_a_graph_that_cannot_be_is_refused_with_its_place(
    client: Client, dataset: str, spec: dict[str, Any], place: str
) -> None:
    checked = client.post("/v1/pipelines/check", json={"spec": spec}).json()
    assert [problem["place"] for problem in checked["problems"]] == [place]
    created = client.post("/v1/pipelines", json={"name": "bad", "spec": spec})
    assert places(assert_problem(created, 422, "invalid")) == [place]
    asked = client.post("/v1/jobs", json={"dataset_id": dataset, "spec": spec})
    assert places(assert_problem(asked, 422, "invalid")) == [place]


def test_columns_that_come_by_two_inputs_are_found_with_the_dataset(client: Client, dataset: str) -> None:
    spec = with_steps(NUMBERS, COLOURS, model=GRAPH["model"] | {"inputs": ["numbers", "colours", KEPT]})
    assert client.post("/v1/pipelines/check", json={"spec": spec}).json()["problems"] == []
    (problem,) = client.post("/v1/pipelines/check", json={"spec": spec, "dataset_id": dataset}).json()["problems"]
    assert problem["place"] == "model.inputs"
    assert "size, heavy would come by numbers and by dataset" in problem["message"]
    asked = client.post("/v1/jobs", json={"dataset_id": dataset, "spec": spec})
    assert places(assert_problem(asked, 422, "invalid")) == ["model.inputs"]


def test_a_pipeline_that_is_revised_to_a_graph_is_kept_as_it_was_sent(client: Client, dataset: str) -> None:
    listed = {**GRAPH, "steps": [{"node": "impute", "columns": "numeric"}], "model": {"node": "logistic_regression"}}
    stream = client.post("/v1/pipelines", json={"name": "p", "spec": listed}).json()["id"]
    answer = client.put(f"/v1/pipelines/{stream}", json={"name": "p", "spec": GRAPH}).json()
    shown = client.get(f"/v1/pipelines/{stream}", params={"min_position": answer["position"]}).json()
    assert shown["spec"] == GRAPH
    events = client.get("/v1/events", params={"stream": stream}).json()
    assert [event["data"]["spec"] for event in events] == [listed, GRAPH]
    job = client.post("/v1/jobs", json={"dataset_id": dataset, "pipeline_id": stream}).json()["id"]
    trained = client.ended(job)
    assert trained["status"] == "succeeded", trained
    assert [step["id"] for step in trained["spec"]["steps"]] == ["numbers", "colours"]
