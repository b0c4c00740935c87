"""What became of a thing, what it was made from, and what was made from it."""

import asyncio
from typing import Annotated, Any

from fastapi import Path, Query

from api.dependencies import Limit, MinPositionDep, NumberCursor, QueriesDep, RuntimeDep, read_fresh_all, read_history
from api.routes.base import router
from api.schemas.base import Whole
from api.schemas.history import DifferenceOut, HistoryOut, LineageOut, shown_change, shown_field, shown_lineage
from skyulf.errors import Fault, Invalid
from skyulf.queries.history import Noun
from skyulf.queries.lineage import Noun as Traced

routes = router("history")

Id = Annotated[str, Path(max_length=200, description="The name of a model or deployment, else the thing's id.")]
Position = Annotated[Whole, Query(ge=0, lt=2**63)]


@routes.get("/audit/{noun}/{id}", response_model=HistoryOut)
async def show_history(
    noun: Noun,
    id: Id,  # noqa: A002 - the parameter's name is the contract's
    runtime: RuntimeDep,
    limit: Limit = 100,
    cursor: NumberCursor = None,
) -> Any:
    """Show every event of a thing: what it changed, before and after, who did it, when and why; the first first."""
    changes = await asyncio.to_thread(runtime.queries.history.changes, noun, id)
    begin = 0 if cursor is None else int(cursor)
    page = [change for change in changes if change.recorded.version > begin][:limit]
    more = bool(page) and page[-1] is not changes[-1]
    return {
        "noun": noun,
        "id": id,
        "items": [shown_change(change) for change in page],
        "next_cursor": str(page[-1].recorded.version) if more else None,
    }


@routes.get("/audit/{noun}/{id}/diff", response_model=DifferenceOut)
async def show_difference(
    noun: Noun,
    id: Id,  # noqa: A002 - the parameter's name is the contract's
    runtime: RuntimeDep,
    begin: Annotated[Position, Query(alias="from", description="A position of the log; 0 is before everything.")],
    end: Annotated[Position | None, Query(alias="to", description="A later one. Default: the log's last.")] = None,
) -> Any:
    """Show what is different of a thing from one position of the log to another."""
    last, changes = await asyncio.to_thread(runtime.queries.history.difference, noun, id, begin, end)
    return {"noun": noun, "id": id, "begin": begin, "end": last, "changes": [shown_field(each) for each in changes]}


@routes.get("/lineage/{noun}/{id}", response_model=LineageOut)
async def show_lineage(
    noun: Traced,
    id: Id,  # noqa: A002 - the parameter's name is the contract's
    runtime: RuntimeDep,
    queries: QueriesDep,
    min_position: MinPositionDep,
    version: Annotated[
        Whole | None, Query(ge=1, lt=2**31, description="Only this version of a dataset or a model. Default: all.")
    ] = None,
) -> Any:
    """Show what went into a thing and what it went into, from datasets to deployments, and whom a fault would reach."""
    if version is not None and noun not in ("dataset", "model"):
        raise Invalid(f"a {noun} has no versions", [Fault("query.version", "leave it out")])
    await read_fresh_all(runtime, min_position)
    await read_history(runtime, queries.jobs, queries.deployments)
    return shown_lineage(await asyncio.to_thread(queries.lineage.of, noun, id, version))
