"""What every router shares: JSON that is really JSON, documented errors, ETags, files that are sent whole."""

import json
import re
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api.problems import LONGEST_PLACE, MEDIA_TYPE, MOST_FAULTS
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
    """A route that reads its body as a `StrictRequest`, and answers 415 to bodies of other types than JSON.

    One that reads answers 422 to a query parameter that it does not know: a filter that is misspelt would else be
    passed over, and the list of everything taken for what was asked.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()
        taken = {field.alias: field.field_info for field in get_flat_params(self.dependant)}
        queries = {name: each for name, each in taken.items() if isinstance(each, Query)}
        shown = ", ".join(name for name, each in queries.items() if each.include_in_schema)

        async def handle(request: Request) -> Response:
            if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
                raise Invalid("the address holds a NUL", [NUL_FAULT])
            if request.method == "GET" and request.scope["query_string"]:
                need_known(request, queries, shown)
            if self.body_field is not None and has_body(request):
                need_json(request)
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


def need_known(request: Request, known: Collection[str], shown: str) -> None:
    """Raise `Invalid` for query parameters that are not ``known``; ``shown`` names those that are."""
    message = f"no such parameter; known are {shown}" if shown else "no such parameter; there are none here"
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if unknown:
        faults = [Fault(f"query.{name}"[:LONGEST_PLACE], message) for name in unknown[:MOST_FAULTS]]
        raise Invalid(f"{faults[0].place}: {message}", faults)


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
    401: "No key came with the request, or none that opens anything.",
    403: "The key has no role for this; without keys: a page of another origin asked, or the Host is not this machine.",
    404: "There is no such thing.",
    406: "The answer cannot be in any format that Accept names.",
    409: "Its state forbids this.",
    410: "Its data was erased.",
    412: "It has changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is of a type that is not read here.",
    422: "The request is not valid; `errors` name each place and what would be right.",
    429: "The key is used too often; see Retry-After.",
    503: "Not available now; see Retry-After.",
}


PARQUET = "application/vnd.apache.parquet"

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {
        "required": True,
        "description": "Seconds after which to send it again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}

TO_BE_SENT_AGAIN = (429, 503)
"""Statuses of requests that are right, and are to be sent again."""

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as If-None-Match says."}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of the errors that a route answers with."""
    return {
        status: {
            "description": DESCRIPTIONS[status],
            "model": Problem,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": RETRY_AFTER} if status in TO_BE_SENT_AGAIN else {}),
        }
        for status in statuses
    }


def router(noun: str) -> APIRouter:
    """A router for a noun; each of its routes may answer what any request can meet."""
    return APIRouter(
        prefix="/v1", tags=[noun], route_class=StrictRoute, responses=problems(400, 401, 403, 404, 413, 422, 429, 503)
    )


def not_modified(request: Request, response: Response, version: int | str) -> bool:
    """Put the thing's version on the response as its ETag; whether the caller has that version already."""
    tag = f'"{version}"'
    response.headers["ETag"] = tag
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in known.split(","))


class WholeFile(FileResponse):
    """A file that is sent whole: what the library answers to a range that it cannot read is not a problem document."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, whatever range is asked for."""
        headers = [pair for pair in scope["headers"] if pair[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


def whole_file(path: Path, filename: str, media_type: str, response: Response) -> WholeFile:
    """The answer that is a file of ours, to be saved under a name; the headers of ``response`` go with it."""
    headers = {**response.headers, "Accept-Ranges": "none"}
    return WholeFile(path, headers=headers, media_type=media_type, filename=filename)
