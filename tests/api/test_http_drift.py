"""Drift of what is served over HTTP: compared when asked for, told by an event when it comes, acknowledged."""

from typing import Any

import pytest
from live import Client, Server, assert_problem

COLOURS = ("red", "green", "blue")


def like_trained(rows: int, shift: float = 0.0, colour: str | None = None) -> list[dict[str, Any]]:
    """Rows as the model was trained on, or with sizes that have moved, or of a colour that it never saw."""
    return [
        {
            "size": None if n % 13 == 5 else (n % 9) + n / 100 % 0.9 + shift,
            "colour": None if n % 17 == 3 else colour or COLOURS[n % 3],
            "heavy": None if n % 19 == 7 else n % 2 == 1,
        }
        for n in range(rows)
    ]


@pytest.fixture
def watched(client: Client, deployment: str) -> str:
    """A deployment of which every prediction is logged."""
    body = {"share": 1, "alert": "major", "reason": "to be told"}
    client.put(f"/v1/deployments/{deployment}/log", json=body).raise_for_status()
    return deployment


def predicted(client: Client, server: Server, name: str, rows: list[dict[str, Any]]) -> None:
    client.post(f"/v1/deployments/{name}/predict", json={"rows": rows}).raise_for_status()
    server.runtime.prediction_log.flush()


def shown(client: Client, name: str) -> dict[str, Any]:
    return client.get(f"/v1/deployments/{name}", params={"min_position": client.head_position()}).json()


def told(client: Client, name: str) -> list[dict[str, Any]]:
    events = client.get("/v1/events", params={"stream": f"deployment-{name}", "limit": 1000}).json()
    return [event["data"] for event in events if event["type"] == "skyulf.DriftFound"]


def drift(client: Client, name: str) -> dict[str, Any]:
    return client.get(f"/v1/deployments/{name}/drift").raise_for_status().json()


def test_rows_like_those_that_were_trained_on_are_no_drift(client: Client, server: Server, watched: str) -> None:
    predicted(client, server, watched, like_trained(300))
    found = drift(client, watched)
    assert (found["model"], found["model_version"], found["dataset_version"]) == ("colours", 1, 1)
    assert (found["current"]["rows"], found["reference"]["rows"]) == (300, 90)
    assert {column["name"]: column["level"] for column in found["columns"]} == dict.fromkeys(
        ("size", "colour", "heavy", "kind"), "none"
    )
    assert (found["target"], found["added"], found["removed"], found["retyped"]) == ("kind", [], [], [])
    assert (told(client, watched), shown(client, watched)["drift"]) == ([], None)
    refused = client.post(f"/v1/deployments/{watched}/drift/acknowledge", json={"reason": "seen"})
    assert_problem(refused, 409, "not-allowed")


def test_drift_is_told_once_and_again_when_it_goes_further(client: Client, server: Server, watched: str) -> None:
    predicted(client, server, watched, like_trained(400, shift=30.0))
    found = {column["name"]: column for column in drift(client, watched)["columns"]}
    assert found["size"]["level"] == "major"
    assert found["size"]["psi"] > 0.25
    assert found["size"]["ks"]["statistic"] > 0.9
    assert (found["colour"]["level"], found["kind"]["level"]) == ("none", "major"), "what is predicted has moved, too"
    (first,) = told(client, watched)
    assert (first["level"], first["rows"]) == ("major", 400)
    assert {column["name"] for column in first["columns"]} == {"size", "kind"}
    predicted(client, server, watched, like_trained(10, shift=30.0))
    assert told(client, watched) == [first], "it is known"

    alert = shown(client, watched)["drift"]
    assert (alert["level"], alert["acknowledged_at"]) == ("major", None)
    body = {"reason": "prices went up; a training is planned"}
    client.post(f"/v1/deployments/{watched}/drift/acknowledge", json=body).raise_for_status()
    seen = shown(client, watched)["drift"]
    assert (seen["acknowledged_by"], seen["reason"]) == ("local", body["reason"])
    assert seen["acknowledged_at"] >= seen["at"]

    predicted(client, server, watched, like_trained(2_000, shift=30.0, colour="mauve"))
    assert {column["name"] for column in told(client, watched)[-1]["columns"]} == {"colour"}
    alert = shown(client, watched)["drift"]
    assert {column["name"] for column in alert["columns"]} == {"size", "kind", "colour"}
    assert alert["acknowledged_at"] is None
    assert "mauve" not in str(told(client, watched)), "an event holds no value of what was asked"


def test_another_version_begins_anew(client: Client, server: Server, watched: str) -> None:
    predicted(client, server, watched, like_trained(300, shift=30.0))
    assert shown(client, watched)["drift"]["level"] == "major"
    body = {"model": "colours", "model_version": 2, "reason": "trained on newer data"}
    client.put(f"/v1/deployments/{watched}", json=body).raise_for_status()
    assert shown(client, watched)["drift"] is None
    assert_problem(client.get(f"/v1/deployments/{watched}/drift"), 409, "not-allowed")


def test_few_rows_are_compared_when_asked_for_and_alarm_nobody(client: Client, server: Server, watched: str) -> None:
    predicted(client, server, watched, like_trained(60, shift=30.0))
    assert drift(client, watched)["level"] == "major"
    assert told(client, watched) == []


def test_what_was_not_logged_cannot_be_compared(client: Client, deployment: str) -> None:
    assert_problem(client.get(f"/v1/deployments/{deployment}/drift"), 409, "not-allowed")
    assert_problem(client.get("/v1/deployments/nobody/drift"), 404, "not-found")
