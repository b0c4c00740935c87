"""Projections: how far they are, and rebuilds of them."""

import asyncio
from typing import Annotated, Any

from fastapi import Path

from api.dependencies import MinPositionDep, PageDep, RuntimeDep, read_fresh_all
from api.routes.base import problems, router
from api.schemas.base import Page
from api.schemas.projection import ProjectionOut, RebuildAnswer

routes = router("projection")

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
    """Build the projection's rows anew beside the live ones, which are read until the new ones have caught up.

    Asked for again, a rebuild goes on; one that was stopped goes on from where it was. So many as the server's settings
    allow are under way at once, and the others wait.
    """
    build = await asyncio.to_thread(runtime.projector.request_rebuild, name)
    return {"name": name, "build": build.number}


@routes.delete("/projections/{name}/rebuild", response_model=RebuildAnswer, responses=problems(409))
async def stop_rebuild(name: ProjectionName, runtime: RuntimeDep) -> Any:
    """Leave a rebuild where it is: asked for again, it goes on from there. What is read meanwhile is what was."""
    build = await asyncio.to_thread(runtime.projector.stop_rebuild, name)
    return {"name": name, "build": build.number}
