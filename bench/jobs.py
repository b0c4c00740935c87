"""``POST /v1/jobs``, durable on Postgres, beside the same insert behind a bare async FastAPI route."""

import json
import sys
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from bench.append import ACTOR, EVENT
from bench.data import make, spec_of
from bench.events import metadata
from bench.measure import Line, Report, Target, interleaved, ratio_of, scratch
from bench.postgres import migrated
from bench.servers import Server, concurrent_latencies, free_port, request_of, serving
from skyulf.adapters.stored import data_of, state_of
from skyulf.adapters.system import new_id
from tests.services.postgres import databases

ROUNDS = 7
REQUESTS = 320
"""Of all clients together, in a round of each side."""

CLIENTS = (1, 16)
ROWS = 500


def run() -> Report:
    """Send the same job to both servers in turn, from one client and from many."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        made = stack.enter_context(databases())
        ours = stack.enter_context(api(folder, migrated(made)))
        theirs = stack.enter_context(peer(folder, migrated(made)))
        dataset = ours.upload(make(folder, ROWS))["id"]
        job = json.dumps({"dataset_id": dataset, "spec": spec_of("logistic_regression", {})}).encode()
        requests = [
            request_of(server.port, "POST", path, job) for server, path in ((ours, "/v1/jobs"), (theirs, "/jobs"))
        ]
        for server, request in zip((ours, theirs), requests, strict=True):
            p50(server, request, max(CLIENTS))
        calls = [
            partial(p50, server, request, clients)
            for clients in CLIENTS
            for server, request in zip((ours, theirs), requests, strict=True)
        ]
        sides = interleaved(calls, ROUNDS)
    return Report(
        "POST /v1/jobs, durable on Postgres, p50",
        [line(clients, *sides[2 * number : 2 * number + 2]) for number, clients in enumerate(CLIENTS)],
        [
            "Ours is skyulf serve --role api: it checks the caller, the body, and the spec against the columns of the "
            "dataset, guards job and dataset, and is idempotent.",
            "The bare route takes the body as a dict and inserts a row that is ready but for two ids into the same "
            "table with the same indexes, in one prepared statement that commits by itself, on a pool of psycopg's.",
        ],
    )


def p50(server: Server, request: bytes, clients: int) -> float:
    """Milliseconds until the middle one of the requests of a round is answered."""
    return median(concurrent_latencies(server.port, request, clients, REQUESTS))


def line(clients: int, ours: list[float], theirs: list[float]) -> Line:
    """Both sides with so many clients."""
    what = f"{clients} clients" if clients > 1 else "1 client"
    ratio, target = ratio_of(ours, theirs), Target("at most", 1.7)
    return Line(what, median(ours), "ms", "the same insert behind a bare route", median(theirs), ratio, target)


def api(folder: Path, url: str) -> AbstractContextManager[Server]:
    """A server that takes requests and does nothing else, as others would for it."""
    port = free_port()
    data = folder / "data"
    data.mkdir()
    command = [sys.executable, "-m", "skyulf", "serve", "--role", "api", "--data-dir", str(data), "--port", str(port)]
    return serving(command, "/health/live", folder / "api.log", port, {"SKYULF_DATABASE_URL": url})


def peer(folder: Path, url: str) -> AbstractContextManager[Server]:
    """The server of ``bench/inserting.py``."""
    port = free_port()
    state = folder / "state.json"
    state.write_bytes(state_of(new_id(), 0, metadata(ACTOR, 1), data_of(EVENT)))
    command = [sys.executable, "-m", "bench.inserting", str(port), url, str(state)]
    return serving(command, "/live", folder / "inserting.log", port, {})
