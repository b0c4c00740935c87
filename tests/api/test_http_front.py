"""What stands before the app holds for predictions, too, though they are answered without it."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from live import Client, Server, assert_problem
from starlette.requests import ClientDisconnect

from api.bodies import TooLarge, whole

ROWS = {"rows": [{"size": 1, "colour": "red", "heavy": None}]}


@pytest.mark.parametrize(
    "headers",
    [{"Host": "example.com"}, {"Origin": "http://example.com"}, {"Origin": "null"}, {"Host": "localhost:x:y"}],
)
def test_no_web_page_is_given_a_prediction(client: Client, deployment: str, headers: dict[str, str]) -> None:
    path = f"/v1/deployments/{deployment}/predict"
    assert client.post(path, json=ROWS).status_code == 200
    assert_problem(client.post(path, json=ROWS, headers=headers), 403, "forbidden")


def test_several_headers_of_what_is_accepted_count_as_one(client: Client, deployment: str) -> None:
    headers = [("Accept", "text/csv;q=0.1"), ("Accept", "application/json;q=0.5"), ("Accept", "image/png")]
    answer = client.post(f"/v1/deployments/{deployment}/predict", json=ROWS, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    headers = [("Accept", "text/csv"), ("Accept", "application/json;q=0.5")]
    answer = client.post(f"/v1/deployments/{deployment}/predict", json=ROWS, headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
def test_other_methods_of_its_path_are_405(client: Client, method: str) -> None:
    answer = client.request(method, "/v1/deployments/some/predict")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_fault_in_a_prediction_is_logged_and_not_shown(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(server.runtime.predictions, "predict", broken)
    with caplog.at_level(logging.ERROR, "api.problems"):
        answer = client.post("/v1/deployments/some/predict", json=ROWS)
    assert_problem(answer, 500, "fault")
    assert answer.headers["connection"] == "close"
    assert "secret" not in answer.text
    assert [record.exc_info[0] for record in caplog.records if record.exc_info and record.name == "api.problems"] == [
        ZeroDivisionError
    ]


def received(*messages: dict[str, Any], limit: int = 10) -> tuple[bytes | type[BaseException], int]:
    """What comes of a body in these messages, and how many of them were not asked for."""
    left: Iterator[dict[str, Any]] = iter([{"type": "http.request", **message} for message in messages])

    async def receive() -> dict[str, Any]:
        return next(left)

    try:
        body: bytes | type[BaseException] = asyncio.run(whole(receive, limit))
    except (TooLarge, ClientDisconnect) as error:
        body = type(error)
    return body, len(list(left))


def test_a_body_is_taken_piece_by_piece_up_to_its_limit() -> None:
    assert received({"body": b"ab"}) == (b"ab", 0)
    assert received({}) == (b"", 0)
    assert received({"body": b"ab", "more_body": True}, {"body": b"cd", "more_body": True}, {}) == (b"abcd", 0)
    assert received({"body": b"x" * 10}) == (b"x" * 10, 0)
    assert received({"body": b"x" * 11}) == (TooLarge, 0)
    many = [{"body": b"xxxx", "more_body": True}] * 5
    assert received(*many) == (TooLarge, 2)
    assert received(many[0], {"type": "http.disconnect"}) == (ClientDisconnect, 0)
    assert received({"type": "http.disconnect"}) == (ClientDisconnect, 0)
