"""The application: routers, errors and guards around a running system."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from fastapi import FastAPI

from api import problems
from api.bodies import Limits
from api.front import Front
from api.observed import Observed
from api.predicting import Predicting
from api.probes import PROBES
from api.routes import (
    access,
    artifact,
    attribution,
    audit,
    dataset,
    deployment,
    drift,
    export,
    history,
    job,
    model,
    parking,
    pipeline,
    profile,
    projection,
    report,
    stream,
    webhook,
)
from api.security import SERVER, App, Denials, Guard, Trusted
from skyulf.commands.access import RecordDenials
from skyulf.commands.base import Context
from skyulf.errors import SkyulfError
from skyulf.events.tail import EventTail
from skyulf.queries.base import PageRequest
from skyulf.reactions.sandbox import SandboxError
from skyulf.runtime import Runtime

logger = logging.getLogger(__name__)


DENIALS_EVERY = 10.0
"""Seconds after which what was turned away is recorded."""


def create_app(runtime: Runtime, *, guarded: bool = True) -> App:
    """Make the HTTP surface of a running system.

    Not ``guarded``, it is for a caller in this process, who owns the data directory anyway.
    """
    denials = Denials()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tail: EventTail = app.state.tail
        tail.open()
        app.state.stopping = anyio.Event()
        tasks = [
            asyncio.create_task(warm(runtime)),
            asyncio.create_task(end(tail, app.state.stopping)),
            asyncio.create_task(record(denials, runtime)),
        ]
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
        # Spans, metrics and logs of FastAPI's own would be of no use beside ours, and it looks at each request whether
        # somebody wants them; its logs hold messages of exceptions, and with them what was sent.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.runtime = runtime
    app.state.tail = EventTail(runtime.log, stream.server_sent)
    # A request is held against one router after the other: jobs are what is sent most.
    things = (job, attribution, access, dataset, profile, pipeline, model, export, deployment, drift, webhook)
    for noun in (*things, stream, audit, report, history, parking, projection, artifact, *PROBES):
        app.include_router(noun.routes)
    problems.install(app)
    settings = runtime.settings
    gate = Guard(runtime.keyring, settings.key_requests_per_second, denials) if guarded else Trusted()
    limits = Limits(settings.upload_bytes, settings.body_bytes)
    return Observed(Front(app, gate, limits, Predicting(runtime.predictions)), runtime.metrics, runtime.new_id)


async def end(tail: EventTail, stopping: anyio.Event) -> None:
    """Let the feeds come to their end once the server is told to stop: it waits for them before it closes the app."""
    await stopping.wait()
    tail.close()


async def record(denials: Denials, runtime: Runtime) -> None:
    """Record what was turned away, at intervals and at the end; what cannot be recorded now is counted on."""
    since = runtime.now()
    while True:
        ending = False
        try:
            await asyncio.sleep(DENIALS_EVERY)
        except asyncio.CancelledError:
            ending = True
        if found := denials.take():
            until = runtime.now()
            command = RecordDenials(since=since, until=until, denials=found)
            try:
                await runtime.bus.ask(command, Context(actor=SERVER))
                since = until
            except SkyulfError as error:
                logger.warning("what was turned away could not be recorded: %s", error.detail)
                denials.give_back(found)
        if ending:
            return


async def warm(runtime: Runtime) -> None:
    """Have the process that serves models ready before it is needed, where there is something to serve.

    A fault is met again, and told, when it is needed.
    """
    try:
        if await asyncio.to_thread(_serves, runtime):
            await runtime.predictions.warm()
    except (SkyulfError, SandboxError) as error:
        logger.warning("the process that serves models is not ready yet: %s", error)


def _serves(runtime: Runtime) -> bool:
    """Whether there is a deployment that answers."""
    return bool(runtime.queries.deployments.page(PageRequest(limit=1), {"status": "active"}).items)
