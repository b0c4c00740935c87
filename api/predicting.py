"""Predictions, answered before routes are looked through: what is asked most must cost least.

A route of FastAPI costs more than scoring a row does: matching, dependencies, two exit stacks, a request and a response
object. This needs the path, two headers and the body. It is documented with the other routes of deployments.
"""

import re
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

from api import problems
from api.formats import sent_format, wanted_format
from api.security import App, Receive, Scope, Send
from skyulf.commands.base import Name
from skyulf.serving import PredictionService
from skyulf.serving.formats import MEDIA_TYPES

PATH = re.compile(r"/v1/deployments/([^/]+)/predict")

NAME: TypeAdapter[str] = TypeAdapter(Name)

CONTENT_TYPES = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "arrow": MEDIA_TYPES["arrow"].encode(),
}


class Predicting:
    """Answers ``POST /v1/deployments/{name}/predict``, and passes all else on."""

    def __init__(self, app: App, predictions: PredictionService) -> None:
        self._app = app
        self._predictions = predictions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "http" and scope["method"] == "POST" and (match := PATH.fullmatch(scope["path"])):
            try:
                await self._answer(match[1], scope, receive, send)
            except problems.EXPECTED as error:
                await problems.answer(Request(scope), error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        content_type, accept = b"", b""
        for header, value in scope["headers"]:
            if header == b"content-type":
                content_type = value
            elif header == b"accept":
                accept = accept + b"," + value if accept else value
        sent, wanted = sent_format(content_type), wanted_format(accept)
        answer = await self._predictions.predict(checked(name), await whole(receive), sent, wanted)
        headers = [
            (b"content-type", CONTENT_TYPES[wanted]),
            (b"content-length", str(len(answer.body)).encode()),
            (b"skyulf-model", answer.model.encode()),
            (b"skyulf-model-version", str(answer.model_version).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


async def whole(receive: Receive) -> bytes:
    """The whole body; raises `ClientDisconnect`."""
    pieces: list[bytes] = []
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def checked(name: str) -> str:
    """The name of a deployment as it stands in a path; raises what is answered with 422."""
    try:
        return NAME.validate_python(name)
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("path", "name")} for fault in error.errors()]) from error
