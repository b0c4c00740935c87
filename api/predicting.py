"""Predictions, answered before routes are looked through: what is asked most must cost least.

A route of FastAPI costs more than scoring a row does: matching, dependencies, two exit stacks, a request and a response
object. This needs the path, two headers and the body. It is documented with the other routes of deployments.
"""

import re
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from api import problems
from api.bodies import TooLarge, refuse, whole
from api.formats import sent_format, wanted_format
from api.security import Headers, Receive, Scope, Send
from skyulf.commands.base import Name
from skyulf.serving import Answer, PredictionService
from skyulf.serving.media import MEDIA_TYPES

PATH = re.compile(r"/v1/deployments/([^/]+)/predict")

NAME: TypeAdapter[str] = TypeAdapter(Name)

ASKED: TypeAdapter[bool] = TypeAdapter(bool)

CONTENT_TYPES = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "arrow": MEDIA_TYPES["arrow"].encode(),
}


def deployment_asked(scope: Scope) -> str | None:
    """The name of the deployment that a request wants predictions of; None of any other request."""
    match = PATH.fullmatch(scope["path"]) if scope["method"] == "POST" else None
    return None if match is None else match[1]


class Predicting:
    """Answers ``POST /v1/deployments/{name}/predict``."""

    def __init__(self, predictions: PredictionService) -> None:
        self._predictions = predictions

    async def __call__(
        self, name: str, headers: Headers, limit: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request for predictions of the deployment ``name``; its body is within ``limit`` bytes or refused.

        Raises what is a fault of ours, once it has been answered.
        """
        try:
            sent = sent_format(headers.get(b"content-type", b""))
            wanted = wanted_format(accepted(scope, headers))
            intervals = intervals_asked(scope["query_string"])
            body = await whole(receive, limit)
            answer = await self._predictions.predict(checked(name), body, sent, wanted, intervals)
        except problems.EXPECTED as error:
            await problems.answer(Request(scope), error)(scope, receive, send)
        except TooLarge:
            await refuse(limit, scope, receive, send)
        except Exception as error:
            await problems.of_fault(Request(scope), error)(scope, receive, send)
            raise
        else:
            await send({"type": "http.response.start", "status": 200, "headers": said(answer, CONTENT_TYPES[wanted])})
            await send({"type": "http.response.body", "body": answer.body})


def said(answer: Answer, content_type: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of an answer."""
    return [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"skyulf-model", answer.model.encode()),
        (b"skyulf-model-version", b"%d" % answer.model_version),
    ]


def accepted(scope: Scope, headers: Headers) -> bytes:
    """What a request accepts; several headers count as one (RFC 9110, 5.3)."""
    if len(headers) == len(scope["headers"]):
        return headers.get(b"accept", b"")
    return b",".join(value for name, value in scope["headers"] if name == b"accept")


def intervals_asked(query: bytes) -> bool:
    """Whether a query asks for intervals; raises what is answered with 422."""
    if not query:
        return False
    try:
        return ASKED.validate_python(dict(parse_qsl(query.decode("latin-1"))).get("intervals", "false"))
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("query", "intervals")} for fault in error.errors()]) from error


def checked(name: str) -> str:
    """The name of a deployment as it stands in a path; raises what is answered with 422."""
    try:
        return NAME.validate_python(name)
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("path", "name")} for fault in error.errors()]) from error
