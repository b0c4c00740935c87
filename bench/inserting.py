"""``python -m bench.inserting PORT URL STATE``: a bare FastAPI route that inserts a row into the table of events."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from skyulf.adapters.system import new_id

INSERT = """
INSERT INTO events (originator_id, originator_version, topic, state, actor, command_id, ordinal)
VALUES (%s, 1, 'JobCreated@1', %s, 'local', %s, 0) RETURNING notification_id
"""


def made(url: str, state: str) -> FastAPI:
    """The application: one route, and a pool whose connections commit each statement by itself."""
    pool = AsyncConnectionPool(
        url, min_size=4, max_size=16, open=False, kwargs={"autocommit": True, "prepare_threshold": 0}
    )

    @asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=opened)

    @app.get("/live")
    async def live() -> dict[str, str]:
        """Answer that it lives."""
        return {"status": "live"}

    @app.post("/jobs", status_code=202)
    async def insert(_document: dict[str, Any]) -> dict[str, Any]:
        """Insert, and answer as ours does."""
        job = f"job-{new_id()}"
        async with pool.connection() as connection:
            row = await (await connection.execute(INSERT, (job, state, new_id()))).fetchone()
        assert row is not None
        return {"id": job, "version": 1, "position": row[0]}

    return app


if __name__ == "__main__":
    uvicorn.run(
        made(sys.argv[2], Path(sys.argv[3]).read_text()),
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False,
    )  # fmt: skip
