"""The log of predictions over HTTP: begun for a deployment, filled by what it answers, listed, downloaded, ended."""

import io
from typing import Any

import pyarrow.parquet as pq
import pytest
from live import Client, Server, assert_problem

ROWS = [{"size": 1.5, "colour": "red", "heavy": True}, {"size": None, "colour": "mauve", "heavy": False}]


def set_log(client: Client, name: str, share: float, **more: Any) -> Any:
    body = {"share": share, "reason": "to see what comes", **more}
    return client.put(f"/v1/deployments/{name}/log", json=body)


def predicted(client: Client, name: str, rows: list[dict[str, Any]] = ROWS) -> list[Any]:
    answer = client.post(f"/v1/deployments/{name}/predict", json={"rows": rows}).raise_for_status()
    return list(answer.json()["predictions"])


def parts(client: Client, name: str) -> list[dict[str, Any]]:
    return client.everything(f"/v1/deployments/{name}/log", min_position=client.head_position())


def test_what_a_deployment_answers_is_logged_from_the_moment_that_it_is_asked_for(
    client: Client, server: Server, deployment: str
) -> None:
    predicted(client, deployment)
    assert set_log(client, deployment, 1).raise_for_status().json()["version"] == 3
    shown = client.get(f"/v1/deployments/{deployment}", params={"min_position": client.head_position()}).json()
    assert (shown["log_share"], shown["log_keep_rows"], len(shown["history"])) == (1.0, 1_000_000, 1)
    said = predicted(client, deployment) + predicted(client, deployment, ROWS[:1])
    server.runtime.prediction_log.flush()
    (part,) = parts(client, deployment)
    assert (part["model"], part["model_version"]) == ("colours", 1)
    assert (part["requests"], part["rows"], part["lost"]) == (2, 3, 0)
    assert part["since"] <= part["until"]

    path = f"/v1/deployments/{deployment}/log/{part['artifact']}"
    file = client.get(path).raise_for_status()
    assert client.get(path, headers={"If-None-Match": file.headers["etag"]}).status_code == 304
    table = pq.read_table(io.BytesIO(file.content))
    assert table.select(["size", "colour", "heavy"]).to_pylist() == [*ROWS, ROWS[0]]
    assert table["prediction"].to_pylist() == said
    assert all(0 <= chance <= 1 for chance in table["probability_big"].to_pylist())

    set_log(client, deployment, 0).raise_for_status()
    predicted(client, deployment)
    server.runtime.prediction_log.flush()
    assert parts(client, deployment) == [part]
    events = client.get("/v1/events", params={"stream": f"deployment-{deployment}"}).json()
    assert [event["type"].removeprefix("skyulf.") for event in events][2:] == [
        "PredictionLogSet", "PredictionsLogged", "PredictionLogSet",
    ]  # fmt: skip
    assert "mauve" not in str(events), "an event holds no value of what was asked"


def test_a_log_keeps_no_more_rows_than_it_is_to(client: Client, server: Server, deployment: str) -> None:
    set_log(client, deployment, 1, keep_rows=3).raise_for_status()
    for _ in range(3):
        predicted(client, deployment)
        server.runtime.prediction_log.flush()
    kept = parts(client, deployment)
    assert [part["rows"] for part in kept] == [2, 2]
    events = client.get("/v1/events", params={"stream": f"deployment-{deployment}"}).json()
    gone = [event["data"]["artifact"] for event in events if event["type"] == "skyulf.PredictionsForgotten"]
    assert len(gone) == 1
    assert_problem(client.get(f"/v1/deployments/{deployment}/log/{gone[0]}"), 404, "not-found")
    client.get(f"/v1/deployments/{deployment}/log/{kept[0]['artifact']}").raise_for_status()


@pytest.mark.parametrize("body", [{}, {"share": 2}, {"share": -1}, {"share": 0.5, "keep_rows": 0}, {"share": "all"}])
def test_what_is_no_share_is_refused(client: Client, deployment: str, body: dict[str, Any]) -> None:
    refused = client.put(f"/v1/deployments/{deployment}/log", json={"reason": "r", **body})
    assert_problem(refused, 422, "invalid")


def test_a_deployment_that_is_not_there_is_not_logged(client: Client) -> None:
    assert_problem(set_log(client, "nobody", 1), 404, "not-found")
    assert_problem(client.get("/v1/deployments/nobody/log"), 404, "not-found")
    assert_problem(client.get("/v1/deployments/nobody/log/sha256:0"), 404, "not-found")
