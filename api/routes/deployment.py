"""Deployments: roll out, roll back, retire, predict; and the log of what was predicted."""

import asyncio
from typing import Any

from fastapi import Request, Response

from api.dependencies import (
    ContextDep,
    ListQueriesDep,
    MinPositionDep,
    PageDep,
    QueriesDep,
    RuntimeDep,
    need_existing,
    read_one,
    read_page,
    replace_reason,
    send,
)
from api.routes.base import NOT_MODIFIED, PARQUET, WholeFile, not_modified, problems, router, whole_file
from api.schemas.base import CommandAnswer, Page, ReasonIn, ReasonQuery, answered
from api.schemas.deployment import (
    DeployIn,
    DeploymentAnswer,
    DeploymentOut,
    LogIn,
    LogPartOut,
    PredictIn,
    PredictOut,
)
from skyulf.commands.base import Command, Context, Name
from skyulf.commands.deployment import Deploy, RetireDeployment, RollBackDeployment
from skyulf.commands.prediction_log import SetPredictionLog
from skyulf.runtime import Runtime
from skyulf.serving.media import MEDIA_TYPES

routes = router("deployment")

TEXT = {"type": "string"}
BINARY = {"type": "string", "format": "binary"}


async def _sent(runtime: Runtime, command: Command, context: Context, response: Response) -> dict[str, Any]:
    """Send a command; what the deployment serves once it is done is read from the log."""
    answer = await send(runtime, command, context)
    response.headers["ETag"] = f'"{answer.version}"'
    if any(recorded.type == "DeploymentCreated" for recorded in answer.events):
        response.status_code = 201
        response.headers["Location"] = f"/v1/deployments/{answer.id.removeprefix('deployment-')}"
    runtime.predictions.warm_soon(answer.id.removeprefix("deployment-"))
    active = await asyncio.to_thread(runtime.predictions.active, answer.id, answer.version)
    return {
        **answered(answer),
        "model": active.model if active else None,
        "model_version": active.model_version if active else None,
    }


@routes.put(
    "/deployments/{name}",
    response_model=DeploymentAnswer,
    responses={201: {"model": DeploymentAnswer, "description": "The deployment is new."}, **problems(409, 412, 415)},
)
async def deploy(
    name: Name, body: DeployIn, runtime: RuntimeDep, context: ContextDep, request: Request, response: Response
) -> Any:
    """Serve a version of a model under a name, from the next prediction on."""
    await need_existing(runtime, f"deployment-{name}", request.headers.get("if-match"))
    command = Deploy(id=f"deployment-{name}", model=body.model, model_version=body.model_version, alias=body.alias)
    return await _sent(runtime, command, replace_reason(context, body.reason), response)


@routes.post("/deployments/{name}/rollback", response_model=DeploymentAnswer, responses=problems(409, 412, 415))
async def roll_back(
    name: Name, runtime: RuntimeDep, context: ContextDep, response: Response, body: ReasonIn | None = None
) -> Any:
    """Serve again what was served before the last roll-out."""
    why = replace_reason(context, body.reason if body else None)
    return await _sent(runtime, RollBackDeployment(id=f"deployment-{name}"), why, response)


@routes.delete("/deployments/{name}", response_model=DeploymentAnswer, responses=problems(412, 415))
async def retire(
    name: Name,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
    reason: ReasonQuery = None,
) -> Any:
    """Serve nothing under this name any more."""
    why = replace_reason(context, reason or (body.reason if body else None))
    return await _sent(runtime, RetireDeployment(id=f"deployment-{name}"), why, response)


@routes.get("/deployments", response_model=Page[DeploymentOut])
async def list_deployments(
    runtime: RuntimeDep,
    page: PageDep,
    queries: ListQueriesDep,
    min_position: MinPositionDep,
    status: str | None = None,
    model: str | None = None,
) -> Any:
    """List deployments, by name."""
    repository = queries.deployments
    filters = {"status": status, "model": model}
    return await read_page(runtime, repository, DeploymentOut, min_position, page, filters)


@routes.get("/deployments/{name}", response_model=DeploymentOut, responses=NOT_MODIFIED)
async def show_deployment(
    name: Name,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a deployment, its one active version and its history."""
    repository = queries.deployments
    row = await read_one(runtime, repository, min_position, f"deployment-{name}", lambda: repository.get_named(name))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.put("/deployments/{name}/log", response_model=CommandAnswer, responses=problems(412, 415))
async def set_log(name: Name, body: LogIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Log a share of the requests for predictions, drawn at random: their rows, and what was said of them.

    They are put away every `SKYULF_PREDICTION_LOG_SECONDS` (300), and from 8 MiB on, and cost no prediction any time.
    """
    command = SetPredictionLog(id=f"deployment-{name}", **body.model_dump(exclude={"reason"}))
    answer = await send(runtime, command, replace_reason(context, body.reason))
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)


@routes.get("/deployments/{name}/log", response_model=Page[LogPartOut])
async def list_log(
    name: Name, runtime: RuntimeDep, page: PageDep, queries: ListQueriesDep, min_position: MinPositionDep
) -> Any:
    """List the parts of a deployment's log, the oldest first."""
    deployments, logs = queries.deployments, queries.prediction_logs
    await read_one(runtime, deployments, min_position, f"deployment-{name}", lambda: deployments.get_named(name))
    return await read_page(runtime, logs, LogPartOut, min_position, page, {"deployment": name})


@routes.get(
    "/deployments/{name}/log/{artifact}",
    response_class=WholeFile,
    responses={
        200: {"content": {PARQUET: {}}, "description": "A table of rows and predictions."},
        **NOT_MODIFIED,
        **problems(410),
    },
)
async def download_log(
    name: Name,
    artifact: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Download a part of a deployment's log, as Parquet.

    Its columns are `served_at`, those of the model, `prediction`, and of a classifier `probability_<class>`.
    """
    logs = queries.prediction_logs
    stream = f"deployment-{name}"
    row = await read_one(runtime, logs, min_position, stream, lambda: logs.get_part(name, artifact))
    if not_modified(request, response, row.artifact):
        return Response(status_code=304, headers=dict(response.headers))
    path = await asyncio.to_thread(runtime.artifacts.path, row.artifact)
    return whole_file(path, f"{name}-{row.position}.parquet", PARQUET, response)


@routes.post(
    "/deployments/{name}/predict",
    responses={
        200: {
            "model": PredictOut,
            "description": "One prediction a row, all by one version of one model.",
            "content": {MEDIA_TYPES["csv"]: {"schema": TEXT}, MEDIA_TYPES["arrow"]: {"schema": BINARY}},
            "headers": {
                "Skyulf-Model": {"description": "The model.", "schema": TEXT},
                "Skyulf-Model-Version": {"description": "Its version.", "schema": {"type": "integer"}},
            },
        },
        **problems(406, 409, 410, 415),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                MEDIA_TYPES["json"]: {"schema": PredictIn.model_json_schema()},
                MEDIA_TYPES["csv"]: {"schema": TEXT},
                MEDIA_TYPES["arrow"]: {"schema": BINARY},
            },
        }
    },
)
async def predict(name: Name, intervals: bool = False) -> None:
    """Predict rows with what is deployed.

    Rows are sent as JSON, as CSV with a header, or as an Arrow stream; Accept chooses which of these the answer is,
    JSON if it leaves that open. CSV and Arrow have a column `prediction` and, of a classifier, a column
    `probability_<class>` for each class. With `intervals` the answer of a regressor that was trained with them says the
    interval around each prediction: in JSON as `intervals` and their `coverage`, else in columns `lower` and `upper`.
    """
    raise AssertionError(f"{name}, {intervals}: asked in api/predicting.py, before routes are looked through")
