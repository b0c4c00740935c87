"""Lists and freshness: pages without gaps or repeats, and answers that hold what the caller has just written."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from live import Client, Server, assert_problem, places, serving, settings_for, spec_for

SPEC = {"task": "classification", "target": "kind"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server of its own, with 57 pipelines."""
    with serving(settings_for(tmp_path_factory.mktemp("lists"))) as server, server.client() as client:
        for number in range(57):
            body = {"name": f"name {number % 5}", "spec": SPEC}
            position = client.post("/v1/pipelines", json=body).json()["position"]
        assert len(client.everything("/v1/pipelines", min_position=position, limit=1000)) == 57
        yield client


@pytest.mark.parametrize("order", [None, "created_at", "-created_at", "name", "-name"])
@pytest.mark.parametrize("limit", [1, 10, 19, 57, 1000])
def test_pages_hold_everything_once_and_in_order(fresh: Client, order: str | None, limit: int) -> None:
    params = {"limit": limit} | ({"order": order} if order else {})
    first = fresh.get("/v1/pipelines", params=params).json()
    assert len(first["items"]) == min(limit, 57)
    assert (first["next_cursor"] is None) == (limit >= 57)
    items = fresh.everything("/v1/pipelines", **params)
    assert len({item["id"] for item in items}) == len(items) == 57
    field = "id" if order is None or "created" in order else "name"  # ids are made in order of time
    values = [item[field] for item in items]
    assert values == sorted(values, reverse=order is None or order.startswith("-"))


def test_pages_of_a_filtered_list(fresh: Client) -> None:
    items = fresh.everything("/v1/pipelines", name="name 3", limit=2)
    assert len(items) == 11
    assert {item["name"] for item in items} == {"name 3"}
    assert fresh.everything("/v1/pipelines", name="name 3", archived="true") == []
    assert len(fresh.everything("/v1/pipelines", name="name 3", archived="false", limit=4)) == 11
    assert fresh.everything("/v1/pipelines", name="' or 1=1 --") == []


def test_a_cursor_belongs_to_its_order(fresh: Client) -> None:
    cursor = fresh.get("/v1/pipelines", params={"limit": 1}).json()["next_cursor"]
    for order in ("created_at", "name"):
        refused = fresh.get("/v1/pipelines", params={"cursor": cursor, "order": order})
        assert places(assert_problem(refused, 422, "invalid")) == ["cursor"]
    for forged in (cursor[:-3], cursor + "AAAA", cursor.swapcase(), cursor[::-1]):
        response = fresh.get("/v1/pipelines", params={"cursor": forged})
        assert response.status_code in (200, 422)
    assert fresh.get("/v1/pipelines", params={"cursor": cursor, "order": "-created_at"}).status_code == 200


def test_pages_while_things_are_added(client: Client) -> None:
    """Whoever reads to the end meets each thing that was there at the start exactly once."""
    before = [
        client.post("/v1/pipelines", json={"name": "steady", "spec": SPEC}).raise_for_status().json() for _ in range(40)
    ]
    done = threading.Event()

    def add() -> None:
        while not done.is_set():
            client.post("/v1/pipelines", json={"name": "steady", "spec": SPEC}).raise_for_status()

    with ThreadPoolExecutor(1) as thread:
        adding = thread.submit(add)
        try:
            for order in ("-created_at", "created_at"):
                position = before[-1]["position"]
                items = client.everything("/v1/pipelines", name="steady", limit=3, order=order, min_position=position)
                ids = [item["id"] for item in items]
                assert len(set(ids)) == len(ids)
                assert {thing["id"] for thing in before} <= set(ids)
                assert ids == sorted(ids, reverse=order.startswith("-"))
                if order == "created_at":
                    break
                done.set()  # in ascending order a list that grows for ever would have no end
        finally:
            done.set()
        adding.result()


def test_a_thing_can_be_read_right_after_it_was_made(client: Client) -> None:
    for _ in range(30):
        made = client.post("/v1/pipelines", json={"name": "at once", "spec": spec_for()})
        assert client.get(made.headers["location"]).status_code == 200


def test_min_position_shows_what_was_written(client: Client) -> None:
    stream = client.post("/v1/pipelines", json={"name": "n", "spec": SPEC}).json()["id"]
    for number in range(30):
        written = client.put(f"/v1/pipelines/{stream}", json={"name": f"n {number}", "spec": SPEC}).json()
        params = {"min_position": written["position"]}
        assert client.get(f"/v1/pipelines/{stream}", params=params).json()["name"] == f"n {number}"
        listed = client.get("/v1/pipelines", params={**params, "name": f"n {number}"}).json()["items"]
        assert stream in [item["id"] for item in listed]


PATHS = (
    "/v1/datasets",
    "/v1/pipelines",
    "/v1/jobs",
    "/v1/models",
    "/v1/deployments",
    "/v1/projections",
    "/v1/projections/jobs",
)


def test_every_query_takes_min_position(client: Client, dataset: str, model: str, deployment: str) -> None:
    job = client.everything("/v1/jobs", model_name=model)[0]["id"]
    one = (
        f"/v1/datasets/{dataset}",
        f"/v1/jobs/{job}",
        f"/v1/jobs/{job}/events",
        f"/v1/jobs/{job}/evaluation",
        f"/v1/models/{model}",
        f"/v1/models/{model}/versions",
        f"/v1/models/{model}/versions/1",
        f"/v1/models/{model}/versions/1/artifact",
        f"/v1/deployments/{deployment}",
    )
    head = client.head_position()
    for path in (*PATHS, *one):
        assert client.get(path, params={"min_position": head}).status_code == 200, path
        begun = time.monotonic()
        ahead = assert_problem(client.get(path, params={"min_position": 2**62}), 422, "invalid")
        assert time.monotonic() - begun < 4, "a position above the head is refused and not waited for"
        assert places(ahead) == ["min_position"]


def test_projections_are_a_list_like_others(client: Client) -> None:
    whole = [item["name"] for item in client.get("/v1/projections").json()["items"]]
    assert len(whole) > 4
    found: list[str] = []
    cursor = None
    while True:
        page = client.get("/v1/projections", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == whole
    named = client.get("/v1/projections", params={"order": "-name", "limit": 2}).json()["items"]
    assert [item["name"] for item in named] == sorted(whole, reverse=True)[:2]
    for query in ("limit=0", "order=colour", "cursor=x"):
        problem = assert_problem(client.get(f"/v1/projections?{query}"), 422, "invalid")
        assert places(problem)[0].rpartition(".")[2] == query.partition("=")[0]


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose projector does not run."""
    settings = settings_for(tmp_path_factory.mktemp("stalled"), position_seconds=0.3)
    with serving(settings, started=False) as server:
        yield server


def test_a_position_that_is_not_reached_is_503(stalled: Server) -> None:
    with stalled.client() as client:
        made = client.post("/v1/pipelines", json={"name": "n", "spec": SPEC})
        assert made.status_code == 201
        assert client.get("/v1/pipelines").json()["items"] == []
        begun = time.monotonic()
        for path in (*PATHS, made.headers["location"]):
            response = client.get(path, params={"min_position": made.json()["position"]})
            assert_problem(response, 503, "unavailable")
            assert int(response.headers["retry-after"]) >= 1
        unseen = client.get(made.headers["location"])
        assert_problem(unseen, 503, "unavailable")
        assert time.monotonic() - begun >= 0.3 * (len(PATHS) + 2)
        assert_problem(client.get("/v1/pipelines/pipeline-0"), 404)
        stalled.runtime.projector.catch_up()
        assert client.get(made.headers["location"]).status_code == 200


def test_while_a_history_is_behind_lists_wait_and_one_thing_does_not(stalled: Server) -> None:
    with stalled.client() as client:
        made = client.post("/v1/pipelines", json={"name": "n", "spec": SPEC}).json()
        params = {"as_of": made["position"]}
        response = client.get("/v1/pipelines", params=params)
        assert_problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
        assert client.get(f"/v1/pipelines/{made['id']}", params=params).json()["name"] == "n"
        stalled.runtime.projector.catch_up()
        assert client.get("/v1/pipelines", params=params).json()["items"][0]["id"] == made["id"]


def test_waiting_does_not_keep_others_waiting(stalled: Server) -> None:
    with stalled.client() as client:
        position = client.post("/v1/pipelines", json={"name": "n", "spec": SPEC}).json()["position"]
        with ThreadPoolExecutor(30) as threads:
            waiting = [threads.submit(client.get, "/v1/jobs", params={"min_position": position}) for _ in range(30)]
            assert client.get("/v1/jobs").status_code == 200
            stalled.runtime.projector.catch_up()
            assert {one.result().status_code for one in waiting} <= {200, 503}
        assert client.get("/v1/jobs", params={"min_position": position}).status_code == 200


def test_projections_say_how_far_they_are(client: Client) -> None:
    head = client.head_position()
    listed = client.get("/v1/projections", params={"min_position": head}).json()
    assert listed["next_cursor"] is None
    assert {item["name"] for item in listed["items"]} >= {"datasets", "pipelines", "jobs", "models", "deployments"}
    for item in listed["items"]:
        assert (item["status"], item["parked"]) == ("live", [])
        assert item["position"] >= head
    assert client.get("/v1/projections/jobs").json()["name"] == "jobs"


def test_a_rebuild_leaves_everything_readable(client: Client, dataset: str) -> None:
    before = client.everything("/v1/datasets")
    build = client.get("/v1/projections/datasets").json()["build"]
    asked = client.post("/v1/projections/datasets/rebuild")
    assert (asked.status_code, asked.json()["name"]) == (202, "datasets")
    deadline = time.monotonic() + 30
    while client.get("/v1/projections/datasets").json()["build"] <= build:
        assert client.get(f"/v1/datasets/{dataset}").status_code == 200
        assert time.monotonic() < deadline
    assert client.everything("/v1/datasets") == before


def test_nodes_are_described(client: Client) -> None:
    nodes = {node["name"]: node for node in client.get("/v1/nodes").json()["items"]}
    assert set(nodes) >= {"impute", "scale", "one_hot", "ordinal", "logistic_regression", "random_forest", "ridge"}
    assert nodes["ridge"]["tasks"] == ["regression"]
    assert nodes["impute"]["kind"] == "step"
    assert "strategy" in nodes["impute"]["params"]["properties"]
    assert all(node["doc"] for node in nodes.values())


def test_health(client: Client, stalled: Server) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready", "role": "all"}
