"""Every error is a problem document, whatever is sent, and nothing that was sent comes back in it."""

import json

import pytest
from live import Client, Server, assert_problem, places, spec_for

JSON = {"Content-Type": "application/json"}

COMMANDS = (
    ("POST", "/v1/pipelines"),
    ("PUT", "/v1/pipelines/pipeline-0"),
    ("POST", "/v1/jobs"),
    ("PUT", "/v1/models/m/aliases/a"),
    ("PUT", "/v1/deployments/d"),
    ("POST", "/v1/datasets"),
)
"""Routes whose body must be an object."""


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/nothing", "/v2/jobs", "/v1/jobs/a/b/c", "/v1/jobs/", "/%00"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_paths(client: Client, method: str, path: str) -> None:
    response = client.request(method, path, follow_redirects=False)
    if response.status_code == 307:  # a slash too many is forgiven
        response = client.request(method, response.headers["location"])
        assert response.status_code < 500
    else:
        assert response.status_code in (404, 405)
        assert_problem(response, response.status_code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/jobs", "GET, POST"),
        ("PATCH", "/v1/pipelines/pipeline-0", "DELETE, GET, PUT"),
        ("PUT", "/v1/deployments/d/predict", "POST"),
        ("POST", "/v1/events", "GET"),
        ("TRACE", "/v1/models/m/versions/1", "DELETE, GET"),
        ("POST", "/health/live", "GET"),
    ],
)
def test_unknown_methods_name_the_known_ones(client: Client, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(("method", "path"), COMMANDS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"1",
        b'"text"',
        b"{}",
        b'{"name": NaN}',
        b'{"name": Infinity, "spec": -Infinity}',
        b'{"spec": {"a": 1e999}}',
        b'{"\xff": 1}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"spec": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        b'{"spec": ' + b'{"a":[' * 55 + b"1" + b"]}" * 55 + b"}",
        b'{"secret-12345": 1}',
    ],
)
def test_bodies_that_cannot_be(client: Client, method: str, path: str, body: bytes) -> None:
    problem = assert_problem(client.request(method, path, content=body, headers=JSON), 422, "invalid")
    assert problem["errors"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/json", "application/x-www-form-urlencoded", "application/xml", ""]
)
def test_bodies_of_other_types(client: Client, kind: str, deployment: str) -> None:
    body = json.dumps({"name": "a", "spec": spec_for()}).encode()
    for method, path in (*COMMANDS, ("POST", f"/v1/deployments/{deployment}/predict"), ("DELETE", "/v1/deployments/d")):
        response = client.request(method, path, content=body, headers={"Content-Type": kind})
        assert_problem(response, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("number", "taken"),
    [
        ("NaN", False),
        ("Infinity", False),
        ("-Infinity", False),
        ("1e999", False),
        ("-1e999", False),
        ("1" + "0" * 400, False),
        ("-0", False),
        ("-0.0", False),
        ("5e-324", True),
        ("1e308", True),
        ("123456789012345678901234567890", True),
    ],
)
def test_numbers_at_the_edge(client: Client, number: str, taken: bool) -> None:
    spec = json.dumps(spec_for(node="logistic_regression", params={"C": "?"})).replace('"?"', number)
    response = client.post("/v1/pipelines", content=f'{{"name": "edge", "spec": {spec}}}', headers=JSON)
    if taken:
        shown = client.get(f"/v1/pipelines/{response.json()['id']}")
        assert shown.json()["spec"]["model"]["params"]["C"] == float(number)
    else:
        problem = assert_problem(response, 422, "invalid")
        assert number not in json.dumps([problem["detail"], problem["errors"]])


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.0", "1e2", "true", '"1"', "null", "NaN", "9" * 50])
def test_seeds_that_cannot_be(client: Client, dataset: str, seed: str) -> None:
    body = f'{{"dataset_id": "{dataset}", "spec": {json.dumps(spec_for())}, "seed": {seed}}}'
    problem = assert_problem(client.post("/v1/jobs", content=body, headers=JSON), 422, "invalid")
    assert problem["errors"][0]["place"] in ("body.seed", "body")


@pytest.mark.parametrize("text", ["a\\u0000b", "\\\\\\u0000"])
def test_text_that_not_every_database_can_hold(client: Client, text: str) -> None:
    body = f'{{"name": "{text}", "spec": {json.dumps(spec_for())}}}'
    assert_problem(client.post("/v1/pipelines", content=body, headers=JSON), 422, "invalid")
    for path in ("/v1/pipelines?name=a%00b", "/v1/jobs/a%00b", "/v1/events?stream=%00"):
        assert_problem(client.get(path), 422, "invalid")
    assert_problem(client.get("/v1/nothing%00"), 404, "not-found")


def test_text_that_every_database_can_hold(client: Client) -> None:
    for name in ("a\\u0000b", "Größe 健 🦊", "a\tb\nc", '"quoted"', "  "):
        response = client.post("/v1/pipelines", json={"name": f"x{name}x", "spec": spec_for()})
        shown = client.get(response.headers["location"]).json()
        assert shown["name"] == f"x{name}x"


def test_a_command_of_more_than_a_mebibyte(client: Client) -> None:
    body = {"name": "big", "spec": {**spec_for(), "steps": [{"node": "scale", "columns": ["x" * 100] * 11_000}]}}
    assert_problem(client.post("/v1/pipelines", json=body), 413)


def test_a_body_of_very_many_parts_is_refused_before_it_is_read(client: Client) -> None:
    body = b'{"name": "many", "spec": {"steps": [' + b"[]," * 300_000 + b"[]]}}"
    problem = assert_problem(client.post("/v1/pipelines", content=body, headers=JSON), 422, "invalid")
    assert places(problem) == ["body"]


def test_faults_have_places_and_no_values(client: Client) -> None:
    body = {"name": 5, "spec": "secret-value-1", "secret_field": "secret-value-2"}
    response = client.post("/v1/pipelines", json=body)
    problem = assert_problem(response, 422, "invalid")
    assert sorted(places(problem)) == ["body.name", "body.secret_field", "body.spec"]
    first = problem["errors"][0]
    assert problem["detail"] == f"{first['place']}: {first['message']} (and 2 more)"
    assert "secret-value" not in response.text


def test_long_and_many_faults_are_cut(client: Client) -> None:
    body = {"name": "a", "spec": {}, **{f"{n}{'x' * 5_000}": 1 for n in range(100)}}
    response = client.post("/v1/pipelines", json=body)
    assert len(assert_problem(response, 422)["errors"]) == 20
    assert len(response.content) < 10_000


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=1.0",
        "limit=%2B1",
        "limit=%201",
        "limit=1_0",
        "min_position=%2B0.0",
        "limit=99999999999999999999999",
        "cursor=x",
        "cursor=%F0%9F%A6%8A",
        "cursor=W10",
        "cursor=" + "A" * 3_000,
        "order=colour",
        "order=--created_at",
        "order=",
        "order=created_at;drop",
        "min_position=-1",
        "min_position=x",
        "min_position=9223372036854775808",
        "as_of=9223372036854775808",
        "as_of=-1",
        "as_of=",
        "as_of=yesterday",
        "as_of=2026-03-03",
        "as_of=2026-03-03T00:00:00",
        "as_of=2026-02-30T00:00:00Z",
        "as_of=0001-01-01T00:00:00%2B14:00",
        "as_of=1970-01-01T00:00:00Z",
    ],
)
def test_queries_that_cannot_be(client: Client, query: str) -> None:
    for path in ("/v1/jobs", "/v1/pipelines", "/v1/datasets", "/v1/models", "/v1/deployments"):
        problem = assert_problem(client.get(f"{path}?{query}"), 422, "invalid")
        assert problem["errors"][0]["place"].rpartition(".")[2] == query.partition("=")[0]


def test_a_status_that_there_is_not(client: Client) -> None:
    assert places(assert_problem(client.get("/v1/jobs?status=dead"), 422)) == ["query.status"]


READS = ("/v1/jobs", "/v1/jobs/job-1", "/v1/datasets", "/v1/events", "/v1/nodes", "/v1/projections", "/v1/models/m")


@pytest.mark.parametrize("path", READS)
def test_a_query_parameter_that_there_is_not(client: Client, path: str) -> None:
    problem = assert_problem(client.get(f"{path}?statsu=failed&min_positon=5&statsu=again"), 422, "invalid")
    assert places(problem) == ["query.statsu", "query.min_positon"]
    documented = client.get("/openapi.json").json()["paths"]
    told = (
        documented.get(path) or documented[path.replace("/job-1", "/{job_id}").replace("/models/m", "/models/{name}")]
    )
    wanted = [each["name"] for each in told["get"].get("parameters", ()) if each["in"] == "query"]
    message = problem["errors"][0]["message"]
    assert all(name in message for name in wanted)
    assert "failed" not in problem["detail"]


def test_long_and_many_unknown_parameters_are_cut(client: Client) -> None:
    query = "&".join(f"{number}{'x' * 500}=1" for number in range(50))
    response = client.get(f"/v1/jobs?{query}")
    assert len(assert_problem(response, 422)["errors"]) == 20
    assert len(response.content) < 10_000


def test_the_known_parameters_are_taken_together(client: Client, dataset: str) -> None:
    query = f"status=failed&model_name=m&dataset_id={dataset}&pipeline_id=p&limit=5&order=created_at&min_position=1"
    assert client.get(f"/v1/jobs?{query}").json()["items"] == []


@pytest.mark.parametrize("name", ["a b", "a%2Fb", "ä", "a" * 101, "%20", "a%0A"])
def test_names_that_cannot_be(client: Client, name: str) -> None:
    body = {"model": "m", "model_version": 1, "reason": "r"}
    response = client.put(f"/v1/deployments/{name}", json=body)
    assert response.status_code in (404, 422)
    assert_problem(response, response.status_code)


def test_version_numbers_that_cannot_be(client: Client, model: str) -> None:
    for number in ("0", "-1", "x", "1.5", "99999999999", "2147483648"):
        assert_problem(client.get(f"/v1/models/{model}/versions/{number}"), 422, "invalid")
    assert_problem(client.get(f"/v1/models/{model}/versions/2147483647"), 404, "not-found")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/jobs HTTP/1.1\r\n\r\n",
        b"GET /v1/jobs HTTP/1.0\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n",
        b"GET /v1/jobs?%ff%fe=%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /v1/jobs/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \xff\xfe\r\nConnection: close\r\n\r\n",
        b"PUT /v1/deployments/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: \xff/\xfe;;=\r\nContent-Length: 2\r\n"
        b"Connection: close\r\n\r\n{}",
    ],
)
def test_requests_that_are_hardly_http(server: Server, client: Client, request_bytes: bytes) -> None:
    answer = server.talk(request_bytes, then_close=True)
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert client.get("/health/live").status_code == 200


def test_a_fault_of_the_server_is_logged_and_not_shown(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(server.runtime.queries.projections, "all", broken)
    response = client.get("/v1/projections")
    assert_problem(response, 500, "fault")
    assert "secret" not in response.text
    assert response.headers["connection"] == "close"
    assert "GET /v1/projections failed" in caplog.text
