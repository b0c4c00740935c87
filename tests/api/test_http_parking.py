"""What a projection could not take is shown, tried again, and purged with a reason."""

from collections.abc import Iterator
from typing import Any

import pytest
from builders import named, record, renamed
from live import Client, Server, assert_problem, serving, settings_for, until

from skyulf.events.pipeline import PipelineArchived

FUTURE = "/v1/projections/pipelines/parked/2"


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pipeline has an event of the future, two behind that, and a lonely one elsewhere."""
    with serving(settings_for(tmp_path_factory.mktemp("parked"))) as server:
        log = server.runtime.log
        log.restore(
            [
                record(named("first"), 1, "pipeline-1", 1),
                record(renamed("of the future"), 2, "pipeline-1", 2, schema=99),
                record(renamed("third"), 3, "pipeline-1", 3),
                record(PipelineArchived(), 4, "pipeline-2", 1),
            ]
        )
        yield server


@pytest.fixture(scope="module")
def caller(parked: Server) -> Iterator[Client]:
    with parked.client() as client:
        until(lambda: len(client.get("/v1/projections/pipelines/parked").json()["items"]) == 3)
        yield client


def of_pipelines(client: Client, position: int = 0) -> dict[str, Any]:
    params = {"min_position": position}
    answer: dict[str, Any] = client.get("/v1/projections/pipelines", params=params).raise_for_status().json()
    return answer


def test_what_waits_is_listed_in_pages(caller: Client) -> None:
    first = caller.get("/v1/projections/pipelines/parked", params={"limit": 2}).json()
    assert [each["position"] for each in first["items"]] == [2, 3]
    assert "PipelineRevised@99 is unknown" in first["items"][0]["error"]
    assert first["items"][1] == {
        "position": 3, "key": "pipeline-1", "stream": "pipeline-1", "error": None, "attempts": 0,
    }  # fmt: skip
    rest = caller.get("/v1/projections/pipelines/parked", params={"cursor": first["next_cursor"]}).json()
    assert ([each["position"] for each in rest["items"]], rest["next_cursor"]) == ([4], None)
    assert of_pipelines(caller)["parked_events"] == 3


def test_one_is_shown_with_its_event_and_what_waits_behind_it(caller: Client) -> None:
    shown = caller.get(FUTURE).raise_for_status().json()
    assert (shown["behind_it"], shown["waits_for"], shown["attempts"]) == (1, None, 1)
    assert (shown["event"]["type"], shown["event"]["data"]["name"]) == ("skyulf.PipelineRevised", "of the future")
    behind = caller.get("/v1/projections/pipelines/parked/3").json()
    assert (behind["behind_it"], behind["waits_for"], behind["error"]) == (0, 2, None)


def test_a_retry_of_all_tells_what_still_fails(caller: Client) -> None:
    tried = caller.post("/v1/projections/pipelines/retry").raise_for_status().json()
    assert (tried["released"], [each["position"] for each in tried["failing"]]) == (0, [2, 4])
    assert caller.get(FUTURE).json()["attempts"] >= 2
    refused = assert_problem(caller.post("/v1/projections/pipelines/parked/pipeline-1/retry"), 422, "invalid")
    assert "position 2 still cannot be folded" in refused["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/projections/pipelines/parked/1", 404, "not-found"),
        ("GET", "/v1/projections/nonsense/parked", 404, "not-found"),
        ("GET", "/v1/projections/nonsense/purged", 404, "not-found"),
        ("DELETE", FUTURE, 422, "invalid"),
        ("DELETE", f"{FUTURE}?reason=%20", 422, "invalid"),
        ("DELETE", "/v1/projections/pipelines/parked/1?reason=why", 404, "not-found"),
        ("DELETE", "/v1/projections/pipelines/parked/3?reason=why", 409, "not-allowed"),
        ("DELETE", "/v1/projections/pipelines/rebuild", 404, "not-found"),
        ("POST", "/v1/reactions/nobody/parked/retry", 404, "not-found"),
        ("DELETE", "/v1/reactions/training/parked?place=nowhere", 404, "not-found"),
    ],
)
def test_what_cannot_be_done_is_refused(caller: Client, method: str, path: str, status: int, kind: str) -> None:
    assert_problem(caller.request(method, path), status, kind)


def test_an_event_is_purged_with_a_reason_and_rebuilds_leave_it_out(caller: Client) -> None:
    headers = {"Idempotency-Key": "purge-1"}
    asked = {"params": {"reason": "a bug of version 7"}, "headers": headers}
    answer = caller.delete(FUTURE, **asked).raise_for_status().json()
    assert (answer["id"], answer["version"], answer["purged"]) == ("projection-pipelines", 1, 2)
    after = of_pipelines(caller, answer["position"])
    assert ([each["position"] for each in after["parked"]], after["purged"]) == ([4], [2])
    assert caller.get("/v1/pipelines/pipeline-1").json()["name"] == "third"
    assert caller.delete(FUTURE, **asked).json() == answer, "the same command again"

    (event,) = caller.get("/v1/events", params={"stream": "projection-pipelines"}).json()
    assert event["data"] == {"projection": "pipelines", "key": "pipeline-1", "position": 2}
    assert event["reason"] == "a bug of version 7"
    (purged,) = caller.get("/v1/projections/pipelines/purged").json()["items"]
    assert (purged["position"], purged["left_out"], purged["reason"]) == (2, True, "a bug of version 7")

    build = caller.post("/v1/projections/pipelines/rebuild").raise_for_status().json()["build"]
    until(lambda: of_pipelines(caller)["build"] == build)
    assert of_pipelines(caller)["purged"] == [2]
    assert caller.get("/v1/pipelines/pipeline-1").json()["name"] == "third"
    metrics = caller.get("/metrics").text
    assert 'skyulf_purged_events{projection="pipelines"} 1' in metrics
