"""Pipelines and the nodes that they are made of."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from api.dependencies import ContextDep, MinPositionDep, PageDep, RuntimeDep, read, read_one, send
from api.routes.base import NOT_MODIFIED, not_modified, problems, router
from api.schemas.base import CommandAnswer, Page, answered
from api.schemas.pipeline import NodeOut, PipelineIn, PipelineOut
from skyulf.commands.bus import Answer
from skyulf.commands.pipeline import ArchivePipeline, CreatePipeline, RevisePipeline
from skyulf.core.registry import describe_nodes

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
    min_position: MinPositionDep,
    name: str | None = None,
    archived: Annotated[bool | None, Query(description="Only archived ones, or only those in use.")] = None,
) -> Any:
    """List pipelines, the newest first."""
    repository = runtime.queries.pipelines
    filters = {"name": name, "archived": archived}
    return await read(runtime, repository, min_position, lambda: repository.page(page, filters))


@routes.get("/pipelines/{pipeline_id}", response_model=PipelineOut, responses=NOT_MODIFIED)
async def show_pipeline(
    pipeline_id: str, runtime: RuntimeDep, min_position: MinPositionDep, request: Request, response: Response
) -> Any:
    """Show a pipeline."""
    repository = runtime.queries.pipelines
    row = await read_one(runtime, repository, min_position, pipeline_id, lambda: repository.get(pipeline_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.get("/nodes", response_model=Page[NodeOut])
async def list_nodes() -> Any:
    """List the steps and models that a spec can name, all on one page, with the schemas of their parameters."""
    return {"items": describe_nodes(), "next_cursor": None}
