"""Whether the server lives, and whether it is ready to be asked."""

import asyncio

from fastapi import APIRouter

from api.dependencies import RuntimeDep
from api.routes.base import problems
from skyulf.errors import Unavailable

routes = APIRouter(prefix="/health", tags=["health"])


@routes.get("/live")
async def live() -> dict[str, str]:
    """Answer as long as the event loop turns."""
    return {"status": "live"}


@routes.get("/ready", responses=problems(503))
async def ready(runtime: RuntimeDep) -> dict[str, str]:
    """Answer 200 once every projection has what was in the log when the server started."""
    if not await asyncio.to_thread(runtime.queries.projections.reached, runtime.head_at_start):
        raise Unavailable("the projections are catching up with the log")
    return {"status": "ready"}
