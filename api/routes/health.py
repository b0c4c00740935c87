"""Whether the process lives, and whether its role can do its work."""

import asyncio

from fastapi import APIRouter

from api.dependencies import RuntimeDep
from api.routes.base import problems

routes = APIRouter(prefix="/health", tags=["health"])


@routes.get("/live")
async def live() -> dict[str, str]:
    """Answer as long as the event loop turns."""
    return {"status": "live"}


@routes.get("/ready", responses=problems(503))
async def ready(runtime: RuntimeDep) -> dict[str, str]:
    """Answer 200 with the role once it can do its work, and 503 with what it waits for, as often as it has to."""
    return await asyncio.to_thread(runtime.ready)
