"""What is sent to become a dataset: a file in a form, or the URI of one in JSON; and what becomes of it."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from api.dependencies import send
from api.routes.base import StrictRequest, media_type
from api.schemas.dataset import DatasetFromUri, HowToRead, VersionFromUri
from skyulf.commands.answers import Answer
from skyulf.commands.base import Context
from skyulf.commands.dataset import AskedUri, Ingested
from skyulf.errors import Fault, Invalid
from skyulf.events.dataset import Source
from skyulf.ingest import Asked
from skyulf.ingest.disk import telling_full_disk
from skyulf.ingest.service import TakenIn
from skyulf.runtime import Runtime

FROM_URI = TypeVar("FROM_URI", bound=VersionFromUri)

FORMATS = "CSV, Parquet, JSON lines or Excel, by its name."

LONGEST_NAME = 200

LONGEST_FILENAME = 255

NOTHING_YET: dict[str, Any] = {
    "digest": "",
    "artifact": "",
    "rows": 0,
    "source": Source(filename="", size=0),
    "columns": (),
}
"""What a command says of a file that has not been read yet."""


def documented(from_uri: type[VersionFromUri]) -> dict[str, Any]:
    """The description of a body that is either a form with a file, or ``from_uri``."""
    name = {"name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}}
    form = {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {"type": "string", "format": "binary", "description": FORMATS},
                **name,
                **HowToRead.model_json_schema()["properties"],
            },
        },
        "encoding": {"types": {"contentType": "application/json"}},
    }
    content = {"multipart/form-data": form, "application/json": {"schema": from_uri.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def sent_as(from_uri: type[FROM_URI]) -> Callable[[Request], AsyncIterator[FormData | FROM_URI]]:
    """A provider of what is sent, which Starlette keeps in temporary files of its own until the answer is given."""

    async def get_sent(request: Request) -> AsyncIterator[FormData | FROM_URI]:
        kind = media_type(request)
        if kind == "application/json":
            yield await _json(request, from_uri)
            return
        if kind != "multipart/form-data":
            raise HTTPException(415, "send multipart/form-data with a part called file, or JSON with a uri")
        try:
            with telling_full_disk():
                form = await request.form(max_files=1, max_fields=10)
        except HTTPException as error:
            raise Invalid("the upload cannot be read", [Fault("body", str(error.detail))]) from error
        try:
            yield form
        finally:
            await form.close()

    return get_sent


async def _json(request: Request, from_uri: type[FROM_URI]) -> FROM_URI:
    try:
        document = await StrictRequest(request.scope, request.receive).json()
    except json.JSONDecodeError as error:
        raise Invalid("the request is not valid", [Fault("body", f"no JSON that is taken: {error.msg}")]) from error
    try:
        return from_uri.model_validate(document)
    except ValidationError as error:
        raise Invalid("the request is not valid", _faults(error)) from error


def name_of(sent: FormData | DatasetFromUri) -> str:
    """What the dataset is to be called: the member ``name``, else an uploaded file's name without its ending."""
    given = sent.get("name") if isinstance(sent, FormData) else sent.name
    name = given.strip() if isinstance(given, str) else Path(_file(sent).filename or "").stem
    if not 1 <= len(name) <= LONGEST_NAME or "\0" in name:
        raise Invalid("the dataset has no usable name", [Fault("name", f"1 to {LONGEST_NAME} characters, no U+0000")])
    return name


def check(sent: FormData | VersionFromUri) -> None:
    """Raise `Invalid` for a form that has no file that could be read."""
    if isinstance(sent, FormData):
        _file(sent)


async def ingest(
    runtime: Runtime,
    sent: FormData | VersionFromUri,
    context: Context,
    dataset_id: str,
    command: Callable[..., Ingested],
) -> Answer:
    """Take the file in for a dataset, and hand in the ``command`` that is made with what is known of it then."""
    command = partial(command, id=dataset_id)
    threads = runtime.ingest.threads
    loop = asyncio.get_running_loop()
    if isinstance(sent, FormData):
        upload, asked = _file(sent), _asked(sent)
        taken = await loop.run_in_executor(threads, _take_in, runtime, upload, dataset_id, asked)
        return await send(runtime, command(**_members(taken)), context)
    draft = command(**NOTHING_YET, asked=AskedUri(**sent.model_dump(exclude={"name"})))
    # Before anything is read: what lies there may have changed, or gone, since the command was sent first.
    if earlier := await asyncio.to_thread(runtime.bus.earlier, draft, context):
        return earlier
    place = runtime.ingest.uris.allowed(sent.uri)
    asked = Asked(dict(sent.types), sent.delimiter, sent.decimal, sent.header, sent.unfit)
    try:
        taken = await loop.run_in_executor(threads, runtime.ingest.take_in_from, place, dataset_id, asked)
    except Invalid as error:
        raise Invalid(error.detail, error.faults or [Fault("uri", error.detail)]) from error
    return await send(runtime, draft.model_copy(update=_members(taken)), context)


def _file(sent: FormData | VersionFromUri) -> UploadFile:
    upload = sent.get("file") if isinstance(sent, FormData) else None
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
        read = HowToRead.model_validate({name: _member(name, str(value)) for name, value in given.items()})
    except ValidationError as error:
        raise Invalid("the file cannot be read as asked", _faults(error)) from error
    return Asked(dict(read.types), read.delimiter, read.decimal, read.header, read.unfit)


def _member(name: str, text: str) -> Any:
    if name in ("delimiter", "decimal", "unfit"):
        return {"\\t": "\t", "tab": "\t"}.get(text, text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        wanted = "true or false" if name == "header" else 'a JSON object such as {"size": "number"}'
        raise Invalid("the file cannot be read as asked", [Fault(name, wanted)]) from error


def _faults(error: ValidationError) -> list[Fault]:
    return [Fault(".".join(str(part) for part in fault["loc"]) or "body", fault["msg"]) for fault in error.errors()]


def _take_in(runtime: Runtime, upload: UploadFile, dataset_id: str, asked: Asked) -> TakenIn:
    with telling_full_disk(), tempfile.NamedTemporaryFile(prefix="upload-", dir=runtime.directory.scratch) as copy:
        shutil.copyfileobj(upload.file, copy, 1 << 20)
        copy.flush()
        try:
            return runtime.ingest.take_in(Path(copy.name), Path(upload.filename or "").name, dataset_id, asked)
        except Invalid as error:
            raise Invalid(error.detail, error.faults or [Fault("file", error.detail)]) from error


def _members(taken: TakenIn) -> dict[str, Any]:
    return {
        "digest": taken.digest,
        "artifact": taken.artifact,
        "rows": taken.rows,
        "source": taken.source,
        "columns": taken.columns,
    }
