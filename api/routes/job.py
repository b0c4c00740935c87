"""Jobs: submit, cancel, retry, watch, evaluate; trainings, scorings of whole datasets, and reproductions of models."""

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
    read,
    read_history,
    read_one,
    read_page,
    replace_reason,
    send,
)
from api.routes.base import NOT_MODIFIED, PARQUET, WholeFile, not_modified, problems, router, whole_file
from api.routes.stream import EVENT_PAGE, page_of_events
from api.schemas.base import CommandAnswer, Page, answered
from api.schemas.job import CancelIn, EvaluationOut, JobIn, JobOut, ScoringIn, SlicesOut, TrialOut
from api.schemas.reproduction import ReproductionIn
from skyulf.commands.base import Command, Context
from skyulf.commands.job import CancelJob, CreateJob, RetryJob
from skyulf.commands.reproduction import CreateReproduction, training_of
from skyulf.commands.scoring import CreateScoring
from skyulf.errors import NotFound, SkyulfError
from skyulf.events.job import JobState, JobStatus, Limits
from skyulf.events.model import ModelState
from skyulf.events.registry import replay
from skyulf.projections.job import JobKind, JobRow
from skyulf.runtime import Runtime
from skyulf.serving.media import MEDIA_TYPES

routes = router("job")

OUTPUT_TYPES = {"csv": MEDIA_TYPES["csv"], "parquet": PARQUET}
"""Media types of predictions, by their format."""


async def _sent(runtime: Runtime, command: Command, context: Context, response: Response) -> dict[str, Any]:
    answer = await send(runtime, command, context)
    response.headers["ETag"] = f'"{answer.version}"'
    response.headers["Location"] = f"/v1/jobs/{answer.id}"
    return answered(answer)


async def _queued(runtime: Runtime, command: Command, context: Context, response: Response) -> dict[str, Any]:
    """Send a command that lets a job wait, if the queue is not full; one that was taken before has its answer still."""
    limit = runtime.queue_limit
    if not await limit.let_in():
        if await asyncio.to_thread(runtime.bus.earlier, command, context) is None:
            raise limit.refusal()
        return await _sent(runtime, command, context, response)
    try:
        return await _sent(runtime, command, context, response)
    except SkyulfError:
        limit.give_back()
        raise


@routes.post("/jobs", status_code=202, response_model=CommandAnswer, responses=problems(409, 410, 412, 415))
async def create_job(body: JobIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Ask for a training. The spec is checked against the dataset's columns before anything is queued.

    503 with Retry-After when as many jobs wait as may (SKYULF_QUEUE_LENGTH).
    """
    return await _queued(runtime, CreateJob(**body.model_dump(), limits=_limits(runtime)), context, response)


def _limits(runtime: Runtime) -> Limits:
    return Limits(seconds=runtime.settings.job_seconds, memory_bytes=runtime.settings.job_memory_bytes)


@routes.post("/scorings", status_code=202, response_model=CommandAnswer, responses=problems(409, 410, 412, 415))
async def create_scoring(body: ScoringIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Ask for a prediction of every row of a dataset, as a job: it is watched, cancelled and retried as any other.

    503 with Retry-After when as many jobs wait as may (SKYULF_QUEUE_LENGTH).
    """
    asked = body.model_dump(exclude={"keep"})
    command = CreateScoring(**asked, keep=tuple(body.keep), limits=_limits(runtime))
    return await _queued(runtime, command, context, response)


@routes.post("/reproductions", status_code=202, response_model=CommandAnswer, responses=problems(409, 410, 412, 415))
async def create_reproduction(
    body: ReproductionIn, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Ask for a model to be trained again from the log and what it names, and compared, as a job like any other.

    Its `reproduction.result` is the verdict. 503 with Retry-After when as many jobs wait as may (SKYULF_QUEUE_LENGTH).
    """
    training, dataset_id = await asyncio.to_thread(_training, runtime, body)
    asked = body.model_dump(exclude={"job_id"})
    command = CreateReproduction(**asked, training=training, dataset_id=dataset_id, limits=_limits(runtime))
    return await _queued(runtime, command, context, response)


def _training(runtime: Runtime, body: ReproductionIn) -> tuple[str, str | None]:
    """The job that trained what is named, and the dataset that it did so on, as the log has them now."""
    training = body.job_id
    if training is None:
        stream = f"model-{body.model}"
        model: ModelState | None = _now(runtime, stream)
        if model is None:
            raise NotFound(f"there is no model {body.model}")
        training = training_of(stream, model, body.model_version, body.alias)
    job: JobState | None = _now(runtime, training) if training.startswith("job-") else None
    return training, None if job is None else job.created.dataset_id


def _now(runtime: Runtime, stream: str) -> Any:
    return replay(stream, None, runtime.log.load({stream: 0})[stream])


@routes.post("/jobs/{job_id}/cancel", status_code=202, response_model=CommandAnswer, responses=problems(412, 415))
async def cancel_job(
    job_id: str, runtime: RuntimeDep, context: ContextDep, response: Response, body: CancelIn | None = None
) -> Any:
    """Cancel a job: one that waits at once, one that runs once its work is killed; one that has ended stays so."""
    reason = body.reason if body else None
    return await _sent(runtime, CancelJob(id=job_id), replace_reason(context, reason), response)


@routes.post("/jobs/{job_id}/retry", status_code=202, response_model=CommandAnswer, responses=problems(409, 412))
async def retry_job(job_id: str, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Let a failed or cancelled job wait again; 503 with Retry-After when as many jobs wait as may."""
    return await _queued(runtime, RetryJob(id=job_id), context, response)


@routes.get("/jobs", response_model=Page[JobOut])
async def list_jobs(
    runtime: RuntimeDep,
    page: PageDep,
    queries: ListQueriesDep,
    min_position: MinPositionDep,
    kind: JobKind | None = None,
    status: JobStatus | None = None,
    model_name: str | None = None,
    dataset_id: str | None = None,
    pipeline_id: str | None = None,
) -> Any:
    """List jobs, the newest first."""
    repository = queries.jobs
    named = {"model_name": model_name, "dataset_id": dataset_id, "pipeline_id": pipeline_id}
    filters = {"kind": kind, "status": status, **named}
    return await read_page(runtime, repository, JobOut, min_position, page, filters)


@routes.get("/jobs/{job_id}", response_model=JobOut, responses=NOT_MODIFIED)
async def show_job(
    job_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a job."""
    repository = queries.jobs
    row = await read_one(runtime, repository, min_position, job_id, lambda: repository.get(job_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return JobOut.of_row(row)


@routes.get("/jobs/{job_id}/events", responses=EVENT_PAGE)
async def list_job_events(
    job_id: str, runtime: RuntimeDep, queries: QueriesDep, min_position: MinPositionDep
) -> Response:
    """List everything that happened to a job, as CloudEvents in order."""
    repository = queries.jobs
    await read_one(runtime, repository, min_position, job_id, lambda: repository.get(job_id))
    return await page_of_events(runtime, 0, None, (), job_id, queries.as_of)


@routes.get("/jobs/{job_id}/evaluation", response_model=EvaluationOut, responses={**NOT_MODIFIED, **problems(410)})
async def show_evaluation(
    job_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show how good a job's model was on rows that it had not seen; its ETag is the job's."""
    jobs, evaluations = queries.jobs, queries.evaluations
    row = await read_one(runtime, jobs, min_position, job_id, lambda: jobs.get(job_id))
    evaluation = await read_one(runtime, jobs, min_position, job_id, lambda: evaluations.get(job_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return evaluation


@routes.get("/jobs/{job_id}/slices", response_model=SlicesOut, responses={**NOT_MODIFIED, **problems(410)})
async def show_slices(
    job_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show the metrics of parts of the rows held out, by values of columns; its ETag is the job's."""
    jobs, evaluations = queries.jobs, queries.evaluations
    row = await read_one(runtime, jobs, min_position, job_id, lambda: jobs.get(job_id))
    slices = await read_one(runtime, jobs, min_position, job_id, lambda: evaluations.slices(job_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return {"job_id": job_id, "slices": slices}


@routes.get(
    "/jobs/{job_id}/output",
    response_class=WholeFile,
    responses={
        200: {
            "description": "The predictions of a scoring, a row for each of the dataset's, in its order.",
            "content": {
                OUTPUT_TYPES["csv"]: {"schema": {"type": "string"}},
                OUTPUT_TYPES["parquet"]: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **NOT_MODIFIED,
        **problems(410),
    },
)
async def download_output(
    job_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Response:
    """Download the predictions of a scoring: a column `prediction`, and `probability_<class>` of a classifier.

    A regressor that has intervals adds `lower` and `upper`. The file's SHA-256 is the `digest` of the job's output,
    and its ETag. 404 until there is one.
    """
    jobs = queries.jobs
    row = await read_one(runtime, jobs, min_position, job_id, lambda: with_output(jobs.get(job_id)))
    scoring = row.scoring or {}
    digest, form = scoring["output"]["digest"], scoring["format"]
    await asyncio.to_thread(runtime.queries.datasets.need_data, row.dataset_id)
    if not_modified(request, response, digest):
        return Response(status_code=304, headers=dict(response.headers))
    path = await asyncio.to_thread(runtime.artifacts.path, digest)
    return whole_file(path, f"{job_id}.{form}", OUTPUT_TYPES[form], response)


def with_output(row: JobRow) -> JobRow:
    """The job, which has predictions; raises `NotFound`."""
    if row.scoring is None or row.scoring["output"] is None:
        raise NotFound(f"{row.id} is {row.status} and has no predictions; a scoring that succeeded has some")
    return row


@routes.get("/jobs/{job_id}/trials", response_model=Page[TrialOut])
async def list_trials(
    job_id: str, runtime: RuntimeDep, page: PageDep, queries: ListQueriesDep, min_position: MinPositionDep
) -> Any:
    """List the trials of a job's tuning that are over, by number, or with ``order=best`` the best first."""
    jobs, trials = queries.jobs, queries.trials
    await read_one(runtime, jobs, min_position, job_id, lambda: jobs.get(job_id))
    await read_history(runtime, trials)
    return await read(runtime, trials, min_position, lambda: trials.of_job(job_id, page))
