"""The OpenAPI document, and a fuzzer that holds the server to it."""

from pathlib import Path
from typing import Any

import pytest
from fuzzing import fuzz
from live import Client, Server, packaged, spec_for, until


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_error_is_documented_as_a_problem(client: Client) -> None:
    document = client.get("/openapi.json").json()
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)
        assert operation["description"], (method, path)


def test_the_paths_are_those_of_the_contract(client: Client) -> None:
    found = {(method, path) for method, path, _ in operations(client.get("/openapi.json").json())}
    assert found >= {
        ("POST", "/v1/datasets"),
        ("GET", "/v1/datasets"),
        ("GET", "/v1/datasets/{dataset_id}"),
        ("POST", "/v1/datasets/{dataset_id}/versions"),
        ("POST", "/v1/pipelines"),
        ("GET", "/v1/pipelines"),
        ("GET", "/v1/pipelines/{pipeline_id}"),
        ("PUT", "/v1/pipelines/{pipeline_id}"),
        ("POST", "/v1/pipelines/check"),
        ("DELETE", "/v1/pipelines/{pipeline_id}"),
        ("GET", "/v1/nodes"),
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/{job_id}"),
        ("POST", "/v1/jobs/{job_id}/cancel"),
        ("POST", "/v1/jobs/{job_id}/retry"),
        ("GET", "/v1/jobs/{job_id}/events"),
        ("GET", "/v1/jobs/{job_id}/evaluation"),
        ("POST", "/v1/scorings"),
        ("POST", "/v1/reproductions"),
        ("GET", "/v1/jobs/{job_id}/output"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{name}"),
        ("GET", "/v1/models/{name}/versions"),
        ("GET", "/v1/models/{name}/versions/{number}"),
        ("DELETE", "/v1/models/{name}/versions/{number}"),
        ("GET", "/v1/models/{name}/versions/{number}/artifact"),
        ("PUT", "/v1/models/{name}/aliases/{alias}"),
        ("DELETE", "/v1/models/{name}/aliases/{alias}"),
        ("GET", "/v1/deployments"),
        ("GET", "/v1/deployments/{name}"),
        ("PUT", "/v1/deployments/{name}"),
        ("DELETE", "/v1/deployments/{name}"),
        ("POST", "/v1/deployments/{name}/rollback"),
        ("POST", "/v1/deployments/{name}/predict"),
        ("PUT", "/v1/deployments/{name}/log"),
        ("GET", "/v1/deployments/{name}/drift"),
        ("POST", "/v1/deployments/{name}/drift/acknowledge"),
        ("GET", "/v1/deployments/{name}/log"),
        ("GET", "/v1/deployments/{name}/log/{artifact}"),
        ("GET", "/v1/events"),
        ("GET", "/v1/projections"),
        ("GET", "/v1/projections/{name}"),
        ("POST", "/v1/projections/{name}/rebuild"),
        ("GET", "/v1/reactions"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
    }


def known_things(server: Server, client: Client, dataset: str) -> dict[str, dict[str, object]]:
    """Things that exist, as what operations on such paths are given."""
    job = client.trained(dataset, spec_for(), "fuzzed")
    packaged(server, client, job["id"], None, "nobody made one")
    made = [f"/v1/models/fuzzed/versions/1/{form}" for form in ("script", "notebook")]
    for path in (f"/v1/jobs/{job['id']}/shap", *made):  # until they are made, that is rightly 503
        until(lambda path=path: client.get(path).status_code == 200)
    body = {"model": "fuzzed", "model_version": 1, "reason": "r"}
    client.put("/v1/deployments/fuzzed", json=body).raise_for_status()
    pipeline = client.post("/v1/pipelines", json={"name": "fuzzed", "spec": spec_for()}).json()["id"]
    return {
        "^/v1/datasets": {"path.dataset_id": dataset},
        "^/v1/pipelines": {"path.pipeline_id": pipeline},
        "^/v1/jobs": {"path.job_id": job["id"]},
        "^/v1/models": {"path.name": "fuzzed", "path.number": 1, "path.alias": "fuzzed"},
        "^/v1/deployments": {"path.name": "fuzzed"},
        "^/v1/projections": {"path.name": "jobs"},
        "^/v1/reactions": {"path.name": "training"},
    }


def unended(client: Client) -> list[dict[str, Any]]:
    """Jobs that wait or run."""
    lists = (client.get("/v1/jobs", params={"status": status, "limit": 1000}) for status in ("created", "running"))
    return [job for found in lists for job in found.json()["items"]]


@pytest.mark.timeout(300)
def test_no_input_leads_beyond_the_document(server: Server, client: Client, dataset: str, tmp_path: Path) -> None:
    for known in (known_things(server, client, dataset), {}):  # with things that exist, and with whatever comes to mind
        fuzz(server.url, client.get("/openapi.json").json(), tmp_path, known)
    assert client.get("/health/ready").status_code == 200
    # Jobs that were made up run on, and would append to the log while other tests count its events.
    for job in unended(client):
        client.post(f"/v1/jobs/{job['id']}/cancel")
    until(lambda: not unended(client))
    assert all(projection["parked"] == [] for projection in client.get("/v1/projections").json()["items"])
