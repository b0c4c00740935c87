"""Domain errors → ``application/problem+json`` (RFC 9457), in one table."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from skyulf import errors

MEDIA_TYPE = "application/problem+json"

MOST_FAULTS = 20

logger = logging.getLogger(__name__)

PROBLEMS: Mapping[type[errors.SkyulfError], tuple[int, str, str]] = {
    errors.NotFound: (404, "not-found", "Not found"),
    errors.AlreadyExists: (409, "already-exists", "It exists already"),
    errors.NotAllowed: (409, "not-allowed", "Its state forbids this"),
    errors.WrongVersion: (409, "conflict", "It has changed meanwhile"),
    errors.PreconditionFailed: (412, "precondition-failed", "It has changed since that version"),
    errors.Invalid: (422, "invalid", "The request is not valid"),
    errors.TrainingFailed: (422, "training-failed", "The data or the spec cannot be trained"),
    errors.CommandReused: (422, "idempotency-key-reused", "The Idempotency-Key was used for another request"),
    errors.Unavailable: (503, "unavailable", "Not available now"),
    errors.Damaged: (500, "damaged", "Stored data is damaged"),
}
"""Each domain error's status, the end of its type's URN, and its title."""


def problem(
    status: int, slug: str, title: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """A problem as a response; ``more`` are its extension members."""
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
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return problem(status, slug, title, error.detail, headers, **more)


def of_validation_error(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - a handler's signature
    """The problem of a request that does not fit its schema; what was sent is never echoed."""
    assert isinstance(error, RequestValidationError)
    return problem(422, "invalid", "The request is not valid", "see errors", errors=_faults(error.errors()))


def _faults(found: Sequence[Any]) -> list[dict[str, str]]:
    return [
        {"place": ".".join(str(part) for part in fault["loc"]), "message": str(fault["msg"])}
        for fault in found[:MOST_FAULTS]
    ]


def of_http_exception(request: Request, error: Exception) -> JSONResponse:
    """The problem of a route that is not there, a method that it does not take, and the like."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = error.detail if error.detail != status.phrase else f"{request.method} {request.url.path}"
    slug = status.phrase.lower().replace(" ", "-")
    return problem(error.status_code, slug, status.phrase, detail, error.headers)


def of_fault(request: Request, error: Exception) -> JSONResponse:
    """The problem of a fault of ours: logged with its traceback, shown without."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "fault", "A fault of the server", "the server's log has more")


def install(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""
    app.add_exception_handler(errors.SkyulfError, of_domain_error)
    app.add_exception_handler(RequestValidationError, of_validation_error)
    app.add_exception_handler(HTTPException, of_http_exception)
    app.add_exception_handler(Exception, of_fault)
