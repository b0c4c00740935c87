"""Limits of bodies: what is over one is refused before it is read to its end."""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect

from api.problems import problem
from api.security import App, Headers, Receive, Scope, Send

LINGER = 10.0
"""Seconds that a body over the limit may go on to come."""


class Limits(NamedTuple):
    """The bytes that the body of an upload may have, and that any other may."""

    upload: int
    other: int

    def of(self, headers: Headers) -> int:
        """The limit of a request's body."""
        return self.upload if headers.get(b"content-type", b"").startswith(b"multipart/form-data") else self.other


def is_over(limit: int, headers: Headers) -> bool:
    """Whether a request says of its body that it is over a limit."""
    length = headers.get(b"content-length", b"0")
    return length.isdigit() and int(length) > limit


async def whole(receive: Receive, limit: int) -> bytes:
    """The whole body; raises `TooLarge` as soon as it is over the limit, and `ClientDisconnect`."""
    message = await receive()
    body: bytes = message.get("body", b"")
    pieces, received = [body], len(body)
    while message["type"] != "http.disconnect" and received <= limit:
        if not message.get("more_body", False):
            return body if len(pieces) == 1 else b"".join(pieces)
        message = await receive()
        pieces.append(message.get("body", b""))
        received += len(pieces[-1])
    if received > limit:
        raise TooLarge(limit)
    raise ClientDisconnect


async def limited(app: App, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a request on, counting its body; answer 413 once that is over the limit."""
    received = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise TooLarge(limit)
        return message

    answered = False

    async def noted(message: MutableMapping[str, Any]) -> None:
        nonlocal answered
        answered = True
        await send(message)

    try:
        await app(scope, counted, noted)
    except TooLarge:
        if answered:
            raise
        await refuse(limit, scope, receive, send)


async def refuse(limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 413, and throw away what still comes: many clients read no answer before all is sent."""
    detail = f"the body is over the limit of {limit} bytes"
    response = problem(413, "too-large", "The body is too large", detail, {"Connection": "close"})

    async def unfinished(message: MutableMapping[str, Any]) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await response(scope, receive, unfinished)
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b""})


class TooLarge(BaseException):
    """More of a body came than is taken; passes through the app, which would answer other errors itself."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"over {limit} bytes")
