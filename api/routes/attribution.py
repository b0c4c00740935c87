"""How much each column moves what a job's model says: found out when it is asked for."""

import asyncio
from typing import Any

import msgspec
from fastapi import Request, Response

from api.dependencies import MinPositionDep, QueriesDep, RuntimeDep, made, read_one
from api.routes.base import NOT_MODIFIED, not_modified, problems, router
from api.routes.profile import as_known
from api.schemas.job import ShapOut
from skyulf.errors import NotFound

routes = router("job")

PATIENCE = 3.0
"""Seconds that who asks is kept waiting: the library alone takes longer to load where much else is done."""


@routes.get("/jobs/{job_id}/shap", response_model=ShapOut, responses={**NOT_MODIFIED, **problems(409, 410)})
async def show_shap(
    job_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show SHAP values of a job's model. They are made on request: 503 with Retry-After until they are there.

    409 where they cannot be made: shap is not installed, or a limit of time, memory or classes is met.
    """
    jobs, versions = queries.jobs, queries.dataset_versions
    job = await read_one(runtime, jobs, min_position, job_id, lambda: jobs.get(job_id))
    model, dataset = job.model, job.dataset_id
    if model is None:
        raise NotFound(f"{job_id} is {job.status} and has no model; a succeeded job has one")
    await asyncio.to_thread(runtime.queries.datasets.need_data, dataset)
    if not_modified(request, response, model):
        return Response(status_code=304, headers=dict(response.headers))
    assert job.seed is not None  # what has a model was trained
    number = job.dataset_version
    version = await read_one(runtime, versions, min_position, dataset, lambda: versions.get_version(dataset, number))
    sampled = job.sample["rows"] if job.sample else None
    work = runtime.profiles.attribution(model, as_known(version), job.seed, sampled)
    content = await made(work, "what moves the model", PATIENCE)
    head = msgspec.json.encode({"job_id": job_id})
    return Response(head[:-1] + b"," + content[1:], media_type="application/json", headers=dict(response.headers))
