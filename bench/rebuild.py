"""Rebuilding read models from the log, SQLite → SQLite, at 10,000 and at 1,000,000 events, beside two peers."""

import sqlite3
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from eventsourcing.projection import ProjectionRunner
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

from bench.events import records
from bench.library import JobLog, JobProgress, Keeping, jobs_events
from bench.measure import Line, Report, Target, collecting_as_served, scratch, seconds_of
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.projections import PROJECTIONS
from skyulf.projections.job import JOBS
from skyulf.projections.projector import Projector

FEW = 10_000
MANY = 1_000_000
ROUNDS = 3
LIBRARY_EVENTS = 2_000
PAGE = 2_000


def run() -> Report:
    """Measure few events several times, many once: a pass over them outlasts the noise."""
    with scratch() as folder, collecting_as_served():
        few = Measured.of(folder / "few", FEW, ROUNDS)
        library = median(library_rate(folder / f"library-{turn}") for turn in range(3))
    with scratch() as folder, collecting_as_served():
        many = Measured.of(folder / "many", MANY, 1)
    unit = "events/s"
    raw = "raw sqlite3: read, fold, upsert"
    return Report(
        f"Rebuild, SQLite → SQLite ({many.bytes_each:,.0f} bytes an event on disk)",
        [
            Line("jobs, 10,000 events", few.jobs, unit, raw, few.raw, target=Target("at least", 50_000, of="ours")),
            Line(
                "jobs, 1,000,000 events", many.jobs, unit, raw, many.raw, target=Target("at least", 50_000, of="ours")
            ),
            Line("jobs, 10,000 events", few.jobs, unit, "the library's ProjectionRunner", library),
            Line("all seven, 10,000 events", few.all, unit),
            Line("all seven, 1,000,000 events", many.all, unit),
            Line(
                "jobs, cost of an event at 1,000,000",
                1e6 / many.jobs,
                "µs",
                "at 10,000",
                1e6 / few.jobs,
                target=Target("at most", 1.2),
            ),
        ],
        [
            "Garbage is collected as in the server, on all sides: what was imported is spared (skyulf/runtime).",
            "93 events of 100 are jobs'. All seven: one projection after another, of all events in the log.",
            "Raw decodes with orjson, folds into dicts, and upserts key and document, a page of 2,000 to a commit.",
            "The library's runner follows a log in memory, its rows and its tracking are in SQLite (synchronous=FULL).",
        ],
    )


class Measured:
    """Events per second of one size of log."""

    def __init__(self, jobs: float, everything: float, raw: float, bytes_each: float) -> None:
        self.jobs = jobs
        self.all = everything
        self.raw = raw
        self.bytes_each = bytes_each

    @classmethod
    def of(cls, folder: Path, count: int, rounds: int) -> "Measured":
        """Fill a log and rebuild from it, so often, each side in turn."""
        folder.mkdir()
        path = folder / "events.db"
        log = SqliteEventLog(path, new_id)
        log.restore(records(count))
        jobs, everything, raw = [], [], []
        for turn in range(rounds):
            store = SqlReadStore(f"sqlite:///{folder / f'rows-{turn}.db'}")
            projector = Projector(log, store, PROJECTIONS)
            projector.prepare()  # the first builds, which are live at once; what is measured is filled beside them
            spent = {
                projection.name: seconds_of(partial(projector.rebuild, projection.name)) for projection in PROJECTIONS
            }
            jobs.append(count / spent[JOBS.name])
            everything.append(count / sum(spent.values()))
            store.close()
            raw.append(count / seconds_of(partial(raw_fold, path, folder / f"raw-{turn}.db")))
        log.close()
        return cls(median(jobs), median(everything), median(raw), path.stat().st_size / count)


def raw_fold(source: Path, target: Path) -> None:
    """The least that anyone would write: the jobs' events, page by page, into a table of documents."""
    read = sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)
    write = sqlite3.connect(target, isolation_level=None)
    write.execute("PRAGMA journal_mode=WAL")
    write.execute("PRAGMA synchronous=NORMAL")
    write.execute("CREATE TABLE jobs (key TEXT PRIMARY KEY, position INTEGER, status TEXT, row TEXT)")
    write.execute("CREATE INDEX jobs_status ON jobs (status, position)")
    at = 0
    page = "SELECT rowid, originator_id, originator_version, topic, state FROM events WHERE rowid>? LIMIT ?"
    while found := read.execute(page, (at, PAGE)).fetchall():
        touched = list({stream for _, stream, *_ in found if stream.startswith("job-")})
        marks = ",".join("?" * len(touched))
        known = write.execute(f"SELECT key, row FROM jobs WHERE key IN ({marks})", touched)
        rows = {key: orjson.loads(row) for key, row in known}
        for position, stream, version, topic, state in found:
            if stream.startswith("job-"):
                rows[stream] = fold(rows.get(stream), position, version, topic, orjson.loads(state))
        write.execute("BEGIN")
        write.executemany(
            "INSERT INTO jobs VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET status=excluded.status, "
            "row=excluded.row",
            [(key, row["position"], row["status"], orjson.dumps(row).decode()) for key, row in rows.items()],
        )
        write.execute("COMMIT")
        at = found[-1][0]
    read.close()
    write.close()


STATUS = {
    "JobStarted": "running",
    "JobProgressed": "running",
    "ModelTrained": "succeeded",
    "JobFailed": "failed",
    "JobCancelled": "cancelled",
}


def fold(row: dict[str, Any] | None, position: int, version: int, topic: str, state: dict[str, Any]) -> dict[str, Any]:
    """A job's document after an event."""
    if row is None:
        return {"position": position, "status": "created", "version": version, **state["data"]}
    return {**row, **state["data"], "status": STATUS[topic.partition("@")[0]], "version": version}


# The library's side


class JobView(Keeping, SQLiteTrackingRecorder):
    """A table of how far jobs have got, beside the library's table of tracking."""

    table = "CREATE TABLE IF NOT EXISTS progress (key TEXT PRIMARY KEY, fraction REAL) WITHOUT ROWID"
    upsert = "INSERT INTO progress VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET fraction=excluded.fraction"

    def __init__(self, datastore: SQLiteDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.create_table_statements.append(self.table)


def library_rate(folder: Path) -> float:
    """Events per second of the library's runner, from the first append to the last row."""
    folder.mkdir()
    environment = {
        "PROGRESS_PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "PROGRESS_SQLITE_DBNAME": str(folder / "rows.db"),
    }
    with ProjectionRunner(
        application_class=JobLog, projection_class=JobProgress, view_class=JobView, env=environment
    ) as runner:
        job = jobs_events(LIBRARY_EVENTS)

        def follow() -> None:
            last = runner.app.save(job)[-1].notification.id
            runner.wait(last, timeout=60)

        return LIBRARY_EVENTS / seconds_of(follow)
