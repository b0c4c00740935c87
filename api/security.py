"""Who may call: without keys, only programs of this machine, and no web page through a browser."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from api.problems import problem
from skyulf.events.base import Actor

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

LINGER = 10.0
"""Seconds that a body over the limit may go on to come."""

HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

LOCAL_ACTOR = Actor(id="local", kind="human")
"""Who every caller is while there are no keys."""


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine, by its name alone."""
    return host in LOOPBACK


class LoopbackOnly:
    """Refuses requests that a browser sends for a page of another origin.

    The ``Host`` must be a loopback name, so that no name that is made to point here (DNS rebinding) gets through;
    ``Origin``, which browsers send with what can change something, must be that same host.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            refusal = self._refusal(headers.get(b"host", b""), headers.get(b"origin"))
            if refusal is not None:
                await problem(403, "forbidden", "Forbidden", refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _refusal(host: bytes, origin: bytes | None) -> str | None:
        name = host.decode("latin-1").lower()
        match = HOST.fullmatch(name)
        if match is None or not is_loopback(match["name"].strip("[]")):
            return "without keys the server answers only to localhost; call it as http://localhost"
        if origin is not None and origin.decode("latin-1").lower() not in (f"http://{name}", f"https://{name}"):
            return "a page of another origin may not call this server"
        return None


class BodyLimit:
    """Refuses bodies over a limit before they are read to their end: one for uploads, one for all others."""

    def __init__(self, app: App, body_bytes: int, upload_bytes: int) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting; answer 413 once there is too much."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        upload = headers.get(b"content-type", b"").startswith(b"multipart/form-data")
        limit = self._upload_bytes if upload else self._body_bytes
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            await self._refuse(scope, receive, send, limit)
            return
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
            await self._app(scope, counted, noted)
        except TooLarge:
            if answered:
                raise
            await self._refuse(scope, receive, send, limit)

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
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
