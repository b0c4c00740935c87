"""The application: routers, errors and guards around a running system."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from fastapi import FastAPI

from api import problems
from api.predicting import Predicting
from api.routes import dataset, deployment, health, job, model, pipeline, projection, stream
from api.security import BodyLimit, LoopbackOnly
from skyulf.errors import SkyulfError
from skyulf.events.tail import EventTail
from skyulf.reactions.sandbox import SandboxError
from skyulf.runtime import Runtime

logger = logging.getLogger(__name__)


def create_app(runtime: Runtime) -> FastAPI:
    """Make the HTTP surface of a running system."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tail: EventTail = app.state.tail
        tail.open()
        app.state.stopping = anyio.Event()
        tasks = [asyncio.create_task(warm(runtime)), asyncio.create_task(end(tail, app.state.stopping))]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        tail.close()
        await runtime.predictions.close()

    app = FastAPI(
        title="Skyulf",
        version="0.1.0",
        description="MLOps for tabular machine learning, whose database is its audit log.",
        lifespan=lifespan,
        docs_url=None,  # both pages load scripts from elsewhere, which could then drive this server
        redoc_url=None,
    )
    app.state.runtime = runtime
    app.state.tail = EventTail(runtime.log, stream.server_sent)
    for noun in (dataset, pipeline, job, model, deployment, stream, projection, health):
        app.include_router(noun.routes)
    problems.install(app)
    app.add_middleware(Predicting, predictions=runtime.predictions)
    app.add_middleware(BodyLimit, body_bytes=runtime.settings.body_bytes, upload_bytes=runtime.settings.upload_bytes)
    app.add_middleware(LoopbackOnly)
    return app


async def end(tail: EventTail, stopping: anyio.Event) -> None:
    """Let the feeds come to their end once the server is told to stop: it waits for them before it closes the app."""
    await stopping.wait()
    tail.close()


async def warm(runtime: Runtime) -> None:
    """Have the process that serves models ready before it is needed; a fault is met again, and told, then."""
    try:
        await runtime.predictions.warm()
    except (SkyulfError, SandboxError) as error:
        logger.warning("the process that serves models is not ready yet: %s", error)
