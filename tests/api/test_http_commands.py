"""What every command keeps to: statuses, answers, headers, Idempotency-Key, If-Match."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from live import Client, Server, assert_problem, csv_of, spec_for

from skyulf.tracing import continued

SPEC = {"task": "classification", "target": "kind", "model": {"node": "logistic_regression"}}
OTHER = {"task": "classification", "target": "kind", "model": {"node": "random_forest"}}


def pipeline(client: Client, name: str = "a pipeline", **headers: str) -> httpx.Response:
    return client.post("/v1/pipelines", json={"name": name, "spec": SPEC}, headers=headers)


def at_once(times: int, send: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(send, range(times)))


def events_of(client: Client, stream: str) -> list[str]:
    page = client.get("/v1/events", params={"stream": stream, "limit": 1000}).raise_for_status().json()
    return [event["type"].removeprefix("skyulf.") for event in page]


def assert_answer(response: httpx.Response, status: int, stream: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    assert response.headers["etag"] == f'"{answer["version"]}"'
    assert answer["position"] > 0
    if stream is not None:
        assert answer["id"] == stream
    return answer


def test_creating_a_pipeline_says_where_it_is(client: Client) -> None:
    response = pipeline(client)
    answer = assert_answer(response, 201)
    assert set(answer) == {"id", "version", "position"}
    assert answer["version"] == 1
    assert response.headers["location"] == f"/v1/pipelines/{answer['id']}"
    assert client.get(response.headers["location"]).json()["spec"] == SPEC


def test_revising_and_archiving_a_pipeline(client: Client) -> None:
    stream = pipeline(client).json()["id"]
    revised = client.put(f"/v1/pipelines/{stream}", json={"name": "b", "spec": OTHER})
    assert assert_answer(revised, 200, stream)["version"] == 2
    again = client.put(f"/v1/pipelines/{stream}", json={"name": "b", "spec": OTHER})
    assert again.json() == revised.json()
    archived = client.delete(f"/v1/pipelines/{stream}")
    assert assert_answer(archived, 200, stream)["version"] == 3
    assert client.delete(f"/v1/pipelines/{stream}").json() == archived.json()
    assert_problem(client.put(f"/v1/pipelines/{stream}", json={"name": "c", "spec": SPEC}), 409, "not-allowed")
    shown = client.get(f"/v1/pipelines/{stream}", params={"min_position": archived.json()["position"]}).json()
    assert (shown["name"], shown["spec"], shown["archived"]) == ("b", OTHER, True)
    assert events_of(client, stream) == ["PipelineCreated", "PipelineRevised", "PipelineArchived"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/pipelines/pipeline-0", {"name": "a", "spec": SPEC}),
        ("DELETE", "/v1/pipelines/pipeline-0", None),
        ("DELETE", "/v1/pipelines/job-0", None),
        ("POST", "/v1/jobs", {"dataset_id": "dataset-0", "spec": SPEC}),
        ("POST", "/v1/jobs/job-0/cancel", None),
        ("POST", "/v1/jobs/job-0/retry", None),
        ("PUT", "/v1/models/nobody/aliases/a", {"model_version": 1, "reason": "r"}),
        ("DELETE", "/v1/models/nobody/aliases/a", None),
        ("DELETE", "/v1/models/nobody/versions/1?reason=r", None),
        ("PUT", "/v1/deployments/nobody", {"model": "nobody", "model_version": 1, "reason": "r"}),
        ("POST", "/v1/deployments/nobody/rollback", None),
        ("DELETE", "/v1/deployments/nobody", None),
        ("POST", "/v1/deployments/nobody/predict", {"rows": [{"a": 1}]}),
        ("POST", "/v1/projections/nobody/rebuild", None),
        ("POST", "/v1/projections/jobs/parked/a%2Fb/retry", None),
        ("GET", "/v1/pipelines/pipeline-0", None),
        ("GET", "/v1/datasets/dataset-0", None),
        ("GET", "/v1/jobs/job-0", None),
        ("GET", "/v1/jobs/job-0/events", None),
        ("GET", "/v1/jobs/job-0/evaluation", None),
        ("GET", "/v1/models/nobody", None),
        ("GET", "/v1/models/nobody/versions", None),
        ("GET", "/v1/models/nobody/versions/1", None),
        ("GET", "/v1/models/nobody/versions/1/artifact", None),
        ("GET", "/v1/deployments/nobody", None),
        ("GET", "/v1/projections/nobody", None),
    ],
)
def test_what_does_not_exist_is_404(client: Client, method: str, path: str, body: Any) -> None:
    assert_problem(client.request(method, path, json=body), 404, "not-found")


def test_a_version_for_a_dataset_that_does_not_exist_is_404(client: Client) -> None:
    assert_problem(client.upload(csv_of(), path="/v1/datasets/dataset-0/versions"), 404, "not-found")


def test_etag_and_if_none_match(client: Client, dataset: str, model: str, deployment: str) -> None:
    job = client.everything("/v1/jobs", model_name=model)[0]["id"]
    stream = pipeline(client).json()["id"]
    for path in (
        f"/v1/pipelines/{stream}",
        f"/v1/datasets/{dataset}",
        f"/v1/jobs/{job}",
        f"/v1/jobs/{job}/evaluation",
        f"/v1/models/{model}",
        f"/v1/models/{model}/versions/1",
        f"/v1/models/{model}/versions/1/artifact",
        f"/v1/deployments/{deployment}",
    ):
        shown = client.get(path)
        tag = shown.headers["etag"]
        assert tag.startswith('"')
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            unchanged = client.get(path, headers={"If-None-Match": known})
            assert unchanged.status_code == 304, (path, known)
            assert unchanged.content == b""
            assert unchanged.headers["etag"] == tag
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_etag_of_a_get_is_what_if_match_takes(client: Client) -> None:
    stream = pipeline(client).json()["id"]
    tag = client.get(f"/v1/pipelines/{stream}").headers["etag"]
    body = {"name": "b", "spec": SPEC}
    assert client.put(f"/v1/pipelines/{stream}", json=body, headers={"If-Match": tag}).status_code == 200
    stale = assert_problem(
        client.put(f"/v1/pipelines/{stream}", json={**body, "name": "c"}, headers={"If-Match": tag}),
        412,
        "precondition-failed",
    )
    assert stale["current_version"] == 2


@pytest.mark.parametrize("tag", ['"1"', "1", "*", '"other", "1"'])
def test_if_match_that_matches(client: Client, tag: str) -> None:
    stream = pipeline(client).json()["id"]
    assert client.delete(f"/v1/pipelines/{stream}", headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("tag", ['W/"1"', '"2"', '"other"', "", '"', '"1', '"1", "2"', "-1", '"-1"', "9" * 40, '"٣"'])
def test_if_match_that_does_not_match(client: Client, tag: str) -> None:
    stream = pipeline(client).json()["id"]
    response = client.delete(f"/v1/pipelines/{stream}", headers={"If-Match": tag.encode()})
    assert assert_problem(response, 412)["current_version"] == 1
    assert events_of(client, stream) == ["PipelineCreated"]


def test_if_match_on_a_deployment_that_is_not_there_yet(client: Client, model: str) -> None:
    body = {"model": model, "model_version": 1, "reason": "r"}
    path = "/v1/deployments/not-there-yet"
    for tag in ("*", '"1"'):
        refused = client.put(path, json=body, headers={"If-Match": tag})
        assert assert_problem(refused, 412)["current_version"] == 0
    assert client.put(path, json=body, headers={"If-Match": '"0"'}).status_code == 201
    assert client.put(path, json=body, headers={"If-Match": "*"}).status_code == 200


def test_of_twenty_edits_with_one_if_match_one_wins(client: Client) -> None:
    stream = pipeline(client).json()["id"]

    def edit(number: int) -> httpx.Response:
        body = {"name": f"edit {number}", "spec": SPEC}
        return client.put(f"/v1/pipelines/{stream}", json=body, headers={"If-Match": '"1"'})

    responses = at_once(20, edit)
    assert sorted(response.status_code for response in responses) == [200] + [412] * 19
    for response in responses:
        if response.status_code == 412:
            assert assert_problem(response, 412)["current_version"] == 2
    assert events_of(client, stream) == ["PipelineCreated", "PipelineRevised"]


def test_the_same_key_gives_the_same_answer(client: Client) -> None:
    first = pipeline(client, **{"Idempotency-Key": '"key one"'})
    bare = pipeline(client, **{"Idempotency-Key": "key one"})
    assert (bare.status_code, bare.json()) == (201, first.json())
    for header in ("etag", "location"):
        assert bare.headers[header] == first.headers[header]
    stream = first.json()["id"]
    client.delete(f"/v1/pipelines/{stream}").raise_for_status()
    late = pipeline(client, **{"Idempotency-Key": "key one"})
    assert (late.status_code, late.json()) == (201, first.json())


def test_another_payload_under_a_used_key_is_refused(client: Client) -> None:
    key = {"Idempotency-Key": "key two"}
    pipeline(client, "first", **key).raise_for_status()
    assert_problem(pipeline(client, "second", **key), 422, "idempotency-key-reused")
    stream = pipeline(client).json()["id"]
    assert_problem(client.delete(f"/v1/pipelines/{stream}", headers=key), 422, "idempotency-key-reused")


def test_a_used_key_is_answered_before_if_match_is_looked_at(client: Client) -> None:
    stream = pipeline(client).json()["id"]
    headers = {"Idempotency-Key": "key three", "If-Match": '"1"'}
    first = client.delete(f"/v1/pipelines/{stream}", headers=headers)
    again = client.delete(f"/v1/pipelines/{stream}", headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())


def test_the_reason_is_part_of_the_payload(client: Client, model: str) -> None:
    key = {"Idempotency-Key": "key four"}
    body = {"model": model, "model_version": 1, "reason": "good"}
    assert client.put("/v1/deployments/reasoned", json=body, headers=key).status_code == 201
    assert client.put("/v1/deployments/reasoned", json=body, headers=key).status_code == 201
    other = client.put("/v1/deployments/reasoned", json={**body, "reason": "bad"}, headers=key)
    assert_problem(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "schlüssel", "a\tb"])
def test_keys_that_cannot_be_used(client: Client, key: str) -> None:
    problem = assert_problem(pipeline(client, **{"Idempotency-Key": key.encode()}), 422)  # type: ignore[arg-type]
    assert problem["errors"][0]["place"] == "Idempotency-Key"


def test_a_refused_command_is_decided_anew(client: Client) -> None:
    key = {"Idempotency-Key": "key five"}
    bad = client.post("/v1/pipelines", json={"name": "n", "spec": {}}, headers=key)
    assert_problem(bad, 422, "invalid")
    assert pipeline(client, "n", **key).status_code == 201


def test_one_command_twenty_times_at_once(client: Client) -> None:
    responses = at_once(20, lambda _: pipeline(client, "twenty", **{"Idempotency-Key": "twenty"}))
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    assert len({response.headers["location"] for response in responses}) == 1
    assert events_of(client, responses[0].json()["id"]) == ["PipelineCreated"]
    named = client.get("/v1/pipelines", params={"name": "twenty", "min_position": responses[0].json()["position"]})
    assert len(named.json()["items"]) == 1


def test_one_job_twenty_times_at_once(client: Client, dataset: str) -> None:
    body = {"dataset_id": dataset, "spec": spec_for()}
    responses = at_once(20, lambda _: client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "one job"}))
    assert {response.status_code for response in responses} == {202}
    assert len({response.text for response in responses}) == 1
    job = client.ended(responses[0].json()["id"])
    assert job["status"] == "succeeded"
    assert events_of(client, job["id"]).count("JobCreated") == 1


def test_eight_first_deployments_at_once(client: Client, model: str) -> None:
    def deploy(number: int) -> httpx.Response:
        body = {"model": model, "model_version": number % 3 + 1, "reason": f"number {number}"}
        return client.put("/v1/deployments/contested", json=body)

    responses = at_once(8, deploy)
    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert {response.json()["id"] for response in responses} == {"deployment-contested"}
    position = max(response.json()["position"] for response in responses)
    shown = client.get("/v1/deployments/contested", params={"min_position": position}).json()
    last = max(responses, key=lambda response: response.json()["version"]).json()
    assert shown["model_version"] == last["model_version"]
    assert events_of(client, "deployment-contested").count("DeploymentCreated") == 1


def test_commands_carry_their_trace_and_their_actor(client: Client) -> None:
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for sent in (good, None, "00-nonsense", good.replace("4bf9", "ZZZZ")):
        headers = {} if sent is None else {"traceparent": sent}
        stream = pipeline(client, **headers).json()["id"]
        (event,) = client.get("/v1/events", params={"stream": stream}).json()
        kept = event.get("traceparent")
        if sent in (good, None):
            assert kept == sent
        else:  # begun anew
            assert continued(kept.encode()) == kept
            assert good[3:35] not in kept
        assert (event["actor"], event["actorkind"]) == ("local", "human")


def test_commands_while_the_bus_is_full_are_503(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from skyulf.errors import Unavailable

    def full(*_: Any) -> Any:
        raise Unavailable("too many commands are waiting; send it again in a moment", retry_after=2)

    monkeypatch.setattr(server.runtime.bus, "ask", full)
    response = pipeline(client)
    assert_problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "2"
