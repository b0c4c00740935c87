"""One server for the whole suite, with a few trained models; tests use names of their own."""

import re
from collections.abc import Iterator

import pytest
from live import Client, Server, csv_of, serving, settings_for, spec_for


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(settings_for(tmp_path_factory.mktemp("served"))) as server:
        yield server


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def dataset(client: Client) -> str:
    """The id of a dataset."""
    return client.upload(csv_of(), name="colours").raise_for_status().json()["id"]


@pytest.fixture(scope="session")
def model(client: Client, dataset: str) -> str:
    """The name of a model with three versions."""
    for node in ("logistic_regression", "random_forest", "hist_gradient_boosting"):
        params = {"n_estimators": 10} if node == "random_forest" else {}
        job = client.trained(dataset, spec_for(node=node, params=params), "colours")
        assert job["status"] == "succeeded", job
    return "colours"


@pytest.fixture
def deployment(client: Client, model: str, request: pytest.FixtureRequest) -> str:
    """The name of a new deployment that serves the model's first version."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", request.node.name)[:80]
    body = {"model": model, "model_version": 1, "reason": "a test"}
    client.put(f"/v1/deployments/{name}", json=body).raise_for_status()
    return name
