"""Who may call: with keys, whoever has one, by its roles; without, only programs of this machine, and no web page."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from api.permissions import OPEN, PERMISSIONS, UNKNOWN, methods_of, operation_of
from api.problems import problem
from skyulf.events.access import Denial
from skyulf.events.base import Actor
from skyulf.queries.access import Caller, Keyring

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

LINGER = 10.0
"""Seconds that a body over the limit may go on to come."""

HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

LOCAL_ACTOR = Actor(id="local", kind="human")
"""Who every caller is while there are no keys, and who uses the command line without a server."""

SERVER = Actor(id="server", kind="service")
"""Who records what was turned away."""


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine, by its name alone."""
    return host in LOOPBACK


class Guard:
    """Lets a request through with its actor in ``scope["actor"]``, or turns it away, and counts what it turned away.

    Before the first key was issued, every program of this machine may do everything; the ``Host`` must be a loopback
    name, so that no name that is made to point here (DNS rebinding) gets through; ``Origin``, which browsers send with
    what can change something, must be that same host. From then on a key is needed (RFC 6750), its roles say for what,
    and it may be used ``rate`` times a second.
    """

    def __init__(self, app: App, keyring: Keyring, rate: float, denials: "Denials") -> None:
        self._app = app
        self._keyring = keyring
        self._rates = Rates(rate)
        self._denials = denials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401, 403, 404, 405 or 429."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if not self._keyring.demanded:
                scope["actor"] = LOCAL_ACTOR
                refusal = self._stranger(headers.get(b"host", b""), headers.get(b"origin")) or self._first_key(scope)
            elif scope["path"] in OPEN:
                refusal = None
            else:
                refusal = self._refusal(scope, headers.get(b"authorization", b""))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _stranger(host: bytes, origin: bytes | None) -> App | None:
        name = host.decode("latin-1").lower()
        match = HOST.fullmatch(name)
        if match is None or not is_loopback(match["name"].strip("[]")):
            return forbidden("without keys the server answers only to localhost; call it as http://localhost")
        if origin is not None and origin.decode("latin-1").lower() not in (f"http://{name}", f"https://{name}"):
            return forbidden("a page of another origin may not call this server")
        return None

    @staticmethod
    def _first_key(scope: Scope) -> App | None:
        """Refuse to issue the first key here: it would lock everybody out, and any program may be asking."""
        if (scope["method"], scope["path"]) != ("POST", "/v1/keys"):
            return None
        return forbidden("the first key is issued by who has the log: stop the server and run skyulf keys issue")

    def _refusal(self, scope: Scope, authorization: bytes) -> App | None:
        operation = operation_of(scope["method"], scope["path"])
        caller = self._caller(authorization)
        if caller is None:
            self._denials.note(None, operation, 401)
            return unauthorized()
        if operation == UNKNOWN:  # never passed on: what this table does not know, nobody may do
            return absent(scope)
        allowed = PERMISSIONS[operation]
        if not allowed & caller.roles:
            self._denials.note(caller.actor.id, operation, 403)
            return forbidden(
                f"{operation} needs one of the roles {', '.join(sorted(allowed))}; this key has none of them"
            )
        wait = self._rates.wait(caller.key)
        if wait > 0:
            self._denials.note(caller.actor.id, operation, 429)
            return too_many(wait)
        scope["actor"] = caller.actor
        return None

    def _caller(self, authorization: bytes) -> Caller | None:
        scheme, _, key = authorization.partition(b" ")
        return self._keyring.find(key.strip().decode("latin-1")) if scheme.lower() == b"bearer" else None


def unauthorized() -> App:
    """The answer to a request without a key that opens anything."""
    detail = "send a key that is neither revoked nor expired, as Authorization: Bearer sk_…; an admin issues it"
    return problem(401, "unauthorized", "A key is needed", detail, {"WWW-Authenticate": 'Bearer realm="skyulf"'})


def forbidden(detail: str) -> App:
    """The answer to a request that its sender may not make."""
    return problem(403, "forbidden", "Forbidden", detail)


def absent(scope: Scope) -> App:
    """The answer to a request that no route takes."""
    detail = f"{scope['method']} {scope['path']}"
    if methods := methods_of(scope["path"]):
        allow = {"Allow": ", ".join(sorted(methods))}
        return problem(405, "method-not-allowed", "Method Not Allowed", detail, allow)
    return problem(404, "not-found", "Not Found", detail)


def too_many(wait: float) -> App:
    """The answer to a request that comes too soon after others."""
    seconds = max(1, round(wait + 0.5))
    detail = f"this key is used too often; send the request again in {seconds} s"
    return problem(429, "too-many-requests", "Too many requests", detail, {"Retry-After": str(seconds)})


class Trusted:
    """Lets every request through, as from who owns the data directory."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        scope["actor"] = LOCAL_ACTOR
        await self._app(scope, receive, send)


class Rates:
    """A token bucket for each key: ``rate`` requests a second, and as many at once after a pause."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, key: str) -> float:
        """Take a token; 0, or the seconds until there is one."""
        now = time.monotonic()
        left, at = self._left.get(key, (self._rate, now))
        left = min(self._rate, left + (now - at) * self._rate)
        if left < 1:
            self._left[key] = (left, now)
            return (1 - left) / self._rate
        self._left[key] = (left - 1, now)
        return 0.0


class Denials:
    """Counts what was turned away, by who, what and why."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, str, int]] = Counter()

    def note(self, actor: str | None, operation: str, status: int) -> None:
        """Count one request."""
        self._counts[actor, operation, status] += 1

    def give_back(self, denials: tuple[Denial, ...]) -> None:
        """Count again what could not be recorded."""
        for denial in denials:
            self._counts[denial.actor, denial.operation, denial.status] += denial.count

    def take(self) -> tuple[Denial, ...]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, Counter()
        return tuple(
            Denial(actor=actor, operation=operation, status=status, count=count)
            for (actor, operation, status), count in sorted(counts.items(), key=str)
        )


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
