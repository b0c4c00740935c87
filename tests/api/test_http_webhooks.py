"""Webhooks over HTTP: made, changed, replayed and removed; what waits; what is refused, and in which words."""

from collections.abc import Iterator
from typing import Any

import pytest
from live import Client, Server, spec_for, until
from receiver import Receiver, receiving

NOWHERE = "http://127.0.0.1:9/hook"
"""Where nobody listens; nothing of the kind that is asked for here ever happens on this server."""

QUIET = {"url": NOWHERE, "types": ["PipelineArchived"]}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def webhook(client: Client) -> str:
    return str(client.post("/v1/webhooks", json=QUIET).raise_for_status().json()["id"])


def shown(client: Client, webhook: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/v1/webhooks/{webhook}").raise_for_status().json()
    return answer


def test_making_one_shows_its_secret_this_once(client: Client, server: Server) -> None:
    headers = {"Idempotency-Key": "a webhook"}
    answer = client.post("/v1/webhooks", json=QUIET, headers=headers)
    assert answer.status_code == 201
    made = answer.json()
    assert made["secret"].startswith("whsec_")
    assert answer.headers["location"] == f"/v1/webhooks/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    again = client.post("/v1/webhooks", json=QUIET, headers=headers).json()
    assert again == {**made, "secret": None}
    webhook = client.get(f"/v1/webhooks/{made['id']}", params={"min_position": made["position"]})
    assert webhook.headers["etag"] == '"1"'
    assert webhook.json()["has_secret"]
    secret = made["secret"].removeprefix("whsec_")
    for told in (webhook.text, client.get("/v1/webhooks").text, client.get("/v1/events?limit=1000").text):
        assert secret not in told


def test_it_is_listed_and_changed_and_removed(client: Client, webhook: str) -> None:
    assert webhook in [item["id"] for item in client.get("/v1/webhooks?removed=false").json()["items"]]
    change = {"url": f"{NOWHERE}/other", "nouns": ["access"], "paused": True, "reason": "a move"}
    changed = client.put(f"/v1/webhooks/{webhook}", json=change).raise_for_status().json()
    found = client.get(f"/v1/webhooks/{webhook}", params={"min_position": changed["position"]}).json()
    assert (found["url"], found["types"], found["nouns"], found["paused"]) == (change["url"], [], ["access"], True)
    assert found["version"] == changed["version"] == 3
    stale = client.delete(f"/v1/webhooks/{webhook}", headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    then = client.get(f"/v1/webhooks/{webhook}", params={"as_of": changed["position"] - 2}).json()
    assert (then["url"], then["paused"], then["position"]) == (NOWHERE, False, None)
    listed = client.get("/v1/webhooks", params={"as_of": changed["position"] - 2, "limit": 1}).json()["items"]
    assert [item["id"] for item in listed] == [webhook]
    gone = client.delete(f"/v1/webhooks/{webhook}", params={"reason": "it is over"}).raise_for_status().json()
    found = client.get(f"/v1/webhooks/{webhook}", params={"min_position": gone["position"]}).json()
    assert found["removed"]
    event = client.get(f"/v1/events?stream={webhook}").json()[-1]
    assert (event["type"], event["reason"]) == ("skyulf.WebhookRemoved", "it is over")
    refusal = client.put(f"/v1/webhooks/{webhook}", json=QUIET)
    assert (refusal.status_code, "removed" in refusal.json()["detail"]) == (409, True)


def test_its_history_says_what_was_changed_and_never_the_secret(client: Client, webhook: str) -> None:
    change = {"url": f"{NOWHERE}/moved", "types": ["PipelineArchived"], "paused": True, "reason": "a move"}
    changed = client.put(f"/v1/webhooks/{webhook}", json=change).raise_for_status().json()
    found = client.get(f"/v1/audit/webhook/{webhook}").raise_for_status()
    created, moved, paused = found.json()["items"]
    assert (created["type"], moved["reason"]) == ("WebhookCreated", "a move")
    assert moved["changes"] == [{"place": "url", "before": NOWHERE, "after": f"{NOWHERE}/moved"}]
    assert paused["changes"] == [{"place": "paused", "before": False, "after": True}]
    assert "secret_hash" not in found.text
    asked = {"from": created["position"], "to": changed["position"]}
    different = client.get(f"/v1/audit/webhook/{webhook}/diff", params=asked).raise_for_status().json()["changes"]
    assert {each["place"] for each in different} == {"url", "paused"}
    assert client.get(f"/v1/lineage/webhook/{webhook}").status_code == 422


def test_a_secret_that_is_replaced_is_another(client: Client, webhook: str) -> None:
    before = shown(client, webhook)
    made = client.post(f"/v1/webhooks/{webhook}/secret").raise_for_status().json()
    assert made["secret"].startswith("whsec_")
    after = client.get(f"/v1/webhooks/{webhook}", params={"min_position": made["position"]}).json()
    assert after["secret_at"] > before["secret_at"]
    assert after["has_secret"]


@pytest.mark.parametrize(
    ("body", "place", "named"),
    [
        ({}, "body.url", "required"),
        ({"url": ""}, "body.url", "at least 1"),
        ({"url": "ftp://example.org/"}, "url", "https or http"),
        ({"url": "example.org"}, "url", "https or http"),
        ({"url": "http://10.0.0.1/"}, "url", "SKYULF_WEBHOOK_HOSTS"),
        ({"url": "http://[::1]/"}, "url", "SKYULF_WEBHOOK_HOSTS"),
        ({"url": "http://169.254.169.254/latest"}, "url", "SKYULF_WEBHOOK_HOSTS"),
        ({**QUIET, "types": ["JobMade"]}, "types", "JobCreated"),
        ({**QUIET, "nouns": ["jobs"]}, "nouns", "deployment"),
        ({**QUIET, "streams": ["irises"]}, "streams", "model-NAME"),
        ({**QUIET, "nouns": ["model"]}, "filter", "nothing"),
        ({**QUIET, "after": 10**9}, "after", "up to the log's head"),
        ({**QUIET, "after": -1}, "body.after", "greater than or equal to 0"),
        ({**QUIET, "secret": "mine"}, "body.secret", "not permitted"),
    ],
)
def test_what_cannot_be_is_refused_naming_what_was_expected(
    client: Client, body: dict[str, Any], place: str, named: str
) -> None:
    answer = client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["place"] == place
    assert named in fault["message"]


def test_a_replay_begins_where_the_log_has_got_to(client: Client, webhook: str) -> None:
    refusal = client.post(f"/v1/webhooks/{webhook}/replay", json={"after": 10**9})
    assert (refusal.status_code, "up to the log's head" in refusal.json()["detail"]) == (422, True)
    answer = client.post(f"/v1/webhooks/{webhook}/replay", json={"after": 0, "reason": "once more"})
    assert answer.status_code == 202
    found = client.get(f"/v1/webhooks/{webhook}", params={"min_position": answer.json()["position"]}).json()
    assert found["after"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", QUIET),
        ("DELETE", "", None),
        ("POST", "/secret", None),
        ("POST", "/replay", {"after": 0}),
        ("GET", "/waiting", None),
        ("POST", "/waiting/job-1/retry", None),
        ("POST", "/waiting/job-1/skip", {"position": 1, "reason": "why"}),
    ],
)
def test_one_that_is_not_there_is_not_found(client: Client, method: str, path: str, body: Any) -> None:
    answer = client.request(method, f"/v1/webhooks/webhook-0{path}", json=body)
    assert (answer.status_code, "there is no webhook" in answer.json()["detail"]) == (404, True)


def test_what_waits_is_shown_and_skipped_and_the_rest_comes(client: Client, receiver: Receiver, server: Server) -> None:
    receiver.answer = lambda delivery: 204 if delivery.event["streamversion"] != 1 else 500
    pipeline = client.post("/v1/pipelines", json={"name": "hooked", "spec": spec_for()}).raise_for_status().json()
    made = (
        client.post(
            "/v1/webhooks", json={"url": receiver.url, "streams": [pipeline["id"]], "after": pipeline["position"] - 1}
        )
        .raise_for_status()
        .json()
    )
    client.put(f"/v1/pipelines/{pipeline['id']}", json={"name": "other", "spec": spec_for()}).raise_for_status()
    path = f"/v1/webhooks/{made['id']}/waiting"

    (item,) = until(lambda: client.get(path).json()["items"])
    assert (item["stream"], item["position"], item["error"]) == (pipeline["id"], pipeline["position"], "answered 500")
    assert client.get(path, params={"parked": True}).json()["items"] == []
    assert shown(client, made["id"])["waiting"] == 1
    one = f"{path}/{pipeline['id']}"
    assert client.post(f"{one}/retry", json={"reason": "it was mended"}).status_code == 202
    other = client.post(f"{one}/skip", json={"position": 10**6, "reason": "why"})
    assert (other.status_code, str(pipeline["position"]) in other.json()["detail"]) == (422, True)
    without = client.post(f"{one}/skip", json={"position": pipeline["position"]})
    assert without.json()["errors"][0]["place"] == "body.reason"
    assert client.post(f"{path}/job-1/retry").status_code == 404

    body = {"position": pipeline["position"], "reason": "it cannot be read"}
    client.post(f"{one}/skip", json=body).raise_for_status()
    until(lambda: receiver.taken)
    assert receiver.taken[0].event["streamversion"] == 2
    assert receiver.taken[0].signed_with(made["secret"])
    assert until(lambda: (found := shown(client, made["id"])) and not found["waiting"] and found)["skipped"] == 1
    metrics = client.get("/metrics").text
    assert f'skyulf_webhook_attempts_total{{outcome="delivered",webhook="{made["id"]}"}} 1.0' in metrics
    assert f'skyulf_webhook_parked_streams{{webhook="{made["id"]}"}} 0.0' in metrics


def test_health_tells_of_what_is_parked(client: Client, server: Server, webhook: str) -> None:
    from datetime import UTC, datetime

    from skyulf.events.delivery_store import Progress, Waiting

    now = datetime.now(UTC)
    parked = Waiting("job-1", 1, 12, "answered 500", now, now, parked=True)
    server.runtime.deliveries.save("webhook-other", Progress(1, 1, (parked,)))
    try:
        told = client.get("/health/ready")
        assert (told.status_code, told.json()["parked_deliveries"]) == (200, "streams that wait: 1 of webhook-other")
    finally:
        server.runtime.deliveries.forget("webhook-other")
    assert "parked_deliveries" not in client.get("/health/ready").json()
