"""Domain errors → ``application/problem+json`` (RFC 9457), in one table."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from skyulf import errors
from skyulf.logs import circumstances

MEDIA_TYPE = "application/problem+json"

MOST_FAULTS = 20

LONGEST_PLACE = 200
"""Characters; a place may hold a name that the caller made up."""

UPGRADED = 10
"""Seconds after which who met a process that is to be upgraded may ask again."""

logger = logging.getLogger(__name__)

PROBLEMS: Mapping[type[errors.SkyulfError], tuple[int, str, str]] = {
    errors.NotFound: (404, "not-found", "Not found"),
    errors.NotAllowed: (409, "not-allowed", "Its state forbids this"),
    errors.Erased: (410, "erased", "Its data was erased"),
    errors.WrongVersion: (409, "conflict", "It has changed meanwhile"),
    errors.PreconditionFailed: (412, "precondition-failed", "It has changed since that version"),
    errors.Invalid: (422, "invalid", "The request is not valid"),
    errors.TrainingFailed: (422, "training-failed", "The data or the spec cannot be trained"),
    errors.ScoringFailed: (422, "scoring-failed", "The model cannot score this dataset"),
    errors.CommandReused: (422, "idempotency-key-reused", "The Idempotency-Key was used for another request"),
    errors.Unavailable: (503, "unavailable", "Not available now"),
    errors.Outdated: (503, "outdated", "This process is to be upgraded"),
    errors.Damaged: (500, "damaged", "Stored data is damaged"),
}
"""Each domain error's status, the end of its type's URN, and its title."""


def problem(
    status: int, slug: str, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """A problem as a response; ``more`` are its extension members. It names the request, to be found in the log."""
    if (correlation_id := circumstances().get("correlation_id")) is not None:
        more["correlation_id"] = correlation_id
    content = {"type": f"urn:skyulf:problem:{slug}", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)


def of_domain_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - a handler's signature
    """The problem that a domain error is."""
    assert isinstance(error, errors.SkyulfError)
    status, slug, title = next(PROBLEMS[cls] for cls in type(error).__mro__ if cls in PROBLEMS)
    more: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, errors.Invalid) and error.faults:
        more["errors"] = [{"place": fault.place, "message": fault.message} for fault in error.faults]
    if isinstance(error, errors.PreconditionFailed):
        more["current_version"] = error.current_version
    if isinstance(error, errors.Outdated):
        headers["Retry-After"] = str(UPGRADED)
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return problem(status, slug, title, error.detail, headers, **more)


def of_validation_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - a handler's signature
    """The problem of a request that does not fit its schema; what was sent is never echoed."""
    assert isinstance(error, RequestValidationError)
    faults = _faults(error.errors())
    return problem(422, "invalid", "The request is not valid", in_short(faults), errors=faults)


def in_short(faults: Sequence[Mapping[str, str]]) -> str:
    """The first fault, and how many more there are, for who reads no further than the detail."""
    others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{faults[0]['place']}: {faults[0]['message']}{others}"


def _faults(found: Sequence[Any]) -> list[dict[str, str]]:
    return [_fault(fault) for fault in found[:MOST_FAULTS]]


def _fault(found: Mapping[str, Any]) -> dict[str, str]:
    if found["type"] == "json_invalid":
        _, at = found["loc"]
        return {"place": "body", "message": f"no JSON that is taken: {found['ctx']['error']}, at character {at}"}
    place = ".".join(str(part) for part in found["loc"])
    return {"place": place[:LONGEST_PLACE], "message": str(found["msg"]).removeprefix("Value error, ")}


def of_http_exception(request: Request, error: Exception) -> JSONResponse:
    """The problem of a route that is not there, a method that it does not take, and the like."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(methods_at(request)))
    detail = error.detail if error.detail != status.phrase else f"{request.method} {request.url.path}"
    slug = status.phrase.lower().replace(" ", "-")
    return problem(error.status_code, slug, status.phrase, detail, headers)


def methods_at(request: Request) -> set[str]:
    """The methods that a path takes; Starlette names those of the first route alone that fits the path."""
    path = request.url.path
    return {
        method.upper()
        for template, methods in request.app.openapi()["paths"].items()
        if _pattern(template).fullmatch(path)
        for method in methods
    }


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+\}", template)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


def of_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001 - a handler's signature
    """Nothing: who sent half a request and went away hears no answer."""
    return Response(status_code=400)


def of_fault(request: Request, error: Exception) -> JSONResponse:
    """The problem of a fault of ours: logged with its traceback, shown without."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = {"Connection": "close"}  # which the server does, once the fault has reached it
    return problem(500, "fault", "A fault of the server", "the server's log has more", headers)


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    errors.SkyulfError: of_domain_error,
    RequestValidationError: of_validation_error,
    HTTPException: of_http_exception,
    ClientDisconnect: of_disconnect,
}
"""What each error that a request may meet is answered with."""

EXPECTED = tuple(HANDLERS)


def answer(request: Request, error: Exception) -> Response:
    """The answer to an error that is one of `EXPECTED`."""
    return next(handler for cls, handler in HANDLERS.items() if isinstance(error, cls))(request, error)


def install(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""
    for cls, handler in HANDLERS.items():
        app.add_exception_handler(cls, handler)
    app.add_exception_handler(Exception, of_fault)
    app.openapi = partial(described, FastAPI.openapi, app)  # type: ignore[method-assign]


def described(describe: Callable[[FastAPI], dict[str, Any]], app: FastAPI) -> dict[str, Any]:
    """The app's description, in which errors are problems alone: FastAPI documents every model as plain JSON too."""
    fresh = app.openapi_schema is None
    document = describe(app)
    if fresh:
        for methods in document["paths"].values():
            for operation in methods.values():
                for response in operation["responses"].values():
                    if MEDIA_TYPE in response.get("content", {}):
                        response["content"].pop("application/json", None)
    return document
