"""Datasets: upload, list, show."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from api.dependencies import ContextDep, MinPositionDep, PageDep, RuntimeDep, read, read_one, send
from api.routes.base import NOT_MODIFIED, StrictRequest, media_type, not_modified, problems, router
from api.schemas.base import Page, Whole, answered
from api.schemas.dataset import (
    DatasetAnswer,
    DatasetFromUri,
    DatasetListed,
    DatasetOut,
    DatasetRows,
    DatasetVersionOut,
    HowToRead,
)
from skyulf.commands.bus import Answer
from skyulf.commands.dataset import AddDatasetVersion, CreateDataset
from skyulf.errors import Fault, Invalid, NotFound
from skyulf.events.dataset import DatasetVersionAdded
from skyulf.events.registry import decode
from skyulf.ingest import Asked
from skyulf.ingest.disk import telling_full_disk
from skyulf.ingest.service import TakenIn
from skyulf.projections.dataset import DatasetVersionRow
from skyulf.queries.base import LARGEST_PAGE
from skyulf.runtime import Runtime

routes = router("dataset")

FORMATS = "CSV, Parquet, JSON lines or Excel, by its name."

UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": FORMATS},
                        "name": {"type": "string", "minLength": 1, "maxLength": 200},
                        **HowToRead.model_json_schema()["properties"],
                    },
                },
                "encoding": {"types": {"contentType": "application/json"}},
            },
            "application/json": {"schema": DatasetFromUri.model_json_schema()},
        },
    }
}

Number = Annotated[Whole, InPath(ge=1, lt=2**31)]

LONGEST_NAME = 200

LONGEST_FILENAME = 255


async def get_upload(request: Request) -> AsyncIterator[FormData]:
    """The parts of an upload, which Starlette keeps in temporary files of its own until the answer is given.

    A ``uri`` in JSON is understood, and refused: no place is allowed yet.
    """
    kind = media_type(request)
    if kind == "application/json":
        raise Invalid("datasets are not read from URIs yet", [Fault("uri", await _uri_fault(request))])
    if kind != "multipart/form-data":
        raise HTTPException(415, "send multipart/form-data with a part called file, or JSON with name and uri")
    try:
        with telling_full_disk():
            form = await request.form(max_files=1, max_fields=10)
    except HTTPException as error:
        raise Invalid("the upload cannot be read", [Fault("body", str(error.detail))]) from error
    try:
        yield form
    finally:
        await form.close()


async def _uri_fault(request: Request) -> str:
    try:
        DatasetFromUri.model_validate(await StrictRequest(request.scope, request.receive).json())
    except (ValidationError, ValueError):
        return "an object with name and uri"
    return "no root or host is allowed by the settings; upload the file"


UploadDep = Annotated[FormData, Depends(get_upload)]


@routes.post(
    "/datasets", status_code=201, response_model=DatasetAnswer, openapi_extra=UPLOAD, responses=problems(412, 415)
)
async def create_dataset(form: UploadDep, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Upload a file as a new dataset. Its name decides how it is read; its bytes make its digest."""
    upload = _file(form)
    given = form.get("name")
    name = given.strip() if isinstance(given, str) else Path(upload.filename or "").stem
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name:
        raise Invalid("the dataset has no usable name", [Fault("name", f"1 to {LONGEST_NAME} characters, no U+0000")])
    taken = await _take_in(runtime, upload, _asked(form))
    answer = await send(runtime, CreateDataset(name=name, **_members(taken)), context)
    response.headers["Location"] = f"/v1/datasets/{answer.id}"
    return _shown(answer, response)


@routes.post(
    "/datasets/{dataset_id}/versions",
    status_code=201,
    response_model=DatasetAnswer,
    openapi_extra=UPLOAD,
    responses=problems(412, 415),
)
async def add_dataset_version(
    dataset_id: str, form: UploadDep, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Upload a file as a new version of a dataset."""
    upload = _file(form)
    if not (await asyncio.to_thread(runtime.log.load, {dataset_id: 0}))[dataset_id]:
        raise NotFound(f"there is no dataset {dataset_id}")
    taken = await _take_in(runtime, upload, _asked(form))
    answer = await send(runtime, AddDatasetVersion(id=dataset_id, **_members(taken)), context)
    response.headers["Location"] = f"/v1/datasets/{answer.id}"
    return _shown(answer, response)


def _file(form: FormData) -> UploadFile:
    upload = form.get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        raise Invalid("there is no file in the upload", [Fault("file", "a part called file, with a file name")])
    if len(upload.filename) > LONGEST_FILENAME or not upload.filename.isprintable():
        wanted = f"a file name of at most {LONGEST_FILENAME} printable characters"
        raise Invalid("the file's name cannot be used", [Fault("file", wanted)])
    return upload


def _asked(form: FormData) -> Asked:
    """What the upload's fields say of how the file is to be read."""
    given = {name: form[name] for name in HowToRead.model_fields if name in form}
    if any(len(form.getlist(name)) > 1 or not isinstance(value, str) for name, value in given.items()):
        raise Invalid("a field is there twice, or is a file", [Fault(", ".join(given), "each of them once, as text")])
    try:
        members = {name: _member(name, str(value)) for name, value in given.items()}
        read = HowToRead.model_validate(members)
    except ValidationError as error:
        faults = [Fault(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
        raise Invalid("the file cannot be read as asked", faults) from error
    return Asked(dict(read.types), read.delimiter, read.decimal, read.header)


def _member(name: str, text: str) -> Any:
    if name in ("delimiter", "decimal"):
        return {"\\t": "\t", "tab": "\t"}.get(text, text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        wanted = "true or false" if name == "header" else 'a JSON object such as {"size": "number"}'
        raise Invalid("the file cannot be read as asked", [Fault(name, wanted)]) from error


async def _take_in(runtime: Runtime, upload: UploadFile, asked: Asked) -> TakenIn:
    def work() -> TakenIn:
        with telling_full_disk(), tempfile.NamedTemporaryFile(prefix="upload-", dir=runtime.directory.scratch) as copy:
            shutil.copyfileobj(upload.file, copy, 1 << 20)
            copy.flush()
            try:
                return runtime.ingest.take_in(Path(copy.name), Path(upload.filename or "").name, asked)
            except Invalid as error:
                raise Invalid(error.detail, error.faults or [Fault("file", error.detail)]) from error

    return await asyncio.get_running_loop().run_in_executor(runtime.ingest.threads, work)


def _members(taken: TakenIn) -> dict[str, Any]:
    return {
        "digest": taken.digest,
        "artifact": taken.artifact,
        "rows": taken.rows,
        "source": taken.source,
        "columns": taken.columns,
    }


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
    }


@routes.get("/datasets", response_model=Page[DatasetListed])
async def list_datasets(
    runtime: RuntimeDep, page: PageDep, min_position: MinPositionDep, name: str | None = None
) -> Any:
    """List datasets, the newest first."""
    repository = runtime.queries.datasets
    return await read(runtime, repository, min_position, lambda: repository.page(page, {"name": name}))


@routes.get("/datasets/{dataset_id}", response_model=DatasetOut, responses=NOT_MODIFIED)
async def show_dataset(
    dataset_id: str, runtime: RuntimeDep, min_position: MinPositionDep, request: Request, response: Response
) -> Any:
    """Show a dataset with the columns of its newest version."""
    queries = runtime.queries
    row = await read_one(runtime, queries.datasets, min_position, dataset_id, lambda: queries.datasets.get(dataset_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    newest = await _version(runtime, min_position, dataset_id, row.dataset_version)
    listed = DatasetListed.model_validate(row).model_dump()
    return {**listed, "filename": newest.filename, "size": newest.size, "columns": newest.columns}


@routes.get("/datasets/{dataset_id}/versions", response_model=Page[DatasetVersionOut])
async def list_dataset_versions(
    dataset_id: str, runtime: RuntimeDep, page: PageDep, min_position: MinPositionDep
) -> Any:
    """List the versions of a dataset, the first one first."""
    datasets, versions = runtime.queries.datasets, runtime.queries.dataset_versions
    await read_one(runtime, datasets, min_position, dataset_id, lambda: datasets.get(dataset_id))
    return await read(runtime, versions, min_position, lambda: versions.page(page, {"dataset_id": dataset_id}))


@routes.get("/datasets/{dataset_id}/versions/{number}", response_model=DatasetVersionOut, responses=NOT_MODIFIED)
async def show_dataset_version(
    dataset_id: str,
    number: Number,
    runtime: RuntimeDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a version of a dataset; it never changes."""
    row = await _version(runtime, min_position, dataset_id, number)
    if not_modified(request, response, row.artifact):
        return Response(status_code=304, headers=dict(response.headers))
    return row


@routes.get("/datasets/{dataset_id}/rows", response_model=DatasetRows, responses=NOT_MODIFIED)
async def show_dataset_rows(
    dataset_id: str,
    runtime: RuntimeDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
    limit: Annotated[Whole, Query(ge=1, le=LARGEST_PAGE, description="The most rows; large ones are fewer.")] = 20,
    dataset_version: Annotated[Whole | None, Query(ge=1, lt=2**31, description="The newest, if left out.")] = None,
) -> Any:
    """Show the first rows of a dataset as they were read."""
    datasets = runtime.queries.datasets
    row = await read_one(runtime, datasets, min_position, dataset_id, lambda: datasets.get(dataset_id))
    version = await _version(runtime, min_position, dataset_id, dataset_version or row.dataset_version)
    if not_modified(request, response, f"{version.artifact}-{limit}"):
        return Response(status_code=304, headers=dict(response.headers))
    items = await asyncio.to_thread(runtime.ingest.first_rows, version.artifact, limit)
    head = orjson.dumps({"dataset_version": version.dataset_version, "rows": version.rows})
    content = head[:-1] + b',"items":' + items + b"}"
    return Response(content, media_type="application/json", headers=dict(response.headers))


async def _version(runtime: Runtime, min_position: int | None, dataset_id: str, number: int) -> DatasetVersionRow:
    versions = runtime.queries.dataset_versions
    return await read_one(runtime, versions, min_position, dataset_id, lambda: versions.get_version(dataset_id, number))
