"""How far what a deployment serves has moved from what it was trained on, and what is made of that."""

import asyncio
from typing import Any

import msgspec
from fastapi import Response

from api.dependencies import ContextDep, MinPositionDep, RuntimeDep, made, read_one, replace_reason, send
from api.routes.base import problems, router
from api.schemas.base import CommandAnswer, ReasonIn, answered
from api.schemas.profile import DeploymentDrift
from skyulf.commands.base import Name
from skyulf.commands.drift import AcknowledgeDrift

routes = router("deployment")


@routes.get("/deployments/{name}/drift", response_model=DeploymentDrift, responses=problems(409))
async def show_drift(name: Name, runtime: RuntimeDep, min_position: MinPositionDep) -> Any:
    """Show how far each column of the newest logged predictions has moved from the dataset that was trained on.

    503 with Retry-After until it is made; 409 where no prediction of the version that is served was logged.
    """
    deployments = runtime.queries.deployments
    await read_one(runtime, deployments, min_position, f"deployment-{name}", lambda: deployments.get_named(name))
    served = await asyncio.to_thread(runtime.drift_watch.served, name)
    content = await made(runtime.drift_watch.compare(served), "the comparison")
    target, trained_on = served.target, served.reference
    head = {"deployment": name, "model": target.model, "model_version": target.model_version}
    head |= {"dataset_id": trained_on.dataset_id, "dataset_version": trained_on.number, "target": served.column}
    return Response(msgspec.json.encode(head)[:-1] + b"," + content[1:], media_type="application/json")


@routes.post("/deployments/{name}/drift/acknowledge", response_model=CommandAnswer, responses=problems(409, 412, 415))
async def acknowledge(name: Name, body: ReasonIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Say that the drift that was told of has been seen to, and how; what moves further is told of again."""
    command = AcknowledgeDrift(id=f"deployment-{name}")
    answer = await send(runtime, command, replace_reason(context, body.reason))
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)
