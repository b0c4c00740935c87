"""Every ``Depends()`` provider, in one place; tests override them."""

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Header, Query, Request, Response

from api.listing import answer_of
from api.observed import Asked
from api.schemas.base import Response as Shown
from api.schemas.base import Whole
from skyulf.commands.answers import Answer
from skyulf.commands.base import Command, Context
from skyulf.errors import Fault, Invalid, NotFound, PreconditionFailed, Unavailable
from skyulf.projections import PROJECTIONS
from skyulf.projections.base import Row
from skyulf.projections.past import history_of
from skyulf.projections.store import Plain
from skyulf.queries.base import LARGEST_PAGE, PageRequest, Repository, cursor_at
from skyulf.queries.past import is_position
from skyulf.runtime import Queries, Runtime

KEY_LENGTH = 255

PATIENCE = 10.0
"""Seconds that who asks for something to be made is kept waiting, before they are told to ask again."""

ASK_AGAIN = 2

R = TypeVar("R", bound=Row)
T = TypeVar("T")


async def get_runtime(request: Request) -> Runtime:
    """The running system."""
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def get_context(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Makes sending the command again harmless.",
            json_schema_extra={"minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[ -~]+$"},
        ),
    ] = None,
    if_match: Annotated[str | None, Header(description="The ETag that the thing must still have.")] = None,
) -> Context:
    """Who sends a command, and the circumstances; the reason is added by routes that take one."""
    asked: Asked = request.scope["asked"]
    return Context(
        actor=request.scope["actor"],
        command_id=_command_id(idempotency_key),
        correlation_id=asked.correlation_id,
        traceparent=asked.traceparent(),
        if_match=_version(if_match),
    )


ContextDep = Annotated[Context, Depends(get_context)]


def _command_id(header: str | None) -> str | None:
    """The key, quoted (as the IETF draft has it) or bare."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > KEY_LENGTH or not key.isprintable() or not key.isascii():
        raise Invalid(
            "the Idempotency-Key cannot be used",
            [Fault("Idempotency-Key", f"1 to {KEY_LENGTH} printable ASCII characters")],
        )
    return key


OWN_TAG = re.compile(r'"([0-9]{1,17})"|([0-9]{1,17})')
"""An ETag of ours, quoted or bare; a weak one never matches (RFC 9110, 13.1.1)."""

NO_VERSION = -1
"""A version that no stream has: an ETag that is not one of ours matches nothing."""


def _version(header: str | None) -> int | None:
    """The version in an If-Match header: ``"5"`` or ``5``, alone or among tags that are not ours.

    ``*`` asks that the thing exists, which every command but one does of itself: `need_existing`.
    """
    if header is None or header.strip() == "*":
        return None
    tags = [tag.strip() for tag in header.split(",")]
    ours = {int(match[1] or match[2]) for tag in tags if (match := OWN_TAG.fullmatch(tag))}
    return ours.pop() if len(ours) == 1 else NO_VERSION


async def need_existing(runtime: Runtime, stream: str, if_match: str | None) -> None:
    """Raise `PreconditionFailed` when ``If-Match: *`` asks for a thing that is not there, and could be made."""
    if if_match is None or if_match.strip() != "*":
        return
    if not (await asyncio.to_thread(runtime.log.load, {stream: 0}))[stream]:
        raise PreconditionFailed(stream, NO_VERSION, 0)


Limit = Annotated[Whole, Query(ge=1, le=LARGEST_PAGE, description="The most items on the page.")]

NumberCursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="The next_cursor of the page before.")]
"""Of lists that are read by number, and not from a read model."""


async def get_page(
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(max_length=2000, description="The next_cursor of the page before.")] = None,
    order: Annotated[str | None, Query(max_length=50, description="A field to order by; - before it reverses.")] = None,
) -> PageRequest:
    """Which part of a list is wanted."""
    return PageRequest(limit, cursor, order)


PageDep = Annotated[PageRequest, Depends(get_page)]


async def get_min_position(
    min_position: Annotated[
        Whole | None, Query(ge=0, lt=2**63, description="Wait until the answer holds what this position recorded.")
    ] = None,
) -> int | None:
    """The position that a query must have got to; what is asked as of an earlier one does not wait for it."""
    return min_position


MinPositionDep = Annotated[int | None, Depends(get_min_position)]

AsOf = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Show it as it was: at this position of the log, or at this time.",
        examples=["120", "2026-03-03T09:00:00Z"],
    ),
]


async def get_queries(runtime: RuntimeDep, as_of: AsOf = None) -> Queries:
    """What is asked for one thing: as it is, or as it was."""
    if as_of is None:
        return runtime.queries
    return runtime.queries.at(await position_of(runtime, as_of))


async def position_of(runtime: Runtime, text: str, place: str = "as_of") -> int:
    """The position that a text means; the log is not asked whether it has one that was seen there."""
    if is_position(text) and int(text) <= runtime.queries.freshness.known:
        return int(text)
    return await asyncio.to_thread(runtime.queries.travel.position, text, place)


QueriesDep = Annotated[Queries, Depends(get_queries)]


async def get_list_queries(runtime: RuntimeDep, page: PageDep, as_of: AsOf = None) -> Queries:
    """What is asked for a list: as it is, or as it was. A cursor carries of when its list is."""
    queries = await get_queries(runtime, as_of)
    position, _ = cursor_at(page.cursor)
    if position is None or (as_of is not None and is_position(as_of)):
        return queries
    return queries.at(await position_of(runtime, str(position), "cursor"))


ListQueriesDep = Annotated[Queries, Depends(get_list_queries)]


def replace_reason(context: Context, reason: str | None) -> Context:
    """The context with why the caller does it."""
    return msgspec.structs.replace(context, reason=reason)


async def send(runtime: Runtime, command: Command, context: Context) -> Answer:
    """Hand a command in and wait for its answer without blocking the event loop."""
    return await runtime.bus.ask(command, context)


async def read(runtime: Runtime, repository: Repository[Any], min_position: int | None, query: Callable[[], T]) -> T:
    """Answer a query in a thread, once its projection has got to ``min_position``; the past has got there."""
    freshness = runtime.queries.freshness
    if min_position is not None:
        if repository.past is None:
            await freshness.reach(repository.projection, min_position)
        else:
            await freshness.need_recorded(min_position)
    return await asyncio.to_thread(query)


async def read_history(runtime: Runtime, *repositories: Repository[Any]) -> None:
    """Wait until lists of the past can be read from each that is of the past."""
    for repository in repositories:
        if (past := repository.past) is not None:
            await runtime.queries.freshness.reach(history_of(repository.projection), past.position)


async def read_page(
    runtime: Runtime,
    repository: Repository[Any],
    shown: type[Shown],
    min_position: int | None,
    page: PageRequest,
    filters: Mapping[str, Plain | None] | None = None,
) -> Response:
    """Answer with a page of a list, made in the thread that reads it."""
    await read_history(runtime, repository)
    row = repository.projection.row
    return await read(runtime, repository, min_position, lambda: answer_of(shown, row, repository.texts(page, filters)))


async def read_one(
    runtime: Runtime, repository: Repository[R], min_position: int | None, stream: str, query: Callable[[], T]
) -> T:
    """Answer a query for one thing; one that is recorded but not projected yet is waited for, not denied."""
    try:
        return await read(runtime, repository, min_position, query)
    except NotFound:
        if repository.past is not None or not (await asyncio.to_thread(runtime.log.load, {stream: 0}))[stream]:
            raise
        return await read(runtime, repository, await asyncio.to_thread(runtime.log.head), query)


async def read_fresh_all(runtime: Runtime, min_position: int | None) -> None:
    """Wait until every projection has got to ``min_position``."""
    if min_position is not None:
        for projection in PROJECTIONS:
            await runtime.queries.freshness.reach(projection, min_position)


async def made(future: Future[T], what: str, patience: float = PATIENCE) -> T:
    """What comes of something that is being made, if it does within ``patience`` seconds; it goes on in any case."""
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), patience)
    except TimeoutError:
        raise Unavailable(f"{what} is being made; ask again", ASK_AGAIN) from None
