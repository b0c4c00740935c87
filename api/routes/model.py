"""Models: versions, aliases, files."""

import asyncio
from typing import Annotated, Any

from fastapi import Path, Request, Response

from api.dependencies import (
    ContextDep,
    ListQueriesDep,
    MinPositionDep,
    PageDep,
    QueriesDep,
    RuntimeDep,
    read_one,
    read_page,
    replace_reason,
    send,
)
from api.routes.base import NOT_MODIFIED, WholeFile, not_modified, problems, router, whole_file
from api.schemas.base import CommandAnswer, Page, ReasonIn, ReasonQuery, Whole, answered, needed
from api.schemas.model import AliasAnswer, AliasIn, ModelOut, ModelVersionOut
from skyulf.commands.base import Name
from skyulf.commands.model import RemoveModelAlias, RetireModelVersion, SetModelAlias
from skyulf.events.model import ModelAliasSet
from skyulf.events.registry import decode

routes = router("model")

Number = Annotated[Whole, Path(ge=1, lt=2**31)]


@routes.put(
    "/models/{name}/aliases/{alias}",
    response_model=AliasAnswer,
    responses={201: {"model": AliasAnswer, "description": "The alias is new."}, **problems(409, 412, 415)},
)
async def set_alias(
    name: Name, alias: Name, body: AliasIn, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Let an alias mean a version of the model."""
    command = SetModelAlias(id=f"model-{name}", alias=alias, model_version=body.model_version)
    answer = await send(runtime, command, replace_reason(context, body.reason))
    response.headers["ETag"] = f'"{answer.version}"'
    event = decode(answer.events[0]) if answer.events else None
    if isinstance(event, ModelAliasSet) and event.before is None:
        response.status_code = 201
        response.headers["Location"] = f"/v1/models/{name}"
    return {**answered(answer), "alias": alias, "model_version": body.model_version}


@routes.delete("/models/{name}/aliases/{alias}", response_model=CommandAnswer, responses=problems(412, 415))
async def remove_alias(
    name: Name,
    alias: Name,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
    reason: ReasonQuery = None,
) -> Any:
    """Let an alias mean nothing any more."""
    why = reason or (body.reason if body else None)
    answer = await send(runtime, RemoveModelAlias(id=f"model-{name}", alias=alias), replace_reason(context, why))
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)


@routes.delete("/models/{name}/versions/{number}", response_model=CommandAnswer, responses=problems(409, 412, 415))
async def retire_version(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
    reason: ReasonQuery = None,
) -> Any:
    """Retire a version: it may no longer be deployed or given an alias. A reason is required."""
    why = needed(reason or (body.reason if body else None), "retiring a version")
    command = RetireModelVersion(id=f"model-{name}", model_version=number)
    answer = await send(runtime, command, replace_reason(context, why))
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)


@routes.get("/models", response_model=Page[ModelOut])
async def list_models(runtime: RuntimeDep, page: PageDep, queries: ListQueriesDep, min_position: MinPositionDep) -> Any:
    """List models, by name."""
    repository = queries.models
    return await read_page(runtime, repository, ModelOut, min_position, page)


@routes.get("/models/{name}", response_model=ModelOut, responses=NOT_MODIFIED)
async def show_model(
    name: Name,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a model."""
    repository = queries.models
    row = await read_one(runtime, repository, min_position, f"model-{name}", lambda: repository.get_named(name))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.get("/models/{name}/versions", response_model=Page[ModelVersionOut])
async def list_versions(
    name: Name, runtime: RuntimeDep, page: PageDep, queries: ListQueriesDep, min_position: MinPositionDep
) -> Any:
    """List the versions of a model."""
    models, versions = queries.models, queries.model_versions
    await read_one(runtime, models, min_position, f"model-{name}", lambda: models.get_named(name))
    return await read_page(runtime, versions, ModelVersionOut, min_position, page, {"model": name})


@routes.get("/models/{name}/versions/{number}", response_model=ModelVersionOut, responses=NOT_MODIFIED)
async def show_version(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a version of a model; its ETag is the model's, since that is what changes with it."""
    models, versions = queries.models, queries.model_versions
    model = await read_one(runtime, models, min_position, f"model-{name}", lambda: models.get_named(name))
    # The row must be as new as the model's: an older one under that ETag would be taken for what it is no longer.
    at_least = max(await asyncio.to_thread(models.position), min_position or 0)
    row = await read_one(runtime, versions, at_least, f"model-{name}", lambda: versions.get_version(name, number))
    if not_modified(request, response, model.version):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.get(
    "/models/{name}/versions/{number}/artifact",
    response_class=WholeFile,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The model's file (skops)."},
        **NOT_MODIFIED,
        **problems(410),
    },
)
async def download_version(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Download the file of a version; its SHA-256 is the version's ``artifact``, and its ETag."""
    versions = queries.model_versions
    row = await read_one(runtime, versions, min_position, f"model-{name}", lambda: versions.get_version(name, number))
    job = await asyncio.to_thread(runtime.queries.jobs.get, row.job_id)
    await asyncio.to_thread(runtime.queries.datasets.need_data, job.dataset_id)
    if not_modified(request, response, row.artifact):
        return Response(status_code=304, headers=dict(response.headers))
    path = await asyncio.to_thread(runtime.artifacts.path, row.artifact)
    return whole_file(path, f"{name}-{number}.skops", "application/octet-stream", response)
