"""What every request is counted by, and what its lines in the log carry; the outermost layer.

Predictions pass through it, too, and are what is asked most: of them only those that fail are named.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from api.permissions import OPEN, UNKNOWN, operation_of
from api.security import App, Receive, Scope, Send
from skyulf import logs
from skyulf.metrics import PREDICTION, Metrics
from skyulf.tracing import continued, traceparent_of

ABORTED = "aborted"
"""What stands for the status of a request whose sender went away before it had an answer."""

Message = MutableMapping[str, Any]

QUIET = OPEN | {"/metrics"}
"""Paths that are asked for every few seconds, and are logged with the details only."""

HEADER = b"x-correlation-id"

CORRELATION = re.compile(rb"[A-Za-z0-9._:-]{1,100}")

logger = logging.getLogger("skyulf.http")


class Asked:
    """A request, as what follows from it carries it: found out when it is needed, which for most is never."""

    __slots__ = ("_correlation_id", "_headers", "_new_id")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], new_id: Callable[[], str]) -> None:
        self._headers = headers  # and not the scope, which holds this: who is in no cycle is gone at once
        self._new_id = new_id
        self._correlation_id: str | None = None

    @property
    def correlation_id(self) -> str:
        """What the request, its answer, its events and its lines in the log have in common; the caller's, if given."""
        if self._correlation_id is None:
            given = (
                value.decode()
                for name, value in self._headers
                if name in (HEADER, b"x-request-id") and CORRELATION.fullmatch(value)
            )
            self._correlation_id = next(given, None) or self._new_id()
        return self._correlation_id

    def traceparent(self) -> str | None:
        """The trace that the request belongs to; one that has to be begun is another each time."""
        return traceparent_of([value for name, value in self._headers if name == b"traceparent"], self._new_id)

    def circumstances(self) -> Mapping[str, object]:
        """What lines in the log carry."""
        traceparent = next((value for name, value in self._headers if name == b"traceparent"), b"")
        known = continued(traceparent)
        return {"correlation_id": self.correlation_id, **({"traceparent": known} if known else {})}


class Observed:
    """Counts requests and how long their answers took to begin, names them, and logs them."""

    def __init__(self, app: App, metrics: Metrics, new_id: Callable[[], str]) -> None:
        self._app = app
        self._metrics = metrics
        self._new_id = new_id
        self._tells_all = logger.isEnabledFor(logging.DEBUG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status, seconds = 0, 0.0
        if scope["path"].endswith("/predict"):

            def noted(message: Message) -> Awaitable[None]:
                nonlocal status, seconds
                if message["type"] == "http.response.start":
                    status, seconds = message["status"], time.perf_counter() - begun
                    if status >= 400:
                        self._named(scope, message)
                return send(message)

        else:
            logs.about(self._asked(scope).circumstances)

            def noted(message: Message) -> Awaitable[None]:
                nonlocal status, seconds
                if message["type"] == "http.response.start":
                    status, seconds = message["status"], time.perf_counter() - begun
                    self._named(scope, message)
                return send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if status == 200 and (deployment := scope.get("deployment")) is not None:
                self._metrics.predictions.add((deployment,), seconds)
                if self._tells_all:
                    self._tell(PREDICTION, scope, status, seconds, logging.DEBUG)
            else:
                self._count(scope, status, seconds)

    def _asked(self, scope: Scope) -> Asked:
        asked: Asked | None = scope.get("asked")
        if asked is None:
            asked = scope["asked"] = Asked(scope["headers"], self._new_id)
        return asked

    def _named(self, scope: Scope, message: Message) -> None:
        """Have the beginning of an answer name the request."""
        header = (HEADER, self._asked(scope).correlation_id.encode())
        message["headers"] = [*message.get("headers", ()), header]

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method, path = scope["method"], scope["path"]
        operation = f"{method} {path}" if path in OPEN and method == "GET" else operation_of(method, path)
        self._metrics.requests.add((operation, str(status) if status else ABORTED))
        if status:
            self._metrics.request_seconds.add((operation,), seconds)
        self._tell(operation, scope, status, seconds, logging.DEBUG if path in QUIET else logging.INFO)

    def _tell(self, operation: str, scope: Scope, status: int, seconds: float, level: int) -> None:
        """Write a line; of the address the path alone, which holds names and ids."""
        if logger.isEnabledFor(level):
            actor = scope.get("actor")
            fields = {
                "operation": operation,
                "path": scope["path"],
                "status": status or ABORTED,
                "ms": round(seconds * 1000, 3),
                "actor": actor and actor.id,
                **self._asked(scope).circumstances(),
            }
            shown = f"{scope['method']} {logs.plain(scope['path'])}" if operation == UNKNOWN else operation
            logger.log(level, "%s %s", shown, fields["status"], extra={"fields": fields})
