"""Scorings over HTTP: a whole dataset predicted by a job, which is refused, watched, cancelled and retried like any."""

import csv
import hashlib
import io
from typing import Any

import pyarrow.parquet as pq
import pytest
from live import Client, assert_problem, csv_of, places

ROWS = 90


def asked(client: Client, dataset: str, **more: Any) -> Any:
    return client.post("/v1/scorings", json={"dataset_id": dataset, **more})


def scored(client: Client, dataset: str, **more: Any) -> dict[str, Any]:
    answer = asked(client, dataset, **more)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    job = client.ended(answer.json()["id"])
    assert job["status"] == "succeeded", job["error"]
    return job


def rows_of(client: Client, dataset: str) -> list[dict[str, Any]]:
    return client.get(f"/v1/datasets/{dataset}/rows", params={"limit": 1000}).raise_for_status().json()["items"]


def test_a_scoring_predicts_every_row_as_the_deployment_does(client: Client, dataset: str, deployment: str) -> None:
    job = scored(client, dataset, deployment=deployment, keep=["colour", "size"])
    assert (job["kind"], job["model_name"], job["spec"]) == ("scoring", None, None)
    output = job["scoring"].pop("output")
    predicts = {"model": "colours", "model_version": 1}
    assert job["scoring"] == {**predicts, "deployment": deployment, "format": "parquet", "keep": ["colour", "size"]}
    assert (output["rows"], output["missing"], job["progress"]["fraction"]) == (ROWS, 0, 1.0)
    assert set(job["timings"]) == {"load", "read", "predict", "write"}

    file = client.get(f"/v1/jobs/{job['id']}/output")
    assert file.headers["content-type"] == "application/vnd.apache.parquet"
    assert (len(file.content), f"sha256:{hashlib.sha256(file.content).hexdigest()}") == (
        output["size"], output["digest"],
    )  # fmt: skip
    tag = {"If-None-Match": file.headers["etag"]}
    assert client.get(f"/v1/jobs/{job['id']}/output", headers=tag).status_code == 304
    table = pq.read_table(io.BytesIO(file.content)).to_pylist()
    rows = rows_of(client, dataset)
    assert [(row["colour"], row["size"]) for row in table] == [(row["colour"], row["size"]) for row in rows]
    for said, row in zip(table, rows, strict=True):
        answer = client.post(f"/v1/deployments/{deployment}/predict", json={"rows": [row]}).raise_for_status().json()
        assert said["prediction"] == answer["predictions"][0]
        chances = {f"probability_{name}": chance for name, chance in answer["probabilities"][0].items()}
        assert {name: said[name] for name in chances} == pytest.approx(chances, abs=1e-9)

    events = client.get(f"/v1/jobs/{job['id']}/events").json()
    kinds = [event["type"].removeprefix("skyulf.") for event in events]
    assert kinds[:2] == ["ScoringCreated", "JobStarted"]
    assert (kinds[-1], set(kinds[2:-1])) == ("DatasetScored", {"JobProgressed"})
    assert "green" not in str(events), "an event holds no value of the data"
    counted = [line for line in client.get("/metrics").text.splitlines() if line.startswith("skyulf_scored_rows_total")]
    assert [float(line.split()[1]) >= ROWS for line in counted] == [True]


def test_a_scoring_by_a_models_version_as_csv(client: Client, dataset: str, model: str) -> None:
    job = scored(client, dataset, model=model, model_version=2, format="csv")
    file = client.get(f"/v1/jobs/{job['id']}/output")
    assert file.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(file.text)))
    assert len(lines) == ROWS
    assert list(lines[0]) == ["prediction", "probability_big", "probability_small"]
    again = scored(client, dataset, model=model, model_version=2, format="csv")
    assert again["scoring"]["output"] == job["scoring"]["output"], "the same model says the same of the same table"


def test_the_lineage_of_a_scoring_tells_its_data_and_the_model_that_predicted(
    client: Client, dataset: str, model: str
) -> None:
    job = scored(client, dataset, model=model, model_version=1)
    found = client.get(f"/v1/lineage/job/{job['id']}", params={"min_position": client.head_position()}).json()
    ids = [node["id"] for node in found["nodes"]]
    edges = {(ids[edge["source"]], edge["relation"], ids[edge["target"]]) for edge in found["edges"]}
    assert edges == {(f"{dataset}:1", "data of", job["id"]), ("colours:1", "scored by", job["id"])}


def test_scorings_are_listed_as_jobs_of_their_kind(client: Client, dataset: str, model: str) -> None:
    job = scored(client, dataset, model=model, model_version=1)
    found = {one["id"]: one["kind"] for one in client.everything("/v1/jobs", dataset_id=dataset)}
    assert found[job["id"]] == "scoring"
    assert set(found.values()) == {"training", "scoring"}
    of_kind = client.everything("/v1/jobs", kind="scoring")
    assert job["id"] in [one["id"] for one in of_kind]
    assert {one["kind"] for one in of_kind} == {"scoring"}
    assert_problem(client.get("/v1/jobs", params={"kind": "baking"}), 422)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"deployment": "shop", "model": "colours", "model_version": 1},
        {"deployment": "shop", "model_version": 1},
        {"model": "colours"},
        {"model": "colours", "model_version": 1, "alias": "champion"},
        {"model": "colours", "model_version": 1, "format": "pickle"},
        {"model": "colours", "model_version": 1, "keep": "colour"},
    ],
)
def test_what_is_not_clear_is_refused(client: Client, dataset: str, model: str, more: dict[str, Any]) -> None:
    assert model == "colours"
    assert_problem(asked(client, dataset, **more), 422, "invalid")


def test_what_is_not_there_is_refused_before_anything_is_queued(client: Client, dataset: str, model: str) -> None:
    assert_problem(asked(client, dataset, deployment="nobody"), 404, "not-found")
    assert_problem(asked(client, dataset, model=model, model_version=99), 404, "not-found")
    assert_problem(asked(client, dataset, model=model, model_version=1, dataset_version=9), 404, "not-found")
    refused = asked(client, dataset, model=model, model_version=1, keep=["taste"])
    assert places(assert_problem(refused, 422, "invalid")) == ["keep.taste"]


def test_a_dataset_that_does_not_fit_fails_and_says_which_columns(client: Client, model: str) -> None:
    table = b"size,colour\n" + b"".join(b"large,red\n" for _ in range(5))
    other = client.upload(table, name="others").raise_for_status().json()["id"]
    job = client.ended(asked(client, other, model=model, model_version=1).json()["id"])
    assert (job["status"], job["error"]["type"]) == ("failed", "urn:skyulf:problem:scoring-failed")
    assert "size is string, and the model was trained on number" in job["error"]["detail"]
    assert "heavy is absent" in job["error"]["detail"]
    nothing = client.get(f"/v1/jobs/{job['id']}/output")
    assert "has no predictions" in assert_problem(nothing, 404, "not-found")["detail"]
    client.post(f"/v1/jobs/{job['id']}/retry").raise_for_status()
    again = client.ended(job["id"])
    assert (again["status"], again["attempt"]) == ("failed", 2)


def test_a_training_has_no_predictions(client: Client, model: str) -> None:
    job = client.everything("/v1/jobs", model_name=model)[0]
    assert_problem(client.get(f"/v1/jobs/{job['id']}/output"), 404, "not-found")


def test_the_same_request_again_makes_no_second_job(client: Client, model: str) -> None:
    dataset = client.upload(csv_of(20), name="few").raise_for_status().json()["id"]
    headers = {"Idempotency-Key": "score few once"}
    body = {"dataset_id": dataset, "model": model, "model_version": 1}
    answers = [client.post("/v1/scorings", json=body, headers=headers).raise_for_status().json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert client.ended(answers[0]["id"])["status"] == "succeeded"
