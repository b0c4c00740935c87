"""What could not be taken: parked events, which are retried or purged, and messages that reactions passed over."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Response

from api.dependencies import ContextDep, Limit, NumberCursor, RuntimeDep, replace_reason, send
from api.routes.base import problems, router
from api.routes.projection import ProjectionName
from api.schemas.base import Page, ReasonIn, ReasonQuery, Whole, answered
from api.schemas.parking import (
    ForgetAnswer,
    ParkedEventOut,
    PurgeAnswer,
    PurgedOut,
    ReactionOut,
    ReleaseAllAnswer,
    ReleaseAnswer,
)
from api.schemas.projection import ParkedOut
from skyulf.commands.projection import PurgeParkedEvent
from skyulf.errors import Fault, Invalid
from skyulf.events.cloudevents import to_json
from skyulf.queries.parking import stream_of

routes = router("projection")

ReactionName = Annotated[str, Path(max_length=100)]

Position = Annotated[Whole, Path(ge=1, lt=2**63, description="The position of an event.")]


@routes.get("/projections/{name}/parked", response_model=Page[ParkedOut])
async def list_parked(
    name: ProjectionName, runtime: RuntimeDep, limit: Limit = 100, cursor: NumberCursor = None
) -> Any:
    """List the events that wait, in the order of their positions: the first of each key failed, and says why."""
    projection = runtime.projector.projection(name)
    page = runtime.queries.parking.page
    items, after = await asyncio.to_thread(page, projection, limit, int(cursor or 0))
    return {"items": items, "next_cursor": None if after is None else str(after)}


@routes.get("/projections/{name}/parked/{position}", response_model=ParkedEventOut)
async def show_parked(name: ProjectionName, position: Position, runtime: RuntimeDep) -> Any:
    """Show a parked event as it stands in the log (a CloudEvent), why it waits, and how many wait behind it."""
    projection = runtime.projector.projection(name)
    found = await asyncio.to_thread(runtime.queries.parking.get, projection, position)
    told = {member: getattr(found.parked, member) for member in ParkedOut.model_fields}
    event = msgspec.json.decode(to_json(found.recorded))
    return {**told, "behind_it": found.behind_it, "waits_for": found.waits_for, "event": event}


@routes.post("/projections/{name}/retry", response_model=ReleaseAllAnswer)
async def retry_all(name: ProjectionName, runtime: RuntimeDep) -> Any:
    """Fold all parked events again, key by key, in order; ``failing`` are those that still cannot be folded."""
    released = await asyncio.to_thread(runtime.projector.retry_all, name)
    left, _ = await asyncio.to_thread(runtime.queries.parking.page, runtime.projector.projection(name), 2**31)
    return {"name": name, "released": released, "failing": [each for each in left if each.error is not None]}


@routes.post("/projections/{name}/parked/{key:path}/retry", response_model=ReleaseAnswer)
async def retry_parked(name: ProjectionName, key: str, runtime: RuntimeDep) -> Any:
    """Fold the parked events of a key again, in order."""
    released = await asyncio.to_thread(runtime.projector.retry_parked, name, key)
    return {"name": name, "key": key, "released": released}


@routes.delete("/projections/{name}/parked/{position}", response_model=PurgeAnswer, responses=problems(409, 412, 415))
async def purge_parked(
    name: ProjectionName,
    position: Position,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
    reason: ReasonQuery = None,
) -> Any:
    """Have the projection go on without an event that it could not fold, for good; a reason is required.

    The event stays in the log. Those behind it are folded once the projector gets to the purge: wait for ``position``.
    Rebuilds leave the event out, too.
    """
    why = reason or (body.reason if body else None)
    if why is None:
        raise Invalid("purging an event needs a reason", [Fault("reason", "a sentence, in the query or the body")])
    projection = runtime.projector.projection(name)
    its = projection.purged_with
    command = PurgeParkedEvent(id=stream_of(its), projection=its, position=position)
    context = replace_reason(context, why)
    answer = await asyncio.to_thread(runtime.bus.earlier, command, context)
    if answer is None:
        parked = await asyncio.to_thread(runtime.queries.parking.purgeable, projection, position)
        answer = await send(runtime, command.model_copy(update={"key": parked.key}), context)
    response.headers["ETag"] = f'"{answer.version}"'
    return {**answered(answer), "name": name, "purged": position}


@routes.get("/projections/{name}/purged", response_model=Page[PurgedOut])
async def list_purged(name: ProjectionName, runtime: RuntimeDep) -> Any:
    """List the events that the projection goes without, who decided that, when and why."""
    projection = runtime.projector.projection(name)
    return {"items": await asyncio.to_thread(runtime.queries.parking.purged, projection), "next_cursor": None}


@routes.get("/reactions", response_model=Page[ReactionOut])
async def list_reactions(runtime: RuntimeDep) -> Any:
    """List what events set off, and which messages about them could not be read and were passed over.

    Nothing is lost with such a message: a waiting job is found without it.
    """
    return {"items": await asyncio.to_thread(runtime.queries.reactions.all), "next_cursor": None}


@routes.post("/reactions/{name}/parked/retry", response_model=ForgetAnswer)
async def retry_parked_messages(name: ReactionName, runtime: RuntimeDep) -> Any:
    """Look again at a reaction's parked messages: those that are events which can be read by now are released."""
    return {"name": name, "released": await asyncio.to_thread(runtime.queries.reactions.retry, name)}


@routes.delete("/reactions/{name}/parked", response_model=ForgetAnswer)
async def forget_parked_messages(
    name: ReactionName,
    runtime: RuntimeDep,
    place: Annotated[str | None, Query(max_length=500, description="Only the one at this place.")] = None,
) -> Any:
    """Show a reaction's parked messages no longer, once somebody has seen to them: by an upgrade, as a rule."""
    return {"name": name, "released": await asyncio.to_thread(runtime.queries.reactions.forget, name, place)}
