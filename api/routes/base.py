"""What every router shares: JSON that is really JSON, documented errors, ETags."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from api.problems import MEDIA_TYPE
from api.schemas.base import Problem


class StrictRequest(Request):
    """A request whose JSON is read strictly: NaN and Infinity are not JSON (RFC 8259) and are refused."""

    async def json(self) -> Any:
        """The body's JSON; raises `json.JSONDecodeError`, which becomes a 422."""
        return orjson.loads(await self.body())


class StrictRoute(APIRoute):
    """A route that reads its body as a `StrictRequest`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return handle


DESCRIPTIONS = {
    400: "The request cannot be parsed.",
    403: "A page of another origin asked, or the Host is not this machine.",
    404: "There is no such thing.",
    409: "Its state forbids this.",
    412: "It has changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is of a type that is not read here.",
    422: "The request is not valid; `errors` name each place and what would be right.",
    503: "Not available now; see Retry-After.",
}


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


def not_modified(request: Request, response: Response, version: int) -> bool:
    """Put the thing's version on the response as its ETag; whether the caller has that version already."""
    tag = f'"{version}"'
    response.headers["ETag"] = tag
    known = request.headers.get("if-none-match", "")
    return tag in (part.strip().removeprefix("W/") for part in known.split(","))
