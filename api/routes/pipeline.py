"""Pipelines and the nodes that they are made of."""

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request, Response

from api.dependencies import (
    ContextDep,
    ListQueriesDep,
    MinPositionDep,
    PageDep,
    QueriesDep,
    RuntimeDep,
    read_one,
    read_page,
    send,
)
from api.routes.base import NOT_MODIFIED, not_modified, problems, router
from api.schemas.base import CommandAnswer, Page, answered
from api.schemas.pipeline import CheckIn, CheckOut, NodeOut, PipelineIn, PipelineOut
from skyulf.commands.answers import Answer
from skyulf.commands.job_spec import on_dataset
from skyulf.commands.pipeline import ArchivePipeline, CreatePipeline, RevisePipeline
from skyulf.core.columns import ColumnFacts
from skyulf.core.memory import scaled
from skyulf.core.plan import check_alone, plan
from skyulf.core.registry import describe_nodes
from skyulf.core.spec import PipelineSpec, parse_spec
from skyulf.errors import Invalid
from skyulf.events.dataset import Column
from skyulf.projections.dataset import DatasetVersionRow
from skyulf.runtime import Queries, Runtime

routes = router("pipeline")


def _shown(answer: Answer, response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)


@routes.post("/pipelines", status_code=201, response_model=CommandAnswer, responses=problems(412, 415))
async def create_pipeline(body: PipelineIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Create a pipeline; its spec is checked."""
    answer = await send(runtime, CreatePipeline(name=body.name, spec=body.spec), context)
    response.headers["Location"] = f"/v1/pipelines/{answer.id}"
    return _shown(answer, response)


@routes.post("/pipelines/check", response_model=CheckOut, responses=problems(415))
async def check_pipeline(body: CheckIn, runtime: RuntimeDep, queries: QueriesDep, min_position: MinPositionDep) -> Any:
    """Say what is wrong with a spec and what would be trained, step by step, without creating or running anything."""
    version = None
    if body.dataset_id is not None:
        version = await _dataset_version(runtime, queries, body.dataset_id, body.dataset_version, min_position)
    try:
        spec = parse_spec(body.spec)
    except Invalid as invalid:
        return {"problems": invalid.faults}
    if version is None:
        return {"problems": check_alone(spec)}
    return await asyncio.to_thread(_checked, body.spec, spec, version, runtime.settings.job_memory_bytes)


def _checked(
    document: dict[str, Any], spec: PipelineSpec, version: DatasetVersionRow, memory_bytes: int
) -> dict[str, Any]:
    found = on_dataset(document, tuple(Column(**column) for column in version.columns), version.rows, memory_bytes)
    columns, rows = [ColumnFacts(**column) for column in version.columns], version.rows
    if found.sample is not None:
        columns, rows = scaled(columns, rows, found.sample.rows), found.sample.rows
    planned = plan(spec, columns, rows)
    return {
        "problems": found.faults,
        "sample": found.sample,
        "steps": planned.candidates[0].steps if planned.candidates else (),
        "candidates": planned.candidates,
        "set_aside": planned.set_aside,
    }


async def _dataset_version(
    runtime: Runtime, queries: Queries, dataset_id: str, number: int | None, min_position: int | None
) -> DatasetVersionRow:
    datasets, versions = queries.datasets, queries.dataset_versions
    if number is None:
        row = await read_one(runtime, datasets, min_position, dataset_id, lambda: datasets.get(dataset_id))
        number = row.dataset_version
    return await read_one(runtime, versions, min_position, dataset_id, lambda: versions.get_version(dataset_id, number))


@routes.put("/pipelines/{pipeline_id}", response_model=CommandAnswer, responses=problems(409, 412, 415))
async def revise_pipeline(
    pipeline_id: str, body: PipelineIn, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Give a pipeline another name or spec; jobs created before keep theirs."""
    command = RevisePipeline(id=pipeline_id, name=body.name, spec=body.spec)
    return _shown(await send(runtime, command, context), response)


@routes.delete("/pipelines/{pipeline_id}", response_model=CommandAnswer, responses=problems(412))
async def archive_pipeline(pipeline_id: str, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Archive a pipeline: no new job may use it."""
    return _shown(await send(runtime, ArchivePipeline(id=pipeline_id), context), response)


@routes.get("/pipelines", response_model=Page[PipelineOut])
async def list_pipelines(
    runtime: RuntimeDep,
    page: PageDep,
    queries: ListQueriesDep,
    min_position: MinPositionDep,
    name: str | None = None,
    archived: Annotated[bool | None, Query(description="Only archived ones, or only those in use.")] = None,
) -> Any:
    """List pipelines, the newest first."""
    repository = queries.pipelines
    filters = {"name": name, "archived": archived}
    return await read_page(runtime, repository, PipelineOut, min_position, page, filters)


@routes.get("/pipelines/{pipeline_id}", response_model=PipelineOut, responses=NOT_MODIFIED)
async def show_pipeline(
    pipeline_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a pipeline."""
    repository = queries.pipelines
    row = await read_one(runtime, repository, min_position, pipeline_id, lambda: repository.get(pipeline_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.get("/nodes", response_model=Page[NodeOut])
async def list_nodes() -> Any:
    """List the steps and models that a spec can name, all on one page, with the schemas of their parameters."""
    return {"items": describe_nodes(), "next_cursor": None}
