"""Clusters over HTTP: checked, found, told of, served and exported, without a target anywhere."""

import csv
import io
from typing import Any

import pytest
from live import Client, assert_problem, places

SPEC = {"task": "clustering", "evaluation": {"reference": "kind"}}
ROWS = [(f"{at % 3 * 10 + at % 7 / 10}", f"{at % 2}", "abc"[at % 3]) for at in range(90)]


@pytest.fixture(scope="module")
def dataset(client: Client) -> str:
    content = "\n".join(["size,odd,kind", *map(",".join, ROWS)]).encode()
    return str(client.upload(content).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def job(client: Client, dataset: str) -> dict[str, Any]:
    found = client.trained(dataset, {**SPEC, "steps": [{"node": "drop_columns", "columns": ["odd"]}]}, "groups")
    assert found["status"] == "succeeded", found["error"]
    body = {"model": "groups", "model_version": 1, "reason": "r"}
    client.put("/v1/deployments/groups", json=body).raise_for_status()
    return found


def test_it_is_judged_and_told(client: Client, job: dict[str, Any]) -> None:
    assert job["spec"]["target"] is None
    assert job["metrics"]["adjusted_rand"] == 1
    chosen = [score["model"] for score in job["candidate_scores"] if score["chosen"]]
    assert chosen == ["k_means of 3"]
    told = client.get(f"/v1/jobs/{job['id']}/evaluation").raise_for_status().json()["partition"]
    assert (sum(told["sizes"]), told["reference"], told["reference_rows"]) == (18, "kind", 18)
    version = client.get("/v1/models/groups/versions/1").raise_for_status().json()
    assert (version["task"], version["target"]) == ("clustering", "")


def test_a_row_is_in_the_cluster_that_it_is_nearest_to(client: Client, job: dict[str, Any]) -> None:
    rows = [{"size": 0.3}, {"size": 20.4}, {"size": 0.1}]
    answer = client.post("/v1/deployments/groups/predict", json={"rows": rows}).raise_for_status().json()
    first, second, third = answer["predictions"]
    assert first == third != second
    assert answer["probabilities"] is None
    for said, apart in zip(answer["predictions"], answer["distances"], strict=True):
        assert set(apart) == {"0", "1", "2"}
        assert min(apart, key=apart.__getitem__) == str(said)
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answered = client.post("/v1/deployments/groups/predict", content="size\n0.3\n20.4\n", headers=headers).text
    lines = list(csv.DictReader(io.StringIO(answered)))
    assert [int(line["prediction"]) for line in lines] == [first, second]
    assert float(lines[0][f"distance_{first}"]) == answer["distances"][0][str(first)]
    wrong = client.post("/v1/deployments/groups/predict", json={"rows": [{"size": "x"}]})
    assert places(assert_problem(wrong, 422, "invalid")) == ["rows.0.size"]


def test_what_leaves_the_system_says_that_there_is_no_target(client: Client, job: dict[str, Any]) -> None:
    script = client.get("/v1/models/groups/versions/1/script").raise_for_status().text
    assert "KMeans(" in script
    assert "drop(columns='kind')" in script
    card = client.get("/v1/models/groups/versions/1/card").raise_for_status().text
    assert "`k_means`, clustering" in card
    assert "pipeline_tag" not in card
    path = "/v1/audit/model/groups/versions/1/report"
    assert "k_means, clustering. Made" in client.get(path, headers={"Accept": "text/html"}).raise_for_status().text
    report = client.get(path).raise_for_status().json()
    assert report["identity"]["target"] == ""
    assert report["evaluation"]["details"]["partition"]["sizes"]


def test_the_check_refuses_at_the_place(client: Client, dataset: str) -> None:
    def problems(spec: dict[str, Any]) -> list[str]:
        answer = client.post("/v1/pipelines/check", json={"spec": spec, "dataset_id": dataset}).raise_for_status()
        return [problem["place"] for problem in answer.json()["problems"]]

    assert problems(SPEC) == []
    assert problems({**SPEC, "target": "kind"}) == ["target"]
    assert problems({**SPEC, "thresholds": {}, "intervals": {}}) == ["thresholds", "intervals"]
    assert problems({**SPEC, "steps": [{"node": "target_encode"}], "model": {"node": "k_means"}}) == ["steps.0.node"]
