"""Webhooks: other systems that are told of events, how far each has got, and what waits."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Request, Response

from api.dependencies import (
    ContextDep,
    Limit,
    ListQueriesDep,
    MinPositionDep,
    NumberCursor,
    PageDep,
    QueriesDep,
    RuntimeDep,
    read,
    read_history,
    read_one,
    replace_reason,
    send,
)
from api.routes.base import NOT_MODIFIED, not_modified, problems, router
from api.schemas.base import CommandAnswer, Page, ReasonIn, ReasonQuery, answered
from api.schemas.webhook import (
    ReplayIn,
    SecretAnswer,
    SkipIn,
    Target,
    WaitingOut,
    WebhookChange,
    WebhookIn,
    WebhookOut,
)
from skyulf.commands.base import Command, Context
from skyulf.commands.webhook import (
    ChangeWebhook,
    CreateWebhook,
    RemoveWebhook,
    ReplaceWebhookSecret,
    ReplayWebhook,
    RetryDelivery,
    SkipDelivery,
    check,
)
from skyulf.errors import Fault, Invalid
from skyulf.events.registry import decode
from skyulf.events.webhook import Filter, WebhookCreated, WebhookSecretReplaced
from skyulf.projections.webhook import WebhookRow
from skyulf.queries.webhook import Delivered
from skyulf.reactions.webhooks.signing import hash_of, secret_of
from skyulf.runtime import Queries, Runtime

routes = router("webhook")

WebhookId = Annotated[str, Path(max_length=200)]
Stream = Annotated[str, Path(max_length=200)]


async def _sent(runtime: Runtime, command: Command, context: Context, response: Response) -> dict[str, Any]:
    answer = await send(runtime, command, context)
    response.headers["ETag"] = f'"{answer.version}"'
    return answered(answer)


def _filter(runtime: Runtime, target: Target) -> Filter:
    """Which events are asked for; raises `Invalid` where nothing may be delivered so."""
    wanted = Filter(
        types=tuple(name.removeprefix("skyulf.") for name in target.types),
        nouns=tuple(target.nouns),
        streams=tuple(target.streams),
    )
    check(target.url, wanted)
    runtime.address_rules.check(target.url)
    return wanted


async def _need_position(runtime: Runtime, after: int | None) -> None:
    """Raise `Invalid` for a position that the log has not got to."""
    if after is not None and after > (head := await asyncio.to_thread(runtime.log.head)):
        message = f"a position up to the log's head, which is {head}"
        raise Invalid(f"nothing is recorded there: expected {message}", [Fault("after", message)])


async def _signed(
    runtime: Runtime, command: CreateWebhook | ReplaceWebhookSecret, secret: str, context: Context, response: Response
) -> dict[str, Any]:
    """Send a command about a secret, and show that; it is kept before the log tells of it."""
    store = runtime.deliveries
    await asyncio.to_thread(store.keep_secret, command.secret_hash, secret)
    answer = await send(runtime, command, context)
    response.headers["ETag"] = f'"{answer.version}"'
    response.headers["Cache-Control"] = "no-store"
    event = decode(answer.events[0])
    assert isinstance(event, WebhookCreated | WebhookSecretReplaced)
    own = event.secret_hash == command.secret_hash
    if not own:  # the answer to the same command, sent before
        await asyncio.to_thread(store.forget, None, [command.secret_hash])
    return {**answered(answer), "secret": secret if own else None}


@routes.post("/webhooks", status_code=201, response_model=SecretAnswer, responses=problems(412, 415))
async def create_webhook(body: WebhookIn, runtime: RuntimeDep, context: ContextDep, response: Response) -> Any:
    """Have events posted to a URL, and show the secret that they are signed with, this once (docs/webhooks.md)."""
    wanted = _filter(runtime, body)
    await _need_position(runtime, body.after)
    secret = secret_of(runtime.new_seed())
    command = CreateWebhook(url=body.url, filter=wanted, after=body.after, secret_hash=hash_of(secret))
    answer = await _signed(runtime, command, secret, context, response)
    response.headers["Location"] = f"/v1/webhooks/{answer['id']}"
    return answer


@routes.put("/webhooks/{webhook_id}", response_model=CommandAnswer, responses=problems(409, 412, 415))
async def change_webhook(
    webhook_id: WebhookId, body: WebhookChange, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Say anew where events go, which, and whether they wait: what happens while a webhook is paused comes later."""
    command = ChangeWebhook(id=webhook_id, url=body.url, filter=_filter(runtime, body), paused=body.paused)
    return await _sent(runtime, command, replace_reason(context, body.reason), response)


@routes.delete("/webhooks/{webhook_id}", response_model=CommandAnswer, responses=problems(412, 415))
async def remove_webhook(
    webhook_id: WebhookId,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
    reason: ReasonQuery = None,
) -> Any:
    """Deliver nothing to it any more, and forget its secret."""
    why = replace_reason(context, reason or (body.reason if body else None))
    return await _sent(runtime, RemoveWebhook(id=webhook_id), why, response)


@routes.post(
    "/webhooks/{webhook_id}/secret", status_code=201, response_model=SecretAnswer, responses=problems(409, 412, 415)
)
async def replace_secret(
    webhook_id: WebhookId, runtime: RuntimeDep, context: ContextDep, response: Response, body: ReasonIn | None = None
) -> Any:
    """Sign deliveries with a new secret from now on, and show it, this once."""
    secret = secret_of(runtime.new_seed())
    command = ReplaceWebhookSecret(id=webhook_id, secret_hash=hash_of(secret))
    why = replace_reason(context, body.reason if body else None)
    return await _signed(runtime, command, secret, why, response)


@routes.post(
    "/webhooks/{webhook_id}/replay", status_code=202, response_model=CommandAnswer, responses=problems(409, 412, 415)
)
async def replay_webhook(
    webhook_id: WebhookId, body: ReplayIn, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Deliver everything above a position, again where it had been delivered; what waits begins anew as well."""
    await _need_position(runtime, body.after)
    command = ReplayWebhook(id=webhook_id, after=body.after)
    return await _sent(runtime, command, replace_reason(context, body.reason), response)


@routes.get("/webhooks", response_model=Page[WebhookOut])
async def list_webhooks(
    runtime: RuntimeDep,
    page: PageDep,
    queries: ListQueriesDep,
    min_position: MinPositionDep,
    removed: Annotated[bool | None, Query(description="Only removed ones, or only the others.")] = None,
) -> Any:
    """List webhooks, the newest first, and how far each has got."""
    repository = queries.webhooks
    await read_history(runtime, repository)

    def found() -> dict[str, Any]:
        rows = repository.page(page, {"removed": removed})
        return {"items": _shown(queries, rows.items), "next_cursor": rows.next_cursor}

    return await read(runtime, repository, min_position, found)


@routes.get("/webhooks/{webhook_id}", response_model=WebhookOut, responses=NOT_MODIFIED)
async def show_webhook(
    webhook_id: WebhookId,
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    request: Request,
    response: Response,
) -> Any:
    """Show a webhook, and how far it has got; its secret is shown nowhere. Its ETag is of what it is, not how far."""
    repository = queries.webhooks
    row = await read_one(runtime, repository, min_position, webhook_id, lambda: repository.get(webhook_id))
    if not_modified(request, response, row.version):
        return Response(status_code=304, headers=dict(response.headers))
    (shown,) = await asyncio.to_thread(_shown, queries, [row])
    return shown


@routes.get("/webhooks/{webhook_id}/waiting", response_model=Page[WaitingOut])
async def list_waiting(
    webhook_id: WebhookId,
    runtime: RuntimeDep,
    limit: Limit = 100,
    cursor: NumberCursor = None,
    parked: Annotated[bool | None, Query(description="Only what has kept failing, or only the rest.")] = None,
) -> Any:
    """List the streams that a webhook is behind with, in order of position, and what came of the last attempt."""
    row = await _row(runtime, webhook_id)
    (state,) = await asyncio.to_thread(runtime.queries.deliveries.of, [row])
    after = int(cursor) if cursor else 0
    wanted = [each for each in state.waiting if each.position > after and parked in (None, each.parked)]
    shown = wanted[:limit]
    return {
        "items": [{**msgspec.structs.asdict(each), "error": each.error or None} for each in shown],
        "next_cursor": str(shown[-1].position) if len(wanted) > limit else None,
    }


@routes.post(
    "/webhooks/{webhook_id}/waiting/{stream}/retry",
    status_code=202,
    response_model=CommandAnswer,
    responses=problems(409, 412, 415),
)
async def retry_delivery(
    webhook_id: WebhookId,
    stream: Stream,
    runtime: RuntimeDep,
    context: ContextDep,
    response: Response,
    body: ReasonIn | None = None,
) -> Any:
    """Try what waits of a stream now, and, if it fails, as patiently as the first time."""
    await _need_waiting(runtime, webhook_id, stream)
    why = replace_reason(context, body.reason if body else None)
    return await _sent(runtime, RetryDelivery(id=webhook_id, stream=stream), why, response)


@routes.post(
    "/webhooks/{webhook_id}/waiting/{stream}/skip", response_model=CommandAnswer, responses=problems(409, 412, 415)
)
async def skip_delivery(
    webhook_id: WebhookId, stream: Stream, body: SkipIn, runtime: RuntimeDep, context: ContextDep, response: Response
) -> Any:
    """Never deliver the event that waits, so that those behind it can be; replays leave it out as well."""
    await _need_waiting(runtime, webhook_id, stream, body.position)
    command = SkipDelivery(id=webhook_id, stream=stream, position=body.position)
    return await _sent(runtime, command, replace_reason(context, body.reason), response)


async def _row(runtime: Runtime, webhook_id: str) -> WebhookRow:
    repository = runtime.queries.webhooks
    return await read_one(runtime, repository, None, webhook_id, lambda: repository.get(webhook_id))


async def _need_waiting(runtime: Runtime, webhook_id: str, stream: str, position: int | None = None) -> None:
    """Raise `NotFound` where nothing of the stream waits, and `Invalid` where it is another event that does."""
    row = await _row(runtime, webhook_id)
    waiting = await asyncio.to_thread(runtime.queries.deliveries.waiting, row, stream)
    if position not in (None, waiting.position):
        message = f"{waiting.position}, at which the event is that waits"
        raise Invalid(f"another event waits: expected {message}", [Fault("position", message)])


def _shown(queries: Queries, rows: Sequence[WebhookRow]) -> list[dict[str, Any]]:
    """Webhooks as they are shown: how far each has got is known of now alone."""
    now = queries.as_of is None
    states = queries.deliveries.of(rows) if now else [None] * len(rows)
    return [{**_own(row), **_how_far(state)} for row, state in zip(rows, states, strict=True)]


def _own(row: WebhookRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in WebhookOut.model_fields if hasattr(row, name)}


def _how_far(state: Delivered | None) -> dict[str, Any]:
    if state is None:
        return dict.fromkeys(("has_secret", "position", "lag", "waiting", "parked"))
    return {
        "has_secret": state.has_secret,
        "position": state.position,
        "lag": state.lag,
        "waiting": len(state.waiting),
        "parked": state.parked,
    }
