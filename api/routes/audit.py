"""Proofs of what the log holds: signed checkpoints, inclusion, consistency, and the tiles of the tree."""

import asyncio
import re
from base64 import b64encode
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from starlette.responses import PlainTextResponse

from api.dependencies import Limit, NumberCursor, RuntimeDep
from api.routes.base import problems, router
from api.schemas.audit import CheckpointOut, ConsistencyOut, InclusionOut, NewestCheckpointOut
from api.schemas.base import Page, Whole
from skyulf.errors import NotFound
from skyulf.events.checkpoints import opened, parse_checkpoint, parse_note
from skyulf.events.keys import parse_key
from skyulf.events.ledger import WIDTH
from skyulf.events.ledger_store import Kept
from skyulf.queries.audit import AuditService

routes = router("audit")

LARGEST = 2**63
"""No position or size gets there."""

Position = Annotated[Whole, Query(ge=1, lt=LARGEST, description="The event's position.")]
Origin = Annotated[
    str | None, Query(max_length=200, description="The log that is meant: another one refuses, instead of answering.")
]
OptionalSize = Annotated[Whole | None, Query(ge=1, lt=LARGEST, description="A checkpoint's size. Default: the newest.")]

Documented = dict[int | str, dict[str, Any]]

NOTE: Documented = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
TILE: Documented = {200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}

TILE_PATH = re.compile(r"([0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([0-9]{1,3}))?")
"""Level, number in groups of three digits, and the width of a tile that has not all its hashes."""


def text_of(raw: bytes) -> str:
    """Bytes in base64."""
    return b64encode(raw).decode()


def shown(audit: AuditService, kept: Kept) -> dict[str, Any]:
    """A checkpoint as it is answered."""
    found = opened(kept.note, parse_key(kept.key))
    return {
        "origin": found.checkpoint.origin,
        "size": kept.size,
        "root": text_of(found.checkpoint.root),
        "position": audit.covered_position(kept),
        "signed_at": found.signed_at,
        "note": kept.note,
        "key": kept.key,
    }


@routes.get("/audit/checkpoint", response_model=NewestCheckpointOut, responses=NOTE)
async def newest_checkpoint(request: Request, runtime: RuntimeDep) -> Any:
    """Show the newest checkpoint, and what it does not cover; with ``Accept: text/plain`` the signed note alone."""
    if request.headers.get("accept", "").startswith("text/plain"):
        return PlainTextResponse((await asyncio.to_thread(runtime.audit.newest)).note)

    def read() -> dict[str, Any]:
        return {
            **shown(runtime.audit, runtime.audit.newest()),
            "unsealed": runtime.audit.unsealed(runtime.now()),
        }

    return await asyncio.to_thread(read)


@routes.get("/audit/checkpoints", response_model=Page[CheckpointOut])
async def list_checkpoints(
    runtime: RuntimeDep,
    limit: Limit = 100,
    cursor: NumberCursor = None,
) -> Any:
    """List checkpoints, the newest first."""

    def read() -> dict[str, Any]:
        found = runtime.audit.checkpoints(limit, None if cursor is None else int(cursor))
        more = len(found) == limit and bool(runtime.audit.checkpoints(1, found[-1].size))
        return {
            "items": [shown(runtime.audit, kept) for kept in found],
            "next_cursor": str(found[-1].size) if more else None,
        }

    return await asyncio.to_thread(read)


@routes.get("/audit/checkpoints/{size}", response_model=CheckpointOut)
async def show_checkpoint(size: Annotated[Whole, Path(ge=1, lt=LARGEST)], runtime: RuntimeDep) -> Any:
    """Show the checkpoint over so many events."""
    return await asyncio.to_thread(lambda: shown(runtime.audit, runtime.audit.checkpoint(size)))


@routes.get("/audit/proofs/inclusion", response_model=InclusionOut, responses=problems(409))
async def prove_inclusion(
    runtime: RuntimeDep, position: Position, size: OptionalSize = None, origin: Origin = None
) -> Any:
    """Prove that the event at a position is under a checkpoint."""
    proof = await asyncio.to_thread(runtime.audit.inclusion, position, size, origin)
    checkpoint = parse_checkpoint(parse_note(proof.checkpoint.note).text)
    return {
        "origin": checkpoint.origin,
        "position": proof.position,
        "index": proof.index,
        "size": checkpoint.size,
        "leaf": text_of(proof.leaf),
        "path": [text_of(each) for each in proof.path],
        "root": text_of(checkpoint.root),
        "note": proof.checkpoint.note,
    }


@routes.get("/audit/proofs/consistency", response_model=ConsistencyOut)
async def prove_consistency(
    runtime: RuntimeDep,
    from_size: Annotated[
        Whole, Query(alias="from", ge=1, lt=LARGEST, description="The size of an earlier checkpoint.")
    ],
    to_size: Annotated[
        Whole | None, Query(alias="to", ge=1, lt=LARGEST, description="A later size. Default: the newest checkpoint's.")
    ] = None,
    origin: Origin = None,
) -> Any:
    """Prove that the log has only grown from one size to another."""
    proof = await asyncio.to_thread(runtime.audit.consistency, from_size, to_size, origin)
    return {
        "origin": proof.origin,
        "from_size": proof.from_size,
        "from_root": text_of(proof.from_root),
        "to_size": proof.to_size,
        "to_root": text_of(proof.to_root),
        "path": [text_of(each) for each in proof.path],
    }


@routes.get("/audit/tile/{path:path}", response_class=Response, responses=TILE)
async def read_tile(
    path: Annotated[str, Path(max_length=100, description="As C2SP tlog-tiles has it, such as 0/x001/067.p/5.")],
    runtime: RuntimeDep,
) -> Any:
    """Read a tile of the tree: 256 hashes, or as many as the path asks for."""
    match = TILE_PATH.fullmatch(path)
    if match is None or match[4] == "0" or int(match[4] or 1) > WIDTH:
        raise NotFound("a tile is named LEVEL/NUMBER, the number in groups of three digits: 0/x001/067 or 0/000.p/5")
    level, number = int(match[1]), int(match[2].replace("x", "").replace("/", "") + match[3])
    content = await asyncio.to_thread(runtime.audit.tile, level, number, int(match[4] or WIDTH))
    return Response(content, media_type="application/octet-stream")
