"""Artifacts that nothing names: shown, and then collected."""

import asyncio
from typing import Annotated

from fastapi import Query

from api.dependencies import RuntimeDep
from api.routes.base import router
from api.schemas.artifact import UnnamedOut, shown
from api.schemas.base import Whole

routes = router("artifact")

LEAST = 3_600
"""Seconds: an upload or an attempt may take minutes from its file to the event that names it, and hours to be taken."""

OlderThan = Annotated[Whole, Query(ge=LEAST, lt=2**31, description="Seconds since a file was put.")]


@routes.get("/artifacts/unnamed", response_model=UnnamedOut)
async def show_unnamed(runtime: RuntimeDep, older_than: OlderThan = 86_400) -> UnnamedOut:
    """Show which files no event names; it reads the whole log."""
    return shown(await asyncio.to_thread(runtime.collector.find, older_than), older_than)


@routes.delete("/artifacts/unnamed", response_model=UnnamedOut)
async def collect_unnamed(runtime: RuntimeDep, older_than: OlderThan = 86_400) -> UnnamedOut:
    """Remove the files that no event names; the answer says which."""
    return shown(await asyncio.to_thread(runtime.collector.collect, older_than), older_than)
