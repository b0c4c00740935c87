"""Read models from the log, Postgres → Postgres, at 10,000 and at 1,000,000 events, beside the library's runner."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from bench.events import records
from bench.library import JobLog, JobProgress, Keeping, jobs_events
from bench.measure import Line, Report, Target, collecting_as_served, seconds_of
from bench.postgres import migrated
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.stored import state_of
from skyulf.adapters.system import new_id
from skyulf.projections import PROJECTIONS
from skyulf.projections.job import JOBS
from skyulf.projections.projector import Projector
from tests.services.postgres import Databases, databases

FEW = 10_000
MANY = 1_000_000
ROUNDS = 3
LIBRARY_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Events in a second by the clock and in a second of the projector's CPU: of jobs alone, and of all in one pass."""

    jobs: float
    jobs_cpu: float
    everything: float
    everything_cpu: float


def run() -> Report:
    """Measure few events several times, many once: a pass over them outlasts the noise."""
    with databases() as made, collecting_as_served():
        rounds = [(rates(made, FEW), library_rate(made)) for _ in range(ROUNDS)]
        many = rates(made, MANY)
    few = Rates(*(median(getattr(rate, name) for rate, _ in rounds) for name in Rates.__dataclass_fields__))
    library = median(theirs for _, theirs in rounds)
    unit, runner = "events/s", "the library's ProjectionRunner"
    quick, far = Target("at least", 50_000, of="ours"), Target("at least", 60)
    return Report(
        "Catch-up, Postgres → Postgres",
        [
            Line("jobs, 10,000 events", few.jobs, unit, runner, library, target=far),
            Line("  a second of the projector's CPU", few.jobs_cpu, unit, target=quick),
            Line("jobs, 1,000,000 events", many.jobs, unit, runner, library, target=far),
            Line("  a second of the projector's CPU", many.jobs_cpu, unit, target=quick),
            Line(
                "jobs, cost of an event at 1,000,000", 1e6 / many.jobs, "µs", "at 10,000", 1e6 / few.jobs,
                target=Target("at most", 1.2),
            ),
            Line("all eight in one pass, 10,000 events", few.everything, unit, runner, library),
            Line("  a second of the projector's CPU", few.everything_cpu, unit),
            Line("all eight in one pass, 1,000,000 events", many.everything, unit, runner, library),
            Line("  a second of the projector's CPU", many.everything_cpu, unit),
        ],
        [
            "The projector is one thread of one process; the server works beside it, on the other core while it waits.",
            f"93 events of 100 are jobs'. The library's runner follows {LIBRARY_EVENTS:,} events in a table of its "
            "own, and keeps a row of a key and a number.",
        ],
    )  # fmt: skip


def rates(made: Databases, count: int) -> Rates:
    """Fill a log, catch up from nothing with every projection, and then build jobs anew beside the live ones."""
    url = migrated(made)
    fill(url, count)
    with closing(PostgresEventLog(url, new_id)) as log, closing(SqlReadStore(url)) as store:
        projector = Projector(log, store, PROJECTIONS)
        projector.prepare()
        everything = both(projector.catch_up)
        jobs = both(lambda: projector.rebuild(JOBS.name))
    return Rates(*(count / seconds for seconds in (*jobs, *everything)))


def both(work: Any) -> tuple[float, float]:
    """Seconds of the clock, and of this process's CPU."""
    before = time.process_time()
    spent = seconds_of(work)
    return spent, time.process_time() - before


def fill(url: str, count: int) -> None:
    """Put records into an empty log, faster than `EventLog.restore`, which checks them."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy(
            "COPY events (notification_id, originator_id, originator_version, topic, state, actor, command_id, "
            "ordinal) FROM STDIN"
        ) as copy:
            for row in rows(count):
                copy.write_row(row)
        cursor.execute("SELECT setval(pg_get_serial_sequence('events', 'notification_id'), %s)", [count])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE events")


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """The rows of so many records."""
    for r in records(count):
        state = state_of(r.id, r.ordinal, r.metadata, r.data).decode()
        actor, command = r.metadata.actor.id, r.metadata.command_id
        yield r.position, r.stream, r.version, r.name, state, actor, command, r.ordinal


# The library's side


class JobView(Keeping, PostgresTrackingRecorder):
    """A table of how far jobs have got, beside the library's table of tracking."""

    table = "CREATE TABLE IF NOT EXISTS progress (key TEXT PRIMARY KEY, fraction FLOAT)"
    upsert = "INSERT INTO progress VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET fraction=excluded.fraction"

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(psycopg.sql.SQL(self.table))


def library_rate(made: Databases) -> float:
    """Events per second of the library's runner, over events that are there when it begins."""
    parts = conninfo_to_dict(made.database())
    environment = {"PERSISTENCE_MODULE": "eventsourcing.postgres"} | {
        f"POSTGRES_{name.upper()}": str(parts[name]) for name in ("dbname", "host", "port", "user", "password")
    }
    app = JobLog(env=environment)
    last = app.save(jobs_events(LIBRARY_EVENTS))[-1].notification.id
    app.close()

    def follow() -> None:
        with ProjectionRunner(
            application_class=JobLog, projection_class=JobProgress, view_class=JobView, env=environment
        ) as runner:
            runner.wait(last, timeout=60)

    return LIBRARY_EVENTS / seconds_of(follow)
