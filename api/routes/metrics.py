"""What this process tells Prometheus of itself."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from api.dependencies import RuntimeDep
from api.routes.base import problems

routes = APIRouter(tags=["health"])

SHOWN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Counts and gauges, as OpenMetrics or as Prometheus' text, whichever Accept prefers.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        },
    }
}


@routes.get("/metrics", response_class=Response, responses={**SHOWN, **problems(401, 403, 429)})
async def show_metrics(request: Request, runtime: RuntimeDep) -> Response:
    """Show what this process has counted, and what it measures now; what cannot be read in two seconds is left out."""
    metrics = runtime.metrics
    accept = request.headers.get("accept", "")
    # In threads of its own: the others may all be waiting for a database that is away.
    page = asyncio.get_running_loop().run_in_executor(metrics.threads, metrics.page, accept)
    body, content_type = await page
    return Response(body, headers={"Content-Type": content_type})
