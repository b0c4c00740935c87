"""What every router shares: JSON that is really JSON, documented errors, ETags."""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from api.problems import MEDIA_TYPE
from api.schemas.base import Problem
from skyulf.errors import Fault, Invalid

LARGEST_COMMAND = 1 << 20
"""Bytes: what is asked for in JSON is read on the event loop and kept in the log, so it is small. Rows are not JSON
of this kind: predictions are read in the process that serves models."""

MOST_PARTS = 20_000
"""Lists and objects: each costs far more than its two bytes."""

DEEPEST = 100
"""Levels of nesting; pydantic writes no more than 255."""


ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
NUL_FAULT = Fault("", "there is the character U+0000, which not every database can hold")


class StrictRequest(Request):
    """A request whose JSON is read strictly: NaN and Infinity are not JSON (RFC 8259) and are refused."""

    async def json(self) -> Any:
        """The body's JSON; raises `json.JSONDecodeError`, which becomes a 422."""
        body = await self.body()
        if len(body) > LARGEST_COMMAND:
            raise HTTPException(413, f"JSON is taken up to {LARGEST_COMMAND} bytes here")
        parts = body.count(b"[") + body.count(b"{")
        if parts > MOST_PARTS:
            raise json.JSONDecodeError(f"more than {MOST_PARTS} lists and objects", "", 0)
        document = orjson.loads(body)
        if rb"\u0000" in body and (nul := ESCAPED_NUL.search(body)):
            raise json.JSONDecodeError(NUL_FAULT.message, "", nul.start())
        if parts > DEEPEST and deeper(document, DEEPEST):
            raise json.JSONDecodeError(f"more than {DEEPEST} levels of nesting", "", 0)
        return document


def deeper(document: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other more than ``levels`` deep."""
    level = [document]
    for _ in range(levels):
        level = [
            part
            for whole in level
            for part in (whole.values() if type(whole) is dict else whole if type(whole) is list else ())
            if type(part) is dict or type(part) is list
        ]
        if not level:
            return False
    return True


class StrictRoute(APIRoute):
    """A route that reads its body as a `StrictRequest`, and answers 415 to bodies of other types than JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
                raise Invalid("the address holds a NUL", [NUL_FAULT])
            if self.body_field is not None and has_body(request):
                need_json(request)
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


def has_body(request: Request) -> bool:
    """Whether a body comes with the request, by its headers."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def media_type(request: Request) -> str:
    """The type that the body is said to be of, without parameters; empty where nothing is said."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def need_json(request: Request) -> None:
    """Raise 415 before anything is read, unless the body is said to be JSON."""
    if media_type(request) != "application/json":
        raise HTTPException(415, "send application/json")


DESCRIPTIONS = {
    400: "The request cannot be parsed.",
    403: "A page of another origin asked, or the Host is not this machine.",
    404: "There is no such thing.",
    406: "The answer cannot be in any format that Accept names.",
    409: "Its state forbids this.",
    412: "It has changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is of a type that is not read here.",
    422: "The request is not valid; `errors` name each place and what would be right.",
    503: "Not available now; see Retry-After.",
}


NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as If-None-Match says."}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of the errors that a route answers with."""
    return {
        status: {
            "description": DESCRIPTIONS[status],
            "model": Problem,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def router(noun: str) -> APIRouter:
    """A router for a noun; each of its routes may answer what any request can meet."""
    return APIRouter(
        prefix="/v1", tags=[noun], route_class=StrictRoute, responses=problems(400, 403, 404, 413, 422, 503)
    )


def not_modified(request: Request, response: Response, version: int | str) -> bool:
    """Put the thing's version on the response as its ETag; whether the caller has that version already."""
    tag = f'"{version}"'
    response.headers["ETag"] = tag
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in known.split(","))
