"""What is told of a model over HTTP beside its metrics: thresholds, slices, what moves it, and who may see which."""

import json
from typing import Any

import pytest
from live import Client, assert_problem, places, spec_for, until

ASKED = {"thresholds": {"criterion": "youden", "cv": 3}, "evaluation": {"slices": ["colour", "size"]}}


@pytest.fixture(scope="module")
def job(client: Client, dataset: str) -> dict[str, Any]:
    found = client.trained(dataset, {**spec_for(), **ASKED}, "judged")
    assert found["status"] == "succeeded", found["error"]
    return found


def test_thresholds_are_told_and_slices_by_themselves(client: Client, job: dict[str, Any]) -> None:
    evaluation = client.get(f"/v1/jobs/{job['id']}/evaluation").raise_for_status().json()
    assert [one["label"] for one in evaluation["thresholds"]["classes"]] == ["small"]
    assert set(evaluation["thresholds"]["metrics_without"]) < set(job["metrics"])
    assert '"red"' not in json.dumps(evaluation)
    answer = client.get(f"/v1/jobs/{job['id']}/slices").raise_for_status()
    colours, sizes = answer.json()["slices"]
    assert (colours["column"], sizes["column"]) == ("colour", "size")
    assert {"red", "green", "blue"} >= {part.get("value", "red") for part in colours["parts"]}
    assert sum(part["rows"] for part in sizes["parts"]) == job["rows"]["test"]
    again = client.get(f"/v1/jobs/{job['id']}/slices", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert job["spec"]["thresholds"]["criterion"] == "youden"


def test_what_leaves_the_system_decides_alike(client: Client, job: dict[str, Any]) -> None:
    (told,) = client.get(f"/v1/jobs/{job['id']}/evaluation").json()["thresholds"]["classes"]
    script = client.get("/v1/models/judged/versions/1/script").raise_for_status().text
    assert f">= {told['threshold']!r}" in script
    card = client.get("/v1/models/judged/versions/1/card").raise_for_status().text
    assert "thresholds, chosen by `youden`" in card


def test_a_job_without_has_none(client: Client, dataset: str) -> None:
    plain = client.trained(dataset, spec_for())
    assert client.get(f"/v1/jobs/{plain['id']}/slices").json() == {"job_id": plain["id"], "slices": []}
    evaluation = client.get(f"/v1/jobs/{plain['id']}/evaluation").json()
    assert (evaluation["thresholds"], evaluation["intervals"], evaluation["clusters"]) == (None, None, None)


@pytest.mark.parametrize("part", ["slices", "shap"])
def test_of_jobs_that_are_not_there_nothing_is_told(client: Client, part: str) -> None:
    assert_problem(client.get(f"/v1/jobs/job-0/{part}"), 404)


def test_shap_values_are_made_on_request(client: Client, job: dict[str, Any]) -> None:
    def asked() -> Any:
        answer = client.get(f"/v1/jobs/{job['id']}/shap")
        assert answer.status_code == 200 or (answer.status_code == 503 and "Retry-After" in answer.headers)
        return answer if answer.status_code == 200 else None

    answer = until(asked)
    document = answer.json()
    assert (document["job_id"], document["of"], document["rows"]) == (job["id"], "probability", job["rows"]["test"])
    (output,) = document["outputs"]
    assert output["output"] == "small"
    assert output["columns"][0]["column"] == "size"
    assert {each["column"] for each in output["columns"]} == {"size", "colour", "heavy"}
    again = client.get(f"/v1/jobs/{job['id']}/shap", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"thresholds": {"criterion": "f2"}}, "thresholds.criterion"),
        ({"thresholds": {"cv": 80}}, "thresholds.cv.folds"),
        ({"evaluation": {"slices": ["shade"]}}, "evaluation.slices.0"),
        ({"intervals": {}}, "intervals"),
    ],
)
def test_what_cannot_be_had_is_told_before_anything_runs(
    client: Client, dataset: str, more: dict[str, Any], place: str
) -> None:
    spec = {**spec_for(), **more}
    answer = client.post("/v1/pipelines/check", json={"spec": spec, "dataset_id": dataset}).json()
    assert [problem["place"] for problem in answer["problems"]] == [place]
    refused = client.post("/v1/jobs", json={"dataset_id": dataset, "spec": spec})
    assert places(assert_problem(refused, 422)) == [place]


@pytest.mark.parametrize("asked", ["perhaps", "2", ""])
def test_a_wish_for_intervals_is_yes_or_no(client: Client, deployment: str, asked: str) -> None:
    path = f"/v1/deployments/{deployment}/predict"
    row = {"size": 1.5, "colour": "red", "heavy": True}
    answer = client.post(path, params={"intervals": asked}, json={"rows": [row]})
    assert_problem(answer, 422) if asked else answer.raise_for_status()
