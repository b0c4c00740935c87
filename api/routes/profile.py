"""What datasets look like, and how far a version has moved from another: made when they are first asked for."""

import asyncio
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Response

from api.dependencies import MinPositionDep, QueriesDep, RuntimeDep, made, read_one
from api.routes.base import NOT_MODIFIED, not_modified, problems, router
from api.schemas.base import Whole
from api.schemas.profile import DatasetDrift, DatasetProfile
from skyulf.core.suspicions import leakage
from skyulf.errors import NotFound
from skyulf.projections.dataset import DatasetVersionRow
from skyulf.reactions.profiling import Version
from skyulf.runtime import Queries, Runtime

routes = router("dataset")

Newest = Annotated[Whole | None, Query(ge=1, lt=2**31, description="The newest, if left out.")]
Target = Annotated[str | None, Query(max_length=1000, description="The column to suspect others of telling.")]


@routes.get(
    "/datasets/{dataset_id}/profile", response_model=DatasetProfile, responses={**NOT_MODIFIED, **problems(409, 410)}
)
async def show_profile(
    dataset_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
    dataset_version: Newest = None,
    target: Target = None,
) -> Any:
    """Show what a version looks like. It is made when it is first asked for: 503 with Retry-After until it is there.

    409 where it cannot be made within its limits of time and memory.
    """
    row = await _version(runtime, queries, min_position, dataset_id, dataset_version)
    await asyncio.to_thread(runtime.queries.datasets.need_data, dataset_id)
    digest = row.profile
    if digest is None and queries.as_of is not None:
        raise NotFound(
            f"there is no profile of {dataset_id} as of position {queries.as_of}; leave as_of out to make one"
        )
    if digest is None:
        digest = await made(runtime.profiles.profile(as_known(row)), "the profile")
    aimed = "" if target is None else f"-{sha256(target.encode()).hexdigest()[:16]}"
    if not_modified(request, response, f"{digest}{aimed}"):
        return Response(status_code=304, headers=dict(response.headers))
    content = await asyncio.to_thread(_shown, runtime, row, digest, target)
    return Response(content, media_type="application/json", headers=dict(response.headers))


def _shown(runtime: Runtime, row: DatasetVersionRow, digest: str, target: str | None) -> bytes:
    profile = runtime.queries.profiles.read(digest)
    told = profile["warnings"] + (leakage(profile, target) if target is not None else [])
    head = {"dataset_id": row.dataset_id, "dataset_version": row.dataset_version}
    return msgspec.json.encode({**head, **profile, "warnings": told})


@routes.get(
    "/datasets/{dataset_id}/drift", response_model=DatasetDrift, responses={**NOT_MODIFIED, **problems(409, 410)}
)
async def show_drift(
    dataset_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
    reference: Annotated[Whole, Query(alias="from", ge=1, lt=2**31, description="The version to compare with.")],
    current: Annotated[Whole | None, Query(alias="to", ge=1, lt=2**31, description="The newest, if left out.")] = None,
) -> Any:
    """Show how far each column of a version has moved from another version's; 503 and 409 as for a profile."""
    before = await _version(runtime, queries, min_position, dataset_id, reference)
    await asyncio.to_thread(runtime.queries.datasets.need_data, dataset_id)
    after = await _version(runtime, queries, min_position, dataset_id, current)
    if not_modified(request, response, f"{before.artifact}-{after.artifact}"):
        return Response(status_code=304, headers=dict(response.headers))
    content = await made(runtime.profiles.drift(as_known(before), as_known(after)), "the comparison")
    head = msgspec.json.encode({"dataset_id": dataset_id, "from": before.dataset_version, "to": after.dataset_version})
    content = head[:-1] + b"," + content[1:]
    return Response(content, media_type="application/json", headers=dict(response.headers))


def as_known(row: DatasetVersionRow) -> Version:
    """A version as what is made of it on request knows it."""
    return Version(row.dataset_id, row.dataset_version, row.artifact, row.rows, tuple(row.columns))


async def _version(
    runtime: Runtime, queries: Queries, min_position: int | None, dataset_id: str, number: int | None
) -> DatasetVersionRow:
    """The version of that number, or the newest."""
    datasets, versions = queries.datasets, queries.dataset_versions
    if number is None:
        row = await read_one(runtime, datasets, min_position, dataset_id, lambda: datasets.get(dataset_id))
        number = row.dataset_version
    wanted = number
    return await read_one(runtime, versions, min_position, dataset_id, lambda: versions.get_version(dataset_id, wanted))
