"""Access keys: issue, revoke, and what each is good for."""

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
from api.schemas.access import KeyAnswer, KeyIn, KeyOut
from api.schemas.base import CommandAnswer, Page, answered
from skyulf.commands.access import GrantRole, IssueKey, RevokeKey, RevokeRole
from skyulf.commands.base import Command, Context
from skyulf.errors import Fault, Invalid
from skyulf.events.access import Role
from skyulf.queries.access import hash_of, key_of
from skyulf.runtime import Runtime

routes = router("access")


async def _sent(runtime: Runtime, command: Command, context: Context, response: Response) -> dict[str, Any]:
    """Send a command; once it is answered, it holds for every request that comes to this process."""
    answer = await send(runtime, command, context)
    await asyncio.to_thread(runtime.keyring.refresh)
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)


@routes.post("/keys", status_code=201, response_model=KeyAnswer, responses=problems(415))
async def issue_key(body: KeyIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Issue a key and show it, this once. From the first one on, every request needs a key."""
    if body.expires_at is not None and body.expires_at <= runtime.now():
        raise Invalid("the key would never open anything", [Fault("expires_at", "a time to come")])
    secret = runtime.new_secret()
    command = IssueKey(
        name=body.name,
        roles=tuple(body.roles),
        kind=body.kind,
        actor=body.actor,
        expires_at=body.expires_at,
        hash=hash_of(secret),
    )
    answer = await _sent(runtime, command, context, response)
    response.headers["Location"] = f"/v1/keys/{answer['id']}"
    response.headers["Cache-Control"] = "no-store"
    key = key_of(answer["id"], secret)
    return {**answer, "key": key if runtime.keyring.find(key) else None}


@routes.delete("/keys/{key_id}", response_model=CommandAnswer, responses=problems(412))
async def revoke_key(key_id: str, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Revoke a key for good."""
    return await _sent(runtime, RevokeKey(id=key_id), context, response)


@routes.put("/keys/{key_id}/roles/{role}", response_model=CommandAnswer, responses=problems(409, 412))
async def grant_role(key_id: str, role: Role, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Let a key do what a role may."""
    return await _sent(runtime, GrantRole(id=key_id, role=role), context, response)


@routes.delete("/keys/{key_id}/roles/{role}", response_model=CommandAnswer, responses=problems(409, 412))
async def revoke_role(key_id: str, role: Role, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Take a role from a key."""
    return await _sent(runtime, RevokeRole(id=key_id, role=role), context, response)


@routes.get("/keys", response_model=Page[KeyOut])
async def list_keys(
    runtime: RuntimeDep,
    page: PageDep,
    queries: ListQueriesDep,
    min_position: MinPositionDep,
    actor: str | None = None,
    revoked: Annotated[bool | None, Query(description="Only revoked ones, or only the others.")] = None,
) -> Any:
    """List keys, the newest first."""
    repository = queries.keys
    filters = {"actor": actor, "revoked": revoked}
    return await read_page(runtime, repository, KeyOut, min_position, page, filters)


@routes.get("/keys/{key_id}", response_model=KeyOut, responses=NOT_MODIFIED)
async def show_key(
    key_id: str,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a key; what it opens with is kept nowhere."""
    repository = queries.keys
    row = await read_one(runtime, repository, min_position, key_id, lambda: repository.get(key_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    return row
