"""The events: a page of them, or a live feed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from api.dependencies import RuntimeDep
from api.routes.base import router
from api.schemas.base import Whole
from skyulf.errors import Fault, Invalid
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import to_json
from skyulf.events.registry import EVENTS, former_types, stored_types
from skyulf.events.tail import EventTail
from skyulf.queries.base import LARGEST_PAGE
from skyulf.runtime import Runtime

routes = router("event")

HEARTBEAT = 15
"""Seconds between two comments that keep a quiet feed open."""

GRACE = 2
"""Seconds that feeds have to end by themselves when the server stops, before they are cut."""

RETRY = 1000
"""Milliseconds after which a reader that was cut off comes again."""

PAGE_CONTENT: dict[str, Any] = {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}}

EVENT_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "CloudEvents in order of position.", "content": PAGE_CONTENT}
}

EVENT_FEED: dict[int | str, dict[str, Any]] = {
    200: {**EVENT_PAGE[200], "content": {**PAGE_CONTENT, "text/event-stream": {"schema": {"type": "string"}}}}
}


async def get_tail(request: Request) -> EventTail:
    """The server's one follower of the log, which all feeds share."""
    tail: EventTail = request.app.state.tail
    return tail


async def get_types(
    type: Annotated[  # noqa: A002 - the parameter's name is the contract's
        list[str] | None, Query(description="Only events of these types, such as JobCreated.")
    ] = None,
) -> tuple[str, ...]:
    """The types that are asked for, without the prefix that they carry outside, and what was stored as such before."""
    names = tuple(name.removeprefix("skyulf.") for name in type or ())
    if unknown := [name for name in names if name not in EVENTS and name not in former_types()]:
        raise Invalid("an event type is unknown", [Fault("type", f"one of {', '.join(EVENTS)}")] * len(unknown))
    return stored_types(*names)


async def get_last_event_id(
    last_event_id: Annotated[
        str | None, Header(description="Where a feed goes on.", json_schema_extra={"pattern": "^[0-9]{0,18}$"})
    ] = None,
) -> int | None:
    """The position of the last event that a reader of the feed has seen; an empty one says nothing."""
    if not last_event_id:
        return None
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19):
        raise Invalid("the feed cannot go on there", [Fault("Last-Event-ID", "the id of an event of this feed")])
    return int(last_event_id)


LastEventIdDep = Annotated[int | None, Depends(get_last_event_id)]


async def page_of_events(
    runtime: Runtime,
    after: int,
    limit: int | None,
    types: Sequence[str],
    stream: str | None,
    until: int | None = None,
) -> Response:
    """A JSON array of CloudEvents, not above position ``until``; of ``limit`` None, all there are."""
    page = await asyncio.to_thread(runtime.log.read, after, limit or 2**31, types, stream, until)
    body = b"[" + b",".join(map(to_json, page.events)) + b"]"
    return Response(body, media_type="application/json", headers={"Skyulf-Position": str(page.position)})


@routes.get("/events", responses=EVENT_FEED)
async def list_events(
    request: Request,
    runtime: RuntimeDep,
    tail: Annotated[EventTail, Depends(get_tail)],
    types: Annotated[tuple[str, ...], Depends(get_types)],
    after: Annotated[Whole, Query(ge=0, lt=2**63, description="Events above this position.")] = 0,
    limit: Annotated[Whole, Query(ge=1, le=LARGEST_PAGE)] = 100,
    stream: Annotated[str | None, Query(max_length=200, description="Only events of this stream.")] = None,
    last_event_id: LastEventIdDep = None,
) -> Response:
    """List events in order of position; with ``Accept: text/event-stream`` follow them as they happen."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        return await page_of_events(runtime, after, limit, types, stream)
    begin = after if last_event_id is None else last_event_id
    return EventSourceResponse(
        _feed(tail, begin, types, stream),
        ping=HEARTBEAT,
        shutdown_event=request.app.state.stopping,
        shutdown_grace_period=GRACE,
    )


async def _feed(tail: EventTail, after: int, types: tuple[str, ...], stream: str | None) -> AsyncIterator[bytes]:
    yield ServerSentEvent(comment="follow", retry=RETRY).encode()
    async for events in tail.follow(after, types, stream):
        yield events


def server_sent(recorded: Recorded) -> bytes:
    """The event as readers of the feed get it: its position as the id, the CloudEvent as the data."""
    return ServerSentEvent(id=str(recorded.position), data=to_json(recorded).decode()).encode()
