"""Everything as it was: at a position of the log, or at a time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from live import Client, Server, assert_problem, csv_of, places, serving, settings_for, spec_for

SPEC = {"task": "classification", "target": "kind"}

OF_NOW = {
    "/v1/projections": "how far rows are is not in the log",
    "/v1/projections/{name}": "how far rows are is not in the log",
    "/v1/deployments/{name}/drift": "what is served now is compared",
}
"""Reads that wait for a position and show what is, with the reason why they cannot show what was."""


def test_every_read_takes_a_moment(client: Client) -> None:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if "get" in methods:
            known = {each["name"] for each in methods["get"].get("parameters", ())}
            if "min_position" in known:  # others read the log itself, or nothing that changes
                assert ("as_of" in known) == (path not in OF_NOW), path


def shown(client: Client, paths: list[str], **params: Any) -> dict[str, tuple[int, bytes]]:
    answers = {path: client.get(path, params=params) for path in paths}
    return {path: (answer.status_code, what_it_tells(answer.content)) for path, answer in answers.items()}


def what_it_tells(content: bytes) -> bytes:
    """All but what is of this asking: who asked, and where the next page begins, which names the moment."""
    return content.partition(b',"correlation_id"')[0].partition(b',"next_cursor"')[0]


def test_what_was_shown_is_shown_again_whatever_came_since(
    client: Client, dataset: str, model: str, deployment: str
) -> None:
    job = client.everything("/v1/jobs", model_name=model)[0]["id"]
    pipeline = client.post("/v1/pipelines", json={"name": "as of", "spec": SPEC}).json()["id"]
    paths = [
        "/v1/datasets",
        f"/v1/datasets/{dataset}",
        f"/v1/datasets/{dataset}/versions",
        f"/v1/datasets/{dataset}/versions/1",
        f"/v1/datasets/{dataset}/rows",
        "/v1/pipelines",
        f"/v1/pipelines/{pipeline}",
        "/v1/jobs",
        f"/v1/jobs/{job}",
        f"/v1/jobs/{job}/events",
        f"/v1/jobs/{job}/evaluation",
        f"/v1/jobs/{job}/slices",
        f"/v1/jobs/{job}/trials",
        "/v1/models",
        f"/v1/models/{model}",
        f"/v1/models/{model}/versions",
        f"/v1/models/{model}/versions/1",
        f"/v1/models/{model}/versions/1/artifact",
        f"/v1/models/{model}/versions/1/card",
        "/v1/deployments",
        f"/v1/deployments/{deployment}",
        f"/v1/deployments/{deployment}/log",
        "/v1/keys",
        f"/v1/lineage/dataset/{dataset}",
    ]
    position = client.head_position()
    then = shown(client, paths, min_position=position)
    assert {status for status, _ in then.values()} == {200}

    client.upload(csv_of(30), path=f"/v1/datasets/{dataset}/versions").raise_for_status()
    client.delete(f"/v1/pipelines/{pipeline}").raise_for_status()
    client.put(f"/v1/models/{model}/aliases/as-of", json={"model_version": 2, "reason": "r"}).raise_for_status()
    again = {"model": model, "model_version": 2, "reason": "the second is better"}
    client.put(f"/v1/deployments/{deployment}", json=again).raise_for_status()
    assert client.trained(dataset, spec_for(), "as-of")["status"] == "succeeded"

    now = shown(client, paths, min_position=client.head_position())
    changed = {path for path in paths if now[path] != then[path]}
    assert changed >= {"/v1/datasets", "/v1/pipelines", "/v1/jobs", "/v1/models", f"/v1/deployments/{deployment}"}
    assert shown(client, paths, as_of=position) == then
    assert_problem(client.get("/v1/models/as-of", params={"as_of": position}), 404, "not-found")
    assert shown(client, paths, as_of=client.head_position()) == now


def test_an_etag_of_the_past_is_of_what_is_shown(client: Client) -> None:
    made = client.post("/v1/pipelines", json={"name": "tag", "spec": SPEC}).json()
    client.delete(f"/v1/pipelines/{made['id']}").raise_for_status()
    path, params = f"/v1/pipelines/{made['id']}", {"as_of": made["position"]}
    assert client.get(path, params=params).headers["etag"] == '"1"'
    assert client.get(path, params=params, headers={"If-None-Match": '"1"'}).status_code == 304
    assert client.get(path).headers["etag"] == '"2"'


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client of a server of its own, the positions at which each of 40 pipelines was made, and a time amid them."""
    with serving(settings_for(tmp_path_factory.mktemp("as-of"))) as server, server.client() as client:
        positions, moments = [], []
        for number in range(40):
            made = client.post("/v1/pipelines", json={"name": f"name {number % 3}", "spec": SPEC}).json()
            positions.append(made["position"])
            moments.append(datetime.now(UTC))
        yield client, positions, moments


class TestPages:
    def test_they_hold_everything_once_while_the_list_goes_on(self, listed: Any) -> None:
        client, positions, _ = listed
        for order in ("created_at", "-created_at", "name", "-name"):
            page = client.get("/v1/pipelines", params={"as_of": positions[20], "order": order, "limit": 4}).json()
            found = page["items"]
            while page["next_cursor"] is not None:
                client.put(f"/v1/pipelines/{found[0]['id']}", json={"name": "renamed", "spec": SPEC}).raise_for_status()
                params = {"order": order, "limit": 4, "cursor": page["next_cursor"]}
                page = client.get("/v1/pipelines", params=params).json()
                found += page["items"]
            assert len({item["id"] for item in found}) == len(found) == 21
            assert {item["name"] for item in found} == {"name 0", "name 1", "name 2"}

    def test_a_cursor_is_of_its_moment(self, listed: Any) -> None:
        client, positions, moments = listed
        at = positions[20]
        first = client.get("/v1/pipelines", params={"as_of": at, "limit": 4}).json()
        cursor = first["next_cursor"]
        rest = client.get("/v1/pipelines", params={"cursor": cursor}).json()["items"]
        assert len(rest) == 17
        for same in (str(at), moments[20].isoformat()):
            assert client.get("/v1/pipelines", params={"cursor": cursor, "as_of": same}).json()["items"] == rest
        now = client.get("/v1/pipelines", params={"limit": 4}).json()["next_cursor"]
        beyond = f"{10**12}.{cursor.partition('.')[2]}"
        for params in (
            {"cursor": cursor, "as_of": at + 1},
            {"cursor": now, "as_of": at},
            {"cursor": beyond},
            {"cursor": f"{at}."},
            {"cursor": f"{at}.x"},
            {"cursor": f"x{cursor}"},
        ):
            assert places(assert_problem(client.get("/v1/pipelines", params=params), 422, "invalid")) == ["cursor"]

    def test_filters_are_of_the_moment(self, listed: Any) -> None:
        client, positions, _ = listed
        stream = client.get("/v1/pipelines", params={"as_of": positions[0]}).json()["items"][0]["id"]
        gone = client.delete(f"/v1/pipelines/{stream}").json()["position"]
        for position, archived in ((gone - 1, 0), (gone, 1)):
            params = {"as_of": position, "archived": "true"}
            assert len(client.get("/v1/pipelines", params=params).json()["items"]) == archived


class TestTimes:
    def test_a_time_is_the_last_position_before_anything_later(self, listed: Any) -> None:
        client, positions, moments = listed
        for number in (0, 7, 38):
            wanted = client.get("/v1/pipelines", params={"as_of": positions[number], "limit": 1000}).json()
            local = moments[number].astimezone().isoformat()
            for text in (moments[number].isoformat(), local):
                assert client.get("/v1/pipelines", params={"as_of": text, "limit": 1000}).json() == wanted

    def test_a_time_to_come_is_now(self, listed: Any) -> None:
        client, _, _ = listed
        items = client.get("/v1/pipelines", params={"as_of": "2999-01-01T00:00:00Z"}).json()["items"]
        assert items == client.get("/v1/pipelines", params={"min_position": client.head_position()}).json()["items"]

    def test_a_time_before_everything_is_told_when_the_log_begins(self, listed: Any) -> None:
        client, _, moments = listed
        refused = client.get("/v1/pipelines", params={"as_of": "2020-01-01T00:00:00Z"})
        problem = assert_problem(refused, 422, "invalid")
        begun = datetime.fromisoformat(problem["errors"][0]["message"].split()[3])
        assert begun <= moments[0]
        assert len(client.get("/v1/pipelines", params={"as_of": begun.isoformat()}).json()["items"]) == 1


def test_before_everything_there_was_nothing(client: Client, dataset: str) -> None:
    for path in ("/v1/datasets", "/v1/jobs", "/v1/models", "/v1/deployments", "/v1/pipelines", "/v1/keys"):
        assert client.get(path, params={"as_of": 0}).json() == {"items": [], "next_cursor": None}
    assert_problem(client.get(f"/v1/datasets/{dataset}", params={"as_of": 0}), 404, "not-found")


def test_a_position_beyond_the_head_is_refused_naming_it(client: Client, dataset: str) -> None:
    head = client.head_position()
    for path in ("/v1/jobs", f"/v1/datasets/{dataset}", f"/v1/lineage/dataset/{dataset}"):
        for beyond in (head + 1000, 10**30):
            problem = assert_problem(client.get(path, params={"as_of": beyond}), 422, "invalid")
            assert problem["errors"] == [{"place": "as_of", "message": f"at most {head}"}]


def test_what_was_not_made_by_then_is_not_made_now(client: Client, dataset: str) -> None:
    """A profile is made and recorded when it is asked for; nothing is recorded in the past."""
    head = client.head_position()
    refused = client.get(f"/v1/datasets/{dataset}/profile", params={"as_of": head, "dataset_version": 1})
    assert_problem(refused, 404, "not-found")
    assert client.head_position() == head


def test_data_that_was_erased_since_is_not_there_at_any_moment(client: Client) -> None:
    made = client.upload(csv_of(20, shift=4_000), name="erased since").json()
    path, params = f"/v1/datasets/{made['id']}", {"as_of": made["position"]}
    before = client.get(path, params=params).raise_for_status().json()
    client.delete(path, params={"reason": "asked to"}).raise_for_status()
    assert client.get(path, params=params).json() == before
    assert_problem(client.get(f"{path}/rows", params=params), 410, "erased")


def test_min_position_beside_it_asks_for_nothing_more(server: Server, client: Client) -> None:
    """What is as of a position holds all up to there; a position that there is not is refused all the same."""
    head = client.head_position()
    params = {"as_of": head - 1, "min_position": head}
    assert client.get("/v1/jobs", params=params).json() == client.get("/v1/jobs", params={"as_of": head - 1}).json()
    refused = client.get("/v1/jobs", params={**params, "min_position": 2**62})
    assert places(assert_problem(refused, 422, "invalid")) == ["min_position"]
