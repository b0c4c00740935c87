"""Who gets in: every route for every role, by one table, and what becomes of keys and of those turned away."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from live import Client, Server, assert_problem, csv_of, serving, settings_for, spec_for, until

from api.permissions import OPEN, PERMISSIONS, operation_of, page
from api.security import LOCAL_ACTOR
from skyulf.commands.access import IssueKey
from skyulf.commands.base import Context
from skyulf.events.access import Role
from skyulf.queries.access import hash_of, key_of

ROLES: tuple[Role, ...] = get_args(Role)


def first_key(server: Server) -> str:
    """The key of an admin, issued as who has the log does it."""
    command = IssueKey(name="admin", roles=("admin",), hash=hash_of("first"))
    answer = server.runtime.bus.send(command, Context(actor=LOCAL_ACTOR)).result()
    server.runtime.keyring.refresh()
    return key_of(answer.id, "first")


class Office:
    """A server that demands keys, and a client for each role."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._clients = ExitStack()
        self.stranger = self._clients.enter_context(server.client())
        self.admin = self.holder(first_key(server))
        self.by_role = {role: self.holder(self.issue(self.admin, role, [role])["key"]) for role in ROLES}

    def __enter__(self) -> "Office":
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.close()

    def issue(self, client: httpx.Client, name: str, roles: list[str], **more: Any) -> dict[str, Any]:
        answer = client.post("/v1/keys", json={"name": name, "roles": roles, **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def holder(self, key: str) -> Client:
        return self._clients.enter_context(self.server.client(headers={"Authorization": f"Bearer {key}"}))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with serving(settings_for(tmp_path_factory.mktemp("office"))) as server, Office(server) as office:
        yield office


def operations(server: Server) -> set[str]:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_the_table_holds_every_route_and_no_other(server: Server) -> None:
    known = {re.sub(r":path}", "}", operation) for operation in PERMISSIONS} - {"GET /openapi.json"}
    assert operations(server) - {f"GET {path}" for path in OPEN} == known


def test_the_page_of_the_documentation_is_the_table() -> None:
    stored = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    assert stored == page(), "run python -m api.permissions > docs/access.md"


def test_each_route_is_found_by_a_path_of_its_kind() -> None:
    for operation in PERMISSIONS:
        method, path = operation.split(" ", 1)
        assert operation_of(method, re.sub(r"\{[^}]*\}", "some-thing.1", path)) == operation
        assert operation_of("PATCH", path) == "other"
        if not path.endswith(":path}"):
            assert operation_of(method, f"{path}/x/y/z") == "other"


@pytest.mark.parametrize("operation", sorted(PERMISSIONS))
def test_every_route_for_every_role(office: Office, operation: str) -> None:
    method, path = operation.split(" ", 1)
    # What it is asked for is not there, or no JSON: who may ask is told so, and nothing changes.
    asked = re.sub(r"\{[^}]*\}", "0", path)
    for role, client in office.by_role.items():
        response = client.request(method, asked, content=b"{", headers={"Content-Type": "application/json"})
        if role in PERMISSIONS[operation]:
            assert response.status_code not in (401, 403), (role, response.text)
        else:
            problem = assert_problem(response, 403, "forbidden")
            assert all(one in problem["detail"] for one in PERMISSIONS[operation])
    refused = office.stranger.request(method, asked)
    assert_problem(refused, 401, "unauthorized")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_no_program_locks_others_out_by_a_first_key(server: Server, client: Client) -> None:
    before = client.head_position()
    assert_problem(client.post("/v1/keys", json={"name": "x", "roles": ["admin"]}), 403, "forbidden")
    assert client.head_position() == before
    assert not server.runtime.keyring.demanded


def test_health_needs_no_key(office: Office) -> None:
    for path in OPEN:
        assert office.stranger.get(path).status_code == 200


@pytest.mark.parametrize("host", ["example.com", "localhost"])
def test_with_a_key_any_host_name_will_do(office: Office, host: str) -> None:
    assert office.admin.get("/v1/jobs", headers={"Host": host, "Origin": "http://example.com"}).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PATCH", "/v1/jobs", 405)])
def test_what_no_route_takes(office: Office, method: str, path: str, status: int) -> None:
    response = office.admin.request(method, path)
    assert_problem(response, status)
    if status == 405:
        assert response.headers["Allow"] == "GET, POST"


def test_a_whole_story_names_who_did_what(office: Office) -> None:
    made = office.issue(office.admin, "Ann", ["scientist"], actor="ann")
    ann = office.holder(made["key"])
    dataset = ann.upload(csv_of(), name="colours").json()["id"]
    job = ann.trained(dataset, spec_for(node="logistic_regression"), "colours")
    assert job["status"] == "succeeded"
    body = {"model": "colours", "model_version": 1, "reason": "the first"}
    assert_problem(ann.put("/v1/deployments/shop", json=body), 403)
    assert office.by_role["operator"].put("/v1/deployments/shop", json=body).status_code == 201
    events = office.by_role["auditor"].get("/v1/events?limit=1000").json()
    actors = {event["type"]: event["actor"] for event in events}
    assert (actors["skyulf.DatasetCreated"], actors["skyulf.JobCreated"]) == ("ann", "ann")
    assert actors["skyulf.DeploymentRolledOut"].startswith("access-")
    assert actors["skyulf.ModelTrained"].startswith("worker-")


def test_a_key_is_shown_once_and_kept_nowhere(office: Office) -> None:
    body = {"name": "Bob", "roles": ["viewer"]}
    headers = {"Idempotency-Key": "bobs-key"}
    first = office.admin.post("/v1/keys", json=body, headers=headers)
    again = office.admin.post("/v1/keys", json=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.headers["Cache-Control"] == "no-store"
    assert (again.json()["id"], again.json()["key"]) == (first.json()["id"], None)
    secret = first.json()["key"].rpartition(".")[2]
    shown = office.admin.get(f"/v1/keys/{first.json()['id']}", params={"min_position": first.json()["position"]})
    listed = office.admin.get("/v1/keys").text
    feed = office.admin.get("/v1/events?limit=1000").text
    assert all(secret not in text for text in (shown.text, listed, feed))
    assert "hash" not in shown.json()


def test_a_revoked_key_and_a_revoked_role_open_nothing_from_the_answer_on(office: Office) -> None:
    made = office.issue(office.admin, "Eve", ["viewer", "scientist"])
    eve = office.holder(made["key"])
    pipeline = {"name": "p", "spec": {"task": "classification", "target": "y"}}
    assert eve.post("/v1/pipelines", json=pipeline).status_code == 201
    assert office.admin.delete(f"/v1/keys/{made['id']}/roles/scientist").status_code == 200
    assert_problem(eve.post("/v1/pipelines", json=pipeline), 403)
    assert eve.get("/v1/jobs").status_code == 200
    assert office.admin.put(f"/v1/keys/{made['id']}/roles/scientist").status_code == 200
    assert eve.post("/v1/pipelines", json=pipeline).status_code == 201
    assert office.admin.delete(f"/v1/keys/{made['id']}").status_code == 200
    assert_problem(eve.get("/v1/jobs"), 401)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Basic YTpi", "Bearer sk_x", "sk_x", "Bearer \xff", "Bearer sk_.", "Bearer ."]
)
def test_what_is_no_key(office: Office, authorization: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")}
    assert_problem(office.stranger.get("/v1/jobs", headers=headers), 401, "unauthorized")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "roles": []},
        {"name": "x", "roles": ["king"]},
        {"name": "x", "roles": ["viewer"], "actor": "local"},
        {"name": "x", "roles": ["viewer"], "actor": "a b"},
        {"name": "x", "roles": ["viewer"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "roles": ["viewer"], "expires_at": "2099-01-01T00:00:00"},
        {"name": "x", "roles": ["viewer"], "key": "mine"},
    ],
)
def test_orders_for_keys_that_cannot_be(office: Office, body: dict[str, Any]) -> None:
    assert_problem(office.admin.post("/v1/keys", json=body), 422, "invalid")


def test_a_key_that_expires(office: Office) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.7)).isoformat()
    brief = office.holder(office.issue(office.admin, "brief", ["viewer"], expires_at=soon)["key"])
    assert brief.get("/v1/jobs").status_code == 200
    until(lambda: brief.get("/v1/jobs").status_code == 401, 5)


def test_denials_are_recorded_counted_and_without_what_was_sent(tmp_path: Any) -> None:
    with serving(settings_for(tmp_path)) as server, Office(server) as office:
        for _ in range(3):
            office.stranger.get("/v1/models/secret-name", headers={"Authorization": "Bearer sk_secret.secret"})
        office.by_role["viewer"].post("/v1/jobs", json={})
        log = server.runtime.log
        # Ends the app, which records what is left.
    denied = [recorded for recorded in log.read(0, 1000).events if recorded.type == "CommandsDenied"]
    texts = b"".join(recorded.data for recorded in denied)
    assert b"secret" not in texts
    counted = {(d["operation"], d["status"]): d["count"] for r in denied for d in json.loads(r.data)["denials"]}
    assert counted == {("GET /v1/models/{name}", 401): 3, ("POST /v1/jobs", 403): 1}


def test_a_key_used_too_often_is_told_when_to_come_again(tmp_path: Any) -> None:
    with serving(settings_for(tmp_path, key_requests_per_second=2)) as server, server.client() as stranger:
        order = {"name": "quick", "roles": ["viewer", "admin"]}
        quick = {"Authorization": f"Bearer {first_key(server)}"}
        other = stranger.post("/v1/keys", json=order, headers=quick).json()["key"]
        answers = [stranger.get("/v1/nodes", headers=quick) for _ in range(10)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused
        for answer in refused:
            assert_problem(answer, 429, "too-many-requests")
            assert int(answer.headers["Retry-After"]) >= 1
        another = {"Authorization": f"Bearer {other}"}
        assert stranger.get("/v1/nodes", headers=another).status_code == 200, "another key has a rate of its own"
        until(lambda: stranger.get("/v1/nodes", headers=quick).status_code == 200, 5)
