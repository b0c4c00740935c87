"""Datasets: upload, list, show."""

import asyncio
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request, Response
from fastapi import Path as InPath
from starlette.datastructures import FormData

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
from api.routes.base import NOT_MODIFIED, not_modified, problems, router
from api.schemas.base import Page, ReasonIn, ReasonQuery, Whole, answered, needed
from api.schemas.dataset import (
    DatasetAnswer,
    DatasetErasedAnswer,
    DatasetFromUri,
    DatasetListed,
    DatasetOut,
    DatasetRows,
    DatasetVersionOut,
    VersionFromUri,
)
from api.uploads import check, documented, ingest, name_of, sent_as
from skyulf.commands.answers import Answer
from skyulf.commands.dataset import AddDatasetVersion, CreateDataset, EraseDataset
from skyulf.errors import NotFound
from skyulf.events.dataset import Column, DatasetErased, DatasetErasureListed, DatasetVersionAdded
from skyulf.events.holdings import holdings
from skyulf.events.registry import decode
from skyulf.ingest.remarks import warnings
from skyulf.projections.dataset import DatasetVersionRow, erasure_shown
from skyulf.queries.base import LARGEST_PAGE
from skyulf.runtime import Queries, Runtime

routes = router("dataset")

Number = Annotated[Whole, InPath(ge=1, lt=2**31)]

FormOrUri = Annotated[FormData | DatasetFromUri, Depends(sent_as(DatasetFromUri))]

VersionFormOrUri = Annotated[FormData | VersionFromUri, Depends(sent_as(VersionFromUri))]


@routes.post(
    "/datasets",
    status_code=201,
    response_model=DatasetAnswer,
    openapi_extra=documented(DatasetFromUri),
    responses=problems(412, 415),
)
async def create_dataset(sent: FormOrUri, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Make a dataset of an uploaded file, or of one that the server fetches. Its name decides how it is read."""
    check(sent)
    dataset_id = f"dataset-{runtime.new_id()}"
    answer = await ingest(runtime, sent, context, dataset_id, partial(CreateDataset, name=name_of(sent)))
    response.headers["Location"] = f"/v1/datasets/{answer.id}"
    return _shown(answer, response)


@routes.post(
    "/datasets/{dataset_id}/versions",
    status_code=201,
    response_model=DatasetAnswer,
    openapi_extra=documented(VersionFromUri),
    responses=problems(410, 412, 415),
)
async def add_dataset_version(
    dataset_id: str, sent: VersionFormOrUri, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Add an uploaded file, or one that the server fetches, as a new version of a dataset."""
    check(sent)
    if not (await asyncio.to_thread(runtime.log.load, {dataset_id: 0}))[dataset_id]:
        raise NotFound(f"there is no dataset {dataset_id}")
    answer = await ingest(runtime, sent, context, dataset_id, AddDatasetVersion)
    response.headers["Location"] = f"/v1/datasets/{answer.id}"
    return _shown(answer, response)


def _shown(answer: Answer, response: Response) -> dict[str, Any]:
    added = decode(answer.events[-1])
    assert isinstance(added, DatasetVersionAdded)
    response.headers["ETag"] = f'"{answer.version}"'
    return {
        **answered(answer),
        "dataset_version": added.dataset_version,
        "digest": added.digest,
        "rows": added.rows,
        "columns": [column.model_dump() for column in added.columns],
        "warnings": warnings(added.columns, added.rows, added.source.types),
    }


@routes.delete(
    "/datasets/{dataset_id}", response_model=DatasetErasedAnswer, responses=problems(412, 415), status_code=200
)
async def erase_dataset(
    dataset_id: str,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
    reason: ReasonQuery = None,
) -> Any:
    """Erase the data of a dataset for good, and of all that was made of it; what happened stays known.

    A reason is required. From the answer on nothing reads it; within seconds its key and files are destroyed, jobs that
    run on it have failed, and models that were trained on it are retired with the deployments that serve them. `GET
    /v1/lineage/dataset/{id}` tells all that before. One that is erased already stays so.
    """
    why = needed(reason or (body.reason if body else None), "erasing a dataset")
    held = await asyncio.to_thread(lambda: holdings(runtime.log).of(dataset_id))
    command = EraseDataset(id=dataset_id, artifacts=held.artifacts, models=held.models, deployments=held.deployments)
    answer = await send(runtime, command, replace_reason(context, why))
    runtime.eraser.wake()
    response.headers["ETag"] = f'"{answer.version}"'
    shown = erasure_shown(command.artifacts, command.models, command.deployments)
    if answer.events:  # a command that is sent again is answered as it was
        told = [each for each in map(decode, answer.events) if isinstance(each, DatasetErased | DatasetErasureListed)]
        first, *more = [erasure_shown(each.artifacts, each.models, each.deployments) for each in told]
        shown = {member: sum((part[member] for part in more), first[member]) for member in first}
    return {**answered(answer), **shown}


@routes.get("/datasets", response_model=Page[DatasetListed])
async def list_datasets(
    runtime: RuntimeDep, page: PageDep, queries: ListQueriesDep, min_position: MinPositionDep, name: str | None = None
) -> Any:
    """List datasets, the newest first."""
    repository = queries.datasets
    return await read_page(runtime, repository, DatasetListed, min_position, page, {"name": name})


@routes.get("/datasets/{dataset_id}", response_model=DatasetOut, responses=NOT_MODIFIED)
async def show_dataset(
    dataset_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a dataset with the columns of its newest version."""
    row = await read_one(runtime, queries.datasets, min_position, dataset_id, lambda: queries.datasets.get(dataset_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    newest = await _version(runtime, queries, min_position, dataset_id, row.dataset_version)
    listed = DatasetListed.model_validate(row).model_dump()
    columns = [Column.model_validate(column) for column in newest.columns]
    told = warnings(columns, newest.rows, newest.source["types"])
    return {**listed, "filename": newest.filename, "size": newest.size, "columns": newest.columns, "warnings": told}


@routes.get("/datasets/{dataset_id}/versions", response_model=Page[DatasetVersionOut])
async def list_dataset_versions(
    dataset_id: str, runtime: RuntimeDep, page: PageDep, queries: ListQueriesDep, min_position: MinPositionDep
) -> Any:
    """List the versions of a dataset, the first one first."""
    datasets, versions = queries.datasets, queries.dataset_versions
    await read_one(runtime, datasets, min_position, dataset_id, lambda: datasets.get(dataset_id))
    return await read_page(runtime, versions, DatasetVersionOut, min_position, page, {"dataset_id": dataset_id})


@routes.get("/datasets/{dataset_id}/versions/{number}", response_model=DatasetVersionOut, responses=NOT_MODIFIED)
async def show_dataset_version(
    dataset_id: str,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a version of a dataset; it never changes."""
    row = await _version(runtime, queries, min_position, dataset_id, number)
    if not_modified(request, response, row.artifact):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.get("/datasets/{dataset_id}/rows", response_model=DatasetRows, responses={**NOT_MODIFIED, **problems(410)})
async def show_dataset_rows(
    dataset_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
    limit: Annotated[Whole, Query(ge=1, le=LARGEST_PAGE, description="The most rows; large ones are fewer.")] = 20,
    dataset_version: Annotated[Whole | None, Query(ge=1, lt=2**31, description="The newest, if left out.")] = None,
) -> Any:
    """Show the first rows of a dataset as they were read."""
    datasets = queries.datasets
    row = await read_one(runtime, datasets, min_position, dataset_id, lambda: datasets.get(dataset_id))
    await asyncio.to_thread(runtime.queries.datasets.need_data, dataset_id)
    version = await _version(runtime, queries, min_position, dataset_id, dataset_version or row.dataset_version)
    if not_modified(request, response, f"{version.artifact}-{limit}"):
        return Response(status_code=304, headers=dict(response.headers))
    items = await asyncio.to_thread(runtime.ingest.first_rows, version.artifact, limit)
    head = orjson.dumps({"dataset_version": version.dataset_version, "rows": version.rows})
    content = head[:-1] + b',"items":' + items + b"}"
    return Response(content, media_type="application/json", headers=dict(response.headers))


async def _version(
    runtime: Runtime, queries: Queries, min_position: int | None, dataset_id: str, number: int
) -> DatasetVersionRow:
    versions = queries.dataset_versions
    return await read_one(runtime, versions, min_position, dataset_id, lambda: versions.get_version(dataset_id, number))
