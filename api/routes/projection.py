"""Projections: how far they are, rebuilds, parked events; and what reactions could not read."""

import asyncio
from typing import Annotated, Any

from fastapi import Path

from api.dependencies import MinPositionDep, PageDep, RuntimeDep, read_fresh_all
from api.routes.base import router
from api.schemas.base import Page
from api.schemas.projection import ForgetAnswer, ProjectionOut, ReactionOut, RebuildAnswer, ReleaseAnswer

routes = router("projection")

ReactionName = Annotated[str, Path(max_length=100)]

ProjectionName = Annotated[str, Path(max_length=100)]


@routes.get("/projections", response_model=Page[ProjectionOut])
async def list_projections(runtime: RuntimeDep, page: PageDep, min_position: MinPositionDep) -> Any:
    """List the projections: how far each is, and what is parked."""
    await read_fresh_all(runtime, min_position)
    items, next_cursor = await asyncio.to_thread(runtime.queries.projections.page, page)
    return {"items": items, "next_cursor": next_cursor}


@routes.get("/projections/{name}", response_model=ProjectionOut)
async def show_projection(name: ProjectionName, runtime: RuntimeDep, min_position: MinPositionDep) -> Any:
    """Show one projection."""
    projection = runtime.projector.projection(name)
    if min_position is not None:
        await runtime.queries.freshness.reach(projection, min_position)
    return await asyncio.to_thread(runtime.queries.projections.get, name)


@routes.post("/projections/{name}/rebuild", status_code=202, response_model=RebuildAnswer)
async def rebuild(name: ProjectionName, runtime: RuntimeDep) -> Any:
    """Build the projection's rows anew beside the live ones, which are read until the new ones have caught up."""
    build = await asyncio.to_thread(runtime.projector.request_rebuild, name)
    return {"name": name, "build": build.number}


@routes.post("/projections/{name}/parked/{key:path}/retry", response_model=ReleaseAnswer)
async def retry_parked(name: ProjectionName, key: str, runtime: RuntimeDep) -> Any:
    """Fold the parked events of a key again, in order."""
    released = await asyncio.to_thread(runtime.projector.retry_parked, name, key)
    return {"name": name, "key": key, "released": released}


@routes.get("/reactions", response_model=Page[ReactionOut])
async def list_reactions(runtime: RuntimeDep) -> Any:
    """List what events set off, and which messages about them could not be read and were passed over.

    Nothing is lost with such a message: a waiting job is found without it.
    """
    return {"items": await asyncio.to_thread(runtime.queries.reactions.all), "next_cursor": None}


@routes.delete("/reactions/{name}/parked", response_model=ForgetAnswer)
async def forget_parked_messages(name: ReactionName, runtime: RuntimeDep) -> Any:
    """Show a reaction's parked messages no longer, once somebody has seen to them: by an upgrade, as a rule."""
    released = await asyncio.to_thread(runtime.queries.reactions.release, name)
    return {"name": name, "released": released}
