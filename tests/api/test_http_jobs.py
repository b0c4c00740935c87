"""Jobs over HTTP: what is refused before anything is queued, and what a job shows on its way."""

import time
from typing import Any

import pytest
from live import Client, assert_problem, csv_of, places, spec_for, until

SLOW = {"node": "random_forest", "params": {"n_estimators": 10_000}}
"""More trees than a test waits for."""


def submit(client: Client, dataset: str, spec: dict[str, Any], **more: Any) -> Any:
    return client.post("/v1/jobs", json={"dataset_id": dataset, "spec": spec, **more})


def test_a_job_from_start_to_end(client: Client, dataset: str) -> None:
    spec = {"task": "classification", "target": "kind"}
    asked = submit(client, dataset, spec, model_name="whole", seed=7)
    assert asked.status_code == 202
    answer = asked.json()
    assert set(answer) == {"id", "version", "position"}
    assert asked.headers["location"] == f"/v1/jobs/{answer['id']}"
    assert asked.headers["etag"] == '"1"'
    first = client.get(asked.headers["location"])
    assert first.status_code == 200, "a job can be read right after it was made"
    job = client.ended(answer["id"])
    assert (job["status"], job["attempt"], job["error"]) == ("succeeded", 1, None)
    assert (job["seed"], job["dataset_id"], job["dataset_version"]) == (7, dataset, 1)
    assert (job["model_name"], job["model_version"]) == ("whole", 1)
    assert job["asked_spec"] == spec
    assert job["spec"]["model"]["node"] in ("logistic_regression", "hist_gradient_boosting")
    assert 0 < job["metrics"]["accuracy"] <= 1
    assert job["progress"]["fraction"] == 1
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    evaluation = client.get(f"/v1/jobs/{job['id']}/evaluation").json()
    assert evaluation["job_id"] == job["id"]
    assert evaluation["metrics"] == job["metrics"]
    assert evaluation["confusion_matrix"]
    assert (job["onnx"], evaluation["importance"]) == (None, None), "both come some time after the training"
    events = client.get(f"/v1/jobs/{job['id']}/events").json()
    assert [event["streamversion"] for event in events] == list(range(1, len(events) + 1))
    assert [events[0]["type"], events[1]["type"]] == ["skyulf.JobCreated", "skyulf.JobStarted"]
    assert "skyulf.ModelTrained" in [event["type"] for event in events]


def test_a_job_by_a_pipeline(client: Client, dataset: str) -> None:
    pipeline = client.post("/v1/pipelines", json={"name": "p", "spec": spec_for()}).json()["id"]
    asked = client.post("/v1/jobs", json={"dataset_id": dataset, "pipeline_id": pipeline})
    job = client.ended(asked.json()["id"])
    assert (job["status"], job["pipeline_id"], job["model_name"]) == ("succeeded", pipeline, None)
    assert [one["id"] for one in client.everything("/v1/jobs", pipeline_id=pipeline)] == [job["id"]]
    client.delete(f"/v1/pipelines/{pipeline}").raise_for_status()
    refused = client.post("/v1/jobs", json={"dataset_id": dataset, "pipeline_id": pipeline})
    assert_problem(refused, 409, "not-allowed")


def with_step(**step: Any) -> dict[str, Any]:
    return {**spec_for(), "steps": [step, *spec_for()["steps"]]}


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({}, "task"),
        ({"task": "sorting", "target": "kind"}, "task"),
        ({"task": "classification"}, "target"),
        ({"task": "classification", "target": "absent"}, "target"),
        ({"task": "classification", "target": "size"}, "target"),
        ({"task": "regression", "target": "kind"}, "target"),
        ({**spec_for(), "colour": 1}, "colour"),
        (spec_for(node="perceptron"), "model.node"),
        (spec_for(node="ridge"), "model.node"),
        (spec_for(node="logistic_regression", params={"C": -1}), "model.params.C"),
        (spec_for(node="logistic_regression", params={"C": "1"}), "model.params.C"),
        (spec_for(node="logistic_regression", params={"D": 1}), "model.params.D"),
        (with_step(node="impotence"), "steps.0.node"),
        (with_step(node="scale", columns=["absent"]), "steps.0.columns"),
        (with_step(node="scale", columns="numbers"), "steps.0.columns"),
        (with_step(node="scale", columns=["colour"]), "steps.0.columns"),
        (with_step(node="impute", columns="numeric", params={"strategy": "magic"}), "steps.0.params.strategy"),
        ({**spec_for(), "split": {"test_size": 1.5}}, "split.test_size"),
        ({**spec_for(), "split": {"test_size": 0.999}}, "split"),
    ],
)
def test_faults_of_a_spec_name_their_place(client: Client, dataset: str, spec: dict[str, Any], place: str) -> None:
    before = client.head_position()
    problem = assert_problem(submit(client, dataset, spec), 422, "invalid")
    assert any(one.startswith(place) for one in places(problem)), problem
    assert client.head_position() == before


@pytest.mark.parametrize(
    ("spec", "with_dataset", "found"),
    [
        (spec_for(), True, []),
        (spec_for(), False, []),
        ({"task": "classification", "target": "kind"}, True, []),
        ({"task": "classification", "target": "absent"}, False, []),
        ({"task": "classification", "target": "absent"}, True, ["target"]),
        ({"task": "regression", "target": "kind"}, True, ["target"]),
        ({}, True, ["task", "target"]),
        (spec_for(node="ridge"), False, ["model.node"]),
        (with_step(node="scale", columns=["colour"]), True, ["steps.0.columns"]),
        (with_step(node="scale", columns="text"), False, ["steps.0.columns"]),
        (with_step(node="scaling", columns=3), False, ["steps.0.columns", "steps.0.node"]),
    ],
)
def test_checking_a_spec(
    client: Client, dataset: str, spec: dict[str, Any], with_dataset: bool, found: list[str]
) -> None:
    before = client.head_position()
    body = {"spec": spec} | ({"dataset_id": dataset} if with_dataset else {})
    response = client.post("/v1/pipelines/check", json=body)
    assert response.status_code == 200
    assert [problem["place"] for problem in response.json()["problems"]] == found
    assert client.head_position() == before


def test_a_check_shows_what_would_be_trained_step_by_step(client: Client, dataset: str) -> None:
    answer = client.post("/v1/pipelines/check", json={"spec": spec_for(), "dataset_id": dataset}).json()
    assert [step["node"] for step in answer["steps"]] == ["drop_columns", "impute", "impute", "one_hot"]
    dropped, filled, _, encoded = answer["steps"]
    assert dropped["acts_on"] == ["count", "good"]
    assert {"count", "good"}.isdisjoint(column["name"] for column in dropped["columns"])
    assert filled["params"]["strategy"] == "median"
    assert all(not column["nullable"] for column in filled["columns"] if column["kind"] == "numeric")
    made = [column for column in encoded["columns"] if column["name"] is None]
    assert [column["of"] for column in made] == [["colour"]]
    assert "at most" in made[0]["description"]
    (candidate,) = answer["candidates"]
    assert candidate["steps"] == answer["steps"]


def test_a_check_shows_what_would_be_chosen(client: Client, dataset: str) -> None:
    spec = {"task": "classification", "target": "kind"}
    answer = client.post("/v1/pipelines/check", json={"spec": spec, "dataset_id": dataset}).json()
    assert len(answer["candidates"]) >= 2
    assert answer["candidates"][0]["model"]["node"] == "logistic_regression"
    alone = client.post("/v1/pipelines/check", json={"spec": spec}).json()
    assert alone == {"problems": [], "sample": None, "steps": [], "candidates": [], "set_aside": []}


def test_checking_against_what_does_not_exist(client: Client, dataset: str) -> None:
    for named in ({"dataset_id": "dataset-0"}, {"dataset_id": dataset, "dataset_version": 9}):
        assert_problem(client.post("/v1/pipelines/check", json={"spec": spec_for(), **named}), 404, "not-found")
    assert_problem(client.post("/v1/pipelines/check", json={"spec": 1}), 422, "invalid")
    assert client.put("/v1/pipelines/check", json={"name": "n", "spec": spec_for()}).status_code == 404


def test_either_a_spec_or_a_pipeline(client: Client, dataset: str) -> None:
    for more in ({}, {"spec": spec_for(), "pipeline_id": "pipeline-0"}):
        assert_problem(client.post("/v1/jobs", json={"dataset_id": dataset, **more}), 422, "invalid")


def test_what_a_job_names_must_exist(client: Client, dataset: str) -> None:
    assert_problem(submit(client, "dataset-0", spec_for()), 404, "not-found")
    assert_problem(submit(client, dataset, spec_for(), dataset_version=2), 404, "not-found")
    missing = client.post("/v1/jobs", json={"dataset_id": dataset, "pipeline_id": "pipeline-0"})
    assert_problem(missing, 404, "not-found")


def test_cancelling_while_it_waits_and_while_it_runs(client: Client, dataset: str) -> None:
    running = submit(client, dataset, spec_for(**SLOW)).json()["id"]
    until(lambda: client.get(f"/v1/jobs/{running}").json()["status"] == "running")
    assert_problem(client.get(f"/v1/jobs/{running}/evaluation"), 404, "not-found")
    assert_problem(client.post(f"/v1/jobs/{running}/retry"), 409, "not-allowed")

    waiting = submit(client, dataset, spec_for()).json()["id"]  # there is one slot, and it is taken
    cancelled = client.post(f"/v1/jobs/{waiting}/cancel", json={"reason": "not needed"})
    assert (cancelled.status_code, cancelled.json()["version"]) == (202, 2)
    assert client.ended(waiting)["status"] == "cancelled"

    begun = time.monotonic()
    asked = client.post(f"/v1/jobs/{running}/cancel")
    assert asked.status_code == 202
    assert asked.headers["location"] == f"/v1/jobs/{running}"
    twice = client.post(f"/v1/jobs/{running}/cancel")
    assert twice.status_code == 202
    assert client.ended(running)["status"] == "cancelled"
    assert time.monotonic() - begun < 20
    after = client.post(f"/v1/jobs/{running}/cancel", content=b"")
    again = client.post(f"/v1/jobs/{running}/cancel")
    assert (after.status_code, after.json()) == (202, again.json())

    types = [event["type"] for event in client.get(f"/v1/jobs/{running}/events").json()]
    assert types.count("skyulf.JobCancelRequested") == types.count("skyulf.JobCancelled") == 1
    reasons = [event.get("reason") for event in client.get(f"/v1/jobs/{waiting}/events").json()]
    assert reasons[1] == "not needed"

    retried = client.post(f"/v1/jobs/{waiting}/retry")
    assert retried.status_code == 202
    shown = client.get(f"/v1/jobs/{waiting}", params={"min_position": retried.json()["position"]})
    assert shown.json()["status"] != "cancelled"
    job = client.ended(waiting)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert_problem(client.post(f"/v1/jobs/{waiting}/retry"), 409, "not-allowed")
    assert client.post(f"/v1/jobs/{waiting}/cancel").status_code == 202
    assert client.get(f"/v1/jobs/{waiting}").json()["status"] == "succeeded"


def test_a_job_that_fails_says_why(client: Client) -> None:
    rows = [b"a,b,y"] + [f"{'1e308' if n % 2 else '-1e308'},{n},{n * 1e300}".encode() for n in range(40)]
    dataset = client.upload(b"\n".join(rows)).json()["id"]
    asked = submit(client, dataset, {"task": "regression", "target": "y", "model": {"node": "linear_regression"}})
    if asked.status_code != 202:
        assert_problem(asked, 422, "invalid")
        return
    job = client.ended(asked.json()["id"])
    if job["status"] == "failed":
        assert set(job["error"]) == {"type", "title", "detail"}
        assert job["error"]["type"].startswith("urn:skyulf:problem:")
        assert_problem(client.get(f"/v1/jobs/{job['id']}/evaluation"), 404, "not-found")
    assert "1e308" not in client.get(f"/v1/jobs/{job['id']}/events").text


def test_jobs_are_listed_by_what_they_are_of(client: Client) -> None:
    dataset = client.upload(csv_of()).json()["id"]
    named = client.trained(dataset, spec_for(), "listed")["id"]
    unnamed = client.trained(dataset, spec_for())["id"]
    position = client.head_position()
    assert [job["id"] for job in client.everything("/v1/jobs", dataset_id=dataset)] == [unnamed, named]
    assert [job["id"] for job in client.everything("/v1/jobs", dataset_id=dataset, order="created_at")] == [
        named,
        unnamed,
    ]
    assert [job["id"] for job in client.everything("/v1/jobs", dataset_id=dataset, model_name="listed")] == [named]
    done = client.everything("/v1/jobs", dataset_id=dataset, status="succeeded", min_position=position)
    assert [job["id"] for job in done] == [unnamed, named]
    assert client.everything("/v1/jobs", dataset_id=dataset, status="failed") == []


def test_the_trials_of_a_tuning(client: Client, dataset: str) -> None:
    space = {"model.C": [0.01, 0.1, 1.0, 10.0]}
    tuning = {"strategy": "grid", "metric": "accuracy", "cv": 3, "space": space}
    job = client.ended(submit(client, dataset, {**spec_for(), "tuning": tuning}).json()["id"])
    assert (job["status"], job["progress"]["trials"]) == ("succeeded", {"over": 4, "planned": 4})
    path = f"/v1/jobs/{job['id']}/trials"
    by_number = client.get(path).json()["items"]
    assert [one["number"] for one in by_number] == [0, 1, 2, 3]
    assert [one["parameters"] for one in by_number] == [{"model.C": value} for value in space["model.C"]]
    assert {(one["state"], one["metric"], one["attempt"], len(one["scores"])) for one in by_number} == {
        ("finished", "accuracy", 1, 3)
    }
    best = client.everything(path, order="best", limit=3)
    assert [one["mean"] for one in best] == sorted((one["mean"] for one in by_number), reverse=True)
    assert client.get(f"/v1/jobs/{job['id']}/evaluation").json()["tuning"]["trial"] == best[0]["number"]
    assert job["spec"]["model"]["params"]["C"] == best[0]["parameters"]["model.C"]
    assert [one["number"] for one in client.everything(path, order="-number")] == [3, 2, 1, 0]
    assert_problem(client.get(path, params={"order": "mean"}), 422)
    assert_problem(client.get(path, params={"cursor": "nonsense"}), 422)
    assert_problem(client.get("/v1/jobs/job-none/trials"), 404)


def test_the_trials_of_a_nested_cross_validation(client: Client, dataset: str) -> None:
    tuning = {"strategy": "grid", "metric": "accuracy", "cv": 3, "outer": 2, "space": {"model.C": [0.01, 1.0]}}
    job = client.ended(submit(client, dataset, {**spec_for(), "tuning": tuning}).json()["id"])
    assert (job["status"], job["progress"]["trials"]) == ("succeeded", {"over": 6, "planned": 6})
    path = f"/v1/jobs/{job['id']}/trials"
    listed = [(one["outer_fold"], one["held_out"]) for one in client.everything(path, limit=3)]
    each = [(fold, held_out) for fold in (0, 1) for held_out in (True, False, False)]
    assert listed == [(None, False), (None, False), *each]
    assert [(one["outer_fold"], one["held_out"]) for one in client.everything(path, order="best")] == listed
    told = client.get(f"/v1/jobs/{job['id']}/evaluation").json()["tuning"]["outer"]
    judging = [one for one in client.everything(path) if one["held_out"]]
    assert [(one["number"], one["parameters"], one["mean"]) for one in judging] == [
        (fold["trial"], fold["parameters"], fold["score"]) for fold in told["folds"]
    ]
    assert told["mean"] == pytest.approx(sum(fold["score"] for fold in told["folds"]) / 2)
    problem = assert_problem(submit(client, dataset, {**spec_for(), "tuning": {**tuning, "outer": 80}}), 422)
    assert places(problem) == ["tuning.outer.folds"]


def test_a_tuning_that_cannot_be_done_is_refused_before_anything_is_queued(client: Client, dataset: str) -> None:
    tuning = {"cv": 80, "space": {"model.C": [1.0]}}
    problem = assert_problem(submit(client, dataset, {**spec_for(), "tuning": tuning}), 422)
    assert places(problem) == ["tuning.cv.folds"]
    untuned = client.ended(submit(client, dataset, spec_for()).json()["id"])
    assert client.get(f"/v1/jobs/{untuned['id']}/trials").json() == {"items": [], "next_cursor": None}
    assert untuned["progress"]["trials"] is None
