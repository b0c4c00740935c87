"""No web page of another origin, and no name that was made to point here, can drive the server."""

import pytest
from live import Client, Server, assert_problem

FOREIGN_HOSTS = (
    "example.com",
    "localhost.example.com",
    "127.0.0.1.example.com",
    "localhost@example.com",
    "192.168.0.1",
    "0.0.0.0",
    "localhost.",
    "[::2]",
    "[::1",
    "localhost:x:y",
    "",
    "\xe9",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/events", "/health/live", "/docs", "/openapi.json", "/nothing"])
def test_foreign_hosts(client: Client, host: str, path: str) -> None:
    assert_problem(client.get(path, headers={"Host": host.encode("latin-1")}), 403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "localhost:1234", "[::1]", "[::1]:8000"])
def test_names_of_this_machine(client: Client, host: str) -> None:
    assert client.get("/v1/jobs", headers={"Host": host}).status_code == 200
    same = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("/v1/jobs", headers=same).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://example.com",
        "http://localhost.example.com",
        "http://localhost:1",
        "file://",
        "chrome-extension://abcdef",
        "localhost",
        "http://[::1",
        "\xe9",
    ],
)
def test_foreign_origins(server: Server, client: Client, origin: str) -> None:
    headers = {"Origin": origin.encode("latin-1")}
    before = client.head_position()
    for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/pipelines"), ("POST", "/v1/datasets")):
        assert_problem(client.request(method, path, headers=headers), 403, "forbidden")
    feed = client.get("/v1/events", headers={**headers, "Accept": "text/event-stream"})
    assert_problem(feed, 403, "forbidden")
    assert client.head_position() == before


def test_its_own_origin(server: Server, client: Client) -> None:
    assert client.get("/v1/jobs", headers={"Origin": server.url}).status_code == 200


def test_a_page_cannot_ask_beforehand_either(client: Client) -> None:
    headers = {"Origin": "http://example.com", "Access-Control-Request-Method": "POST"}
    response = client.options("/v1/pipelines", headers=headers)
    assert_problem(response, 403, "forbidden")
    assert not [name for name in response.headers if name.startswith("access-control")]
