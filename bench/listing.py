"""Listing 100 of 100,000 jobs over HTTP, filtered and ordered, the first page and the last: SQLite and Postgres."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import psycopg

from bench.events import History
from bench.measure import Line, Report, Target, interleaved, ratio_of, scratch, seconds_of
from bench.postgres import migrated
from bench.servers import Server, latencies, request_of, skyulf
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.projections import PROJECTIONS
from skyulf.projections.projector import Projector
from skyulf.queries.base import PageRequest
from skyulf.queries.job import JobRepository
from tests.services.postgres import databases

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


@dataclass(frozen=True, slots=True)
class Place:
    """A database: where log and rows are kept, how a server is told, and what reads its rows without us."""

    name: str
    log: Callable[[], EventLog]
    rows: str
    settings: dict[str, str]
    raw: Callable[[], Any]
    tables: str


def sqlite(data: Path) -> Place:
    """The files of a data directory."""
    return Place(
        "SQLite",
        lambda: SqliteEventLog(data / "events.db", new_id),
        f"sqlite:///{data / 'rows.db'}",
        {},
        lambda: sqlite3.connect(data / "rows.db"),
        "SELECT name FROM sqlite_master WHERE name GLOB 'jobs_[0-9]*' AND type='table'",
    )


def postgres(url: str) -> Place:
    """A database on a server."""
    return Place(
        "Postgres",
        lambda: PostgresEventLog(url, new_id),
        url,
        {"database_url": url},
        lambda: psycopg.connect(url, autocommit=True, prepare_threshold=0),
        "SELECT tablename FROM pg_tables WHERE tablename ~ '^jobs_[0-9]+$'",
    )


def fill(place: Place) -> None:
    """Leave behind what a system that has trained so many jobs would."""
    with closing(place.log()) as log, closing(SqlReadStore(place.rows)) as store:
        log.restore(without_progress())
        projector = Projector(log, store, PROJECTIONS)
        projector.prepare()
        projector.catch_up()


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
    """Measure each database in turn."""
    with scratch() as folder, databases() as made:
        (folder / "sqlite").mkdir()
        lines = [
            *measured(sqlite(folder / "sqlite"), folder / "sqlite"),
            *measured(postgres(migrated(made)), folder / "postgres"),
        ]
    return Report(
        f"List 100 of {JOBS:,} jobs, status=succeeded, newest first, p50",
        lines,
        ["A page over HTTP is 100 whole jobs with their specs and metrics, encoded as JSON."],
    )


def measured(place: Place, data: Path) -> list[Line]:
    """Ask for the pages over HTTP, of the repository, and of the database's own driver, in turn."""
    fill(place)
    with (
        skyulf(data, **place.settings) as server,
        closing(SqlReadStore(place.rows)) as store,
        closing(place.raw()) as raw,
    ):
        first = request_of(server.port, "GET", f"{LIST}&limit=100")
        cursor = last_cursor(server)
        last = request_of(server.port, "GET", f"{LIST}&limit=100&cursor={quote(cursor)}")
        one = request_of(server.port, "GET", "/health/live")
        repository = JobRepository(store)
        statement = (
            f"SELECT key, row FROM {raw.execute(place.tables).fetchone()[0]} WHERE status='succeeded' "
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
    first_page, last_page, called, raw_page, live = sides
    target = Target("at most", 6, of="ours")
    raw_is = "the driver alone, the same 100 rows, as text"
    return [
        line(f"GET, first page, {place.name}", first_page, raw_is, raw_page, target),
        line(f"GET, last page, {place.name}", last_page, "first page", first_page, target),
        line("  the repository alone, in process", called, raw_is, raw_page),
        line("  GET /health/live", live, "", None),
    ]


def line(what: str, ours: list[float], beside: str, peer: list[float] | None, target: Target | None = None) -> Line:
    """A line in milliseconds."""
    if peer is None:
        return Line(what, median(ours), "ms", target=target)
    return Line(what, median(ours), "ms", beside, median(peer), ratio_of(ours, peer), target)


def median_ms(work: object) -> float:
    """The median of twenty calls, in milliseconds."""
    assert callable(work)
    return median(seconds_of(work) for _ in range(20)) * 1e3
