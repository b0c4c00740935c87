"""Versions of models in other forms: the ONNX copy, code that rebuilds the pipeline without Skyulf, a model card."""

import asyncio
from hashlib import sha256
from typing import Any

from fastapi import Request, Response

from api.dependencies import ASK_AGAIN, MinPositionDep, QueriesDep, RuntimeDep, made, read, read_one
from api.routes.base import NOT_MODIFIED, WholeFile, not_modified, problems, router
from api.routes.model import Number
from skyulf.commands.base import Name
from skyulf.core.export import CodeForm, Trained
from skyulf.errors import NotAllowed, NotFound, Unavailable
from skyulf.projections.dataset import DatasetVersionRow
from skyulf.projections.job import JobRow
from skyulf.projections.model import ModelVersionRow
from skyulf.queries.card import CardFacts, model_card
from skyulf.runtime import Queries, Runtime

routes = router("model")


SCRIPT, NOTEBOOK, CARD = "text/x-python", "application/x-ipynb+json", "text/markdown"


def file_of(media_type: str, kind: str = "string") -> dict[int | str, dict[str, Any]]:
    """The documentation of a route that answers with a file of a media type."""
    return {200: {"content": {media_type: {"schema": {"type": kind}}}}, **NOT_MODIFIED}


@routes.get(
    "/models/{name}/versions/{number}/onnx",
    response_class=WholeFile,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The ONNX copy."},
        **NOT_MODIFIED,
        **problems(409, 410),
    },
)
async def download_onnx(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Download the ONNX copy of a version; its SHA-256 is its ETag.

    409 with the reason where there is none; 503 while that is not settled, some seconds after the training.
    """
    _, job, _ = await _recorded(runtime, queries, name, number, min_position)
    if job.onnx is None and queries.as_of is not None:
        raise NotFound(f"whether {name} has an ONNX copy was not settled as of position {queries.as_of}")
    if job.onnx is None:
        raise Unavailable(f"whether {name} has an ONNX copy is not settled yet; ask again", ASK_AGAIN)
    digest = job.onnx["digest"]
    if digest is None:
        raise NotAllowed(f"version {number} of {name} has no ONNX copy: {job.onnx['reason']}")
    await asyncio.to_thread(runtime.queries.datasets.need_data, job.dataset_id)
    if not_modified(request, response, digest):
        return Response(status_code=304, headers=dict(response.headers))
    path = await asyncio.to_thread(runtime.artifacts.path, digest)
    headers = {**response.headers, "Accept-Ranges": "none"}
    return WholeFile(path, headers=headers, media_type="application/octet-stream", filename=f"{name}-{number}.onnx")


@routes.get(
    "/models/{name}/versions/{number}/script",
    response_class=Response,
    responses={**file_of(SCRIPT), **problems(409, 410)},
)
async def download_script(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Download a script of scikit-learn that rebuilds the pipeline from the file it was trained on, without Skyulf.

    409 naming the steps that cannot be written.
    """
    text = await _code(runtime, queries, name, number, min_position, "script")
    return _sent(request, response, Response(text, media_type=SCRIPT), text, f"{name}-{number}.py")


@routes.get(
    "/models/{name}/versions/{number}/notebook",
    response_class=Response,
    responses={**file_of(NOTEBOOK, "object"), **problems(409, 410)},
)
async def download_notebook(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Download the script as a Jupyter notebook (nbformat 4.5)."""
    text = await _code(runtime, queries, name, number, min_position, "notebook")
    return _sent(request, response, Response(text, media_type=NOTEBOOK), text, f"{name}-{number}.ipynb")


@routes.get(
    "/models/{name}/versions/{number}/card", response_class=Response, responses={**file_of(CARD), **problems(410)}
)
async def show_card(
    name: Name,
    number: Number,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Describe a version for people: a model card in Markdown, filled from the log."""
    version, job, table = await _recorded(runtime, queries, name, number, min_position)
    text = await asyncio.to_thread(_described, runtime, queries, version, job, table)
    return _sent(request, response, Response(text, media_type=CARD), text, f"{name}-{number}.md")


async def _recorded(
    runtime: Runtime, queries: Queries, name: str, number: int, min_position: int | None
) -> tuple[ModelVersionRow, JobRow, DatasetVersionRow]:
    """The version, the job that made it and the table that it learnt from, each as new as the others."""
    versions, jobs, tables = queries.model_versions, queries.jobs, queries.dataset_versions
    version = await read_one(
        runtime, versions, min_position, f"model-{name}", lambda: versions.get_version(name, number)
    )
    at_least = max(await asyncio.to_thread(versions.position), min_position or 0)
    job = await read(runtime, jobs, at_least, lambda: jobs.get(version.job_id))
    table = await read(runtime, tables, at_least, lambda: tables.get_version(job.dataset_id, job.dataset_version))
    return version, job, table


async def _code(
    runtime: Runtime, queries: Queries, name: str, number: int, min_position: int | None, form: CodeForm
) -> str:
    version, job, table = await _recorded(runtime, queries, name, number, min_position)
    assert job.spec is not None and job.seed is not None  # noqa: PT018 - both, since the job trained the version
    trained = Trained(
        title=f"{name}, version {number}: {version.estimator}, {version.task}",
        spec=job.spec,
        seed=job.seed,
        rows=table.rows,
        columns=table.columns,
        source={**table.source, "filename": table.filename, "digest": table.digest},
        metrics=version.metrics,
        environment=job.environment,
        measuring=job.rows.get("measuring", 0),
        sampled=job.sample["rows"] if job.sample else None,
        **await asyncio.to_thread(_decides, queries, job.id, job.spec),
    )
    return await made(runtime.exports.code((name, number), trained, form), f"the {form}")


def _decides(queries: Queries, job_id: str, spec: dict[str, Any]) -> dict[str, Any]:
    """By what the model decides beside its numbers, where the spec asks for anything; its artifact is read for that."""
    if not (spec.get("thresholds") or spec.get("intervals")):
        return {}
    evaluation = queries.evaluations.get(job_id)
    thresholds, intervals = evaluation.get("thresholds"), evaluation.get("intervals")
    return {
        "thresholds": thresholds and thresholds["classes"],
        "half_width": intervals and intervals["half_width"],
    }


def _described(
    runtime: Runtime, queries: Queries, version: ModelVersionRow, job: JobRow, table: DatasetVersionRow
) -> str:
    model_stream = f"model-{version.model}"
    events = {
        stream: tuple(each for each in recorded if queries.as_of is None or each.position <= queries.as_of)
        for stream, recorded in runtime.log.load({job.id: 0, model_stream: 0}).items()
    }
    try:
        pipeline = queries.pipelines.get(job.pipeline_id).name if job.pipeline_id is not None else None
    except NotFound:
        pipeline = None
    facts = CardFacts(
        model=queries.models.get_named(version.model),
        version=version,
        job=job,
        dataset=queries.datasets.get(job.dataset_id),
        table=table,
        pipeline=pipeline,
        evaluation=queries.evaluations.get(job.id),
        job_events=events[job.id],
        model_events=events[model_stream],
    )
    return model_card(facts)


def _sent(request: Request, response: Response, answer: Response, text: str, filename: str) -> Response:
    """The answer under the name of a file, with its digest as its ETag."""
    if not_modified(request, response, sha256(text.encode()).hexdigest()[:32]):
        return Response(status_code=304, headers=dict(response.headers))
    answer.headers["ETag"] = response.headers["ETag"]
    answer.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return answer
