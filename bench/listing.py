"""Listing 100 of 100,000 jobs over HTTP, filtered and ordered, the first page and the last."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import quote

from bench.events import History
from bench.measure import Line, Report, Target, interleaved, ratio_of, scratch, seconds_of
from bench.servers import Server, latencies, request_of, skyulf
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.base import Recorded
from skyulf.projections import PROJECTIONS
from skyulf.projections.projector import Projector
from skyulf.queries.base import PageRequest
from skyulf.queries.job import JobRepository

JOBS = 100_000
LIST = "/v1/jobs?status=succeeded&order=-created_at"
FILTER = {"status": "succeeded"}
ROUNDS = 7


def without_progress() -> Iterator[Recorded]:
    """The jobs of a history, each asked for and ended; what came between would show nothing in a list."""
    position = 0
    for record in History().records(JOBS):
        if record.type in ("JobStarted", "JobProgressed"):
            continue
        position += 1
        version = min(record.version, 2) if record.noun == "job" else record.version
        yield Recorded(
            position, record.stream, version, record.id, record.type, record.schema, record.metadata, record.ordinal,
            record.data,
        )  # fmt: skip


def fill(folder: Path) -> None:
    """Make a data directory as a system that has trained so many jobs would leave it."""
    folder.mkdir()
    log = SqliteEventLog(folder / "events.db", new_id)
    log.restore(without_progress())
    store = SqlReadStore(f"sqlite:///{folder / 'rows.db'}")
    projector = Projector(log, store, PROJECTIONS)
    projector.prepare()
    projector.catch_up()
    store.close()
    log.close()


def last_cursor(server: Server) -> str:
    """The cursor of the last page: found in steps of 1,000, then of 100."""
    found: str | None = None
    for limit in (1_000, 100):
        cursor = found
        while True:
            where = f"&cursor={quote(cursor)}" if cursor else ""
            cursor = server.call("GET", f"{LIST}&limit={limit}{where}")["next_cursor"]
            if cursor is None:
                break
            found = cursor
    assert found is not None
    return found


def run() -> Report:
    """Ask for the pages over HTTP, of the repository, and of sqlite3, in turn."""
    with scratch() as folder:
        data = folder / "data"
        fill(data)
        with skyulf(data) as server:
            first = request_of(server.port, "GET", f"{LIST}&limit=100")
            cursor = last_cursor(server)
            last = request_of(server.port, "GET", f"{LIST}&limit=100&cursor={quote(cursor)}")
            one = request_of(server.port, "GET", "/health/live")
            store = SqlReadStore(f"sqlite:///{data / 'rows.db'}")
            repository = JobRepository(store)
            raw = sqlite3.connect(data / "rows.db")
            table = raw.execute("SELECT name FROM sqlite_master WHERE name GLOB 'jobs_[0-9]*' AND type='table'")
            statement = (
                f"SELECT key, row FROM {table.fetchone()[0]} WHERE status='succeeded' "
                "ORDER BY created_position DESC, key DESC LIMIT 101"
            )
            sides = interleaved(
                [
                    lambda: median(latencies(server.port, first, 20)),
                    lambda: median(latencies(server.port, last, 20)),
                    lambda: median_ms(lambda: repository.page(PageRequest(order="-created_at"), FILTER)),
                    lambda: median_ms(lambda: raw.execute(statement).fetchall()),
                    lambda: median(latencies(server.port, one, 50)),
                ],
                ROUNDS,
            )
            raw.close()
            store.close()
    first_page, last_page, called, raw_page, live = sides
    target = Target("at most", 6, of="ours")
    raw_is = "raw sqlite3, the same 100 rows, as text"
    return Report(
        f"List 100 of {JOBS:,} jobs, status=succeeded, newest first, p50",
        [
            line("GET, first page", first_page, raw_is, raw_page, target),
            line("GET, last page", last_page, "first page", first_page, target),
            line("  the repository alone, in process", called, raw_is, raw_page),
            line("  GET /health/live", live, "", None),
        ],
        ["A page over HTTP is 100 whole jobs with their specs and metrics, encoded as JSON."],
    )


def line(what: str, ours: list[float], beside: str, peer: list[float] | None, target: Target | None = None) -> Line:
    """A line in milliseconds."""
    if peer is None:
        return Line(what, median(ours), "ms", target=target)
    return Line(what, median(ours), "ms", beside, median(peer), ratio_of(ours, peer), target)


def median_ms(work: object) -> float:
    """The median of twenty calls, in milliseconds."""
    assert callable(work)
    return median(seconds_of(work) for _ in range(20)) * 1e3
