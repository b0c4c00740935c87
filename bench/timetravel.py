"""Lists of jobs as of random positions of a long log beside the same lists of now, over HTTP: SQLite and Postgres."""

import random
from contextlib import closing
from pathlib import Path
from statistics import median

from bench import catchup
from bench.events import records
from bench.listing import Place, postgres, sqlite
from bench.measure import Line, Report, Target, interleaved, ratio_of, scratch, seconds_of
from bench.postgres import migrated
from bench.servers import latencies, request_of, skyulf
from skyulf.adapters.read_store import SqlReadStore
from skyulf.projections import ALL, PAST
from skyulf.projections.job import JOBS
from skyulf.projections.past import MOMENTS, history_of
from skyulf.projections.projector import Projector
from skyulf.queries.past import TimeTravel
from tests.services.postgres import databases

EVENTS = 1_000_000
POSITIONS = 50
ROUNDS = 5

LISTS = {
    "all jobs": "limit=100",
    "succeeded": "limit=100&status=succeeded",
    "running": "limit=100&status=running",
    "of a model, oldest first": "limit=100&model_name=champion&order=created_at",
}
"""What is asked of ``/v1/jobs``; of those that run there are two at any time, among all that ever ran."""


def run(events: int = EVENTS) -> Report:
    """Measure each database in turn."""
    with scratch() as folder, databases() as made:
        (folder / "sqlite").mkdir()
        lines = measured(sqlite(folder / "sqlite"), folder / "sqlite", events)
        url = migrated(made)
        catchup.fill(url, events)
        lines += measured(postgres(url), folder / "postgres", events)
    return Report(
        f"Lists of jobs as of {POSITIONS} random positions of {events:,} events, p50",
        lines,
        [
            "Now's list is the same list without as_of, of the same server, in turns with it.",
            "Histories of every projection are caught up one by one page after the other, as beside a server.",
        ],
    )


def measured(place: Place, data: Path, events: int) -> list[Line]:
    """Fill a log, catch up, and ask for each list as of random positions, and as of now."""
    kept = caught_up(place, events)
    draw = random.Random(events)  # the same positions at every run
    positions = [draw.randrange(1, events) for _ in range(POSITIONS)]
    lines: list[Line] = []
    with skyulf(data, **place.settings) as server:
        for name, query in LISTS.items():
            now = request_of(server.port, "GET", f"/v1/jobs?{query}")
            then = [request_of(server.port, "GET", f"/v1/jobs?{query}&as_of={position}") for position in positions]
            ours, peer = interleaved(
                [
                    lambda then=then: median(median(latencies(server.port, each, 3)) for each in then),  # type: ignore[misc]
                    lambda now=now: median(latencies(server.port, now, POSITIONS)),  # type: ignore[misc]
                ],
                ROUNDS,
            )
            what = f"GET /v1/jobs, {name}, {place.name}"
            target = Target("at most", 2)
            lines.append(Line(what, median(ours), "ms", "now", median(peer), ratio_of(ours, peer), target))
    return lines + kept


def caught_up(place: Place, events: int) -> list[Line]:
    """Leave a log and its rows behind; how long the rows took, and how long a time takes to be found."""
    with closing(place.log()) as log, closing(SqlReadStore(place.rows)) as store:
        if log.head() == 0:
            log.restore(records(events))
        projector = Projector(log, store, ALL)
        projector.prepare()
        live = seconds_of(lambda: projector.catch_up({JOBS.name}))
        history = seconds_of(lambda: projector.catch_up({history_of(JOBS).name}))
        moments = seconds_of(lambda: projector.catch_up({MOMENTS.name}))
        projector.catch_up({projection.name for projection in PAST})
        projector.catch_up()
        travel = TimeTravel(log, store)
        times = [log.read(position, 1).events[0].metadata.recorded_at for position in range(1, events, events // 20)]
        spent = [seconds_of(lambda time=time: travel.position(time.isoformat())) * 1e3 for time in times]  # type: ignore[misc]
    return [
        Line(f"jobs' history, {place.name}", events / history, "events/s", "jobs, of now", events / live),
        Line("  when each position was", events / moments, "events/s", "jobs, of now", events / live),
        Line(f"  a time to its position, p50, {place.name}", median(spent), "ms"),
    ]
