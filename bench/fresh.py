"""From an append to the row that shows it, at 200 appends a second: in one process, and between processes."""

import sys
import threading
import time
from collections import deque
from contextlib import ExitStack, closing

from bench.events import job_created, metadata
from bench.measure import Line, Report, Target, collecting_as_served, quantile, scratch
from bench.postgres import migrated
from bench.servers import free_port, serving
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_progress import ProgressListener
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.base import Actor
from skyulf.events.log import Append, EventLog, Write
from skyulf.projections import PROJECTIONS
from skyulf.projections.job import JOBS
from skyulf.projections.projector import Projector
from tests.services.postgres import databases

EVERY = 1 / 200
APPENDS = 2_000
FIRST = 100
"""Appends before those that count: connections are made and caches filled."""


def run() -> Report:
    """Measure one process on SQLite, and then two on Postgres: one appends and reads, the other projects."""
    return Report(
        "Append → row visible, 200 appends/s",
        [*lines("in the same process, SQLite", *embedded()), *lines("in another process, Postgres", *apart())],
        [
            "From before the append to when a reader of the jobs finds the live rows at that position.",
            "On Postgres this process appends and reads, and skyulf serve --role projector projects.",
        ],
    )


def lines(what: str, seen: list[float], commits: list[float]) -> list[Line]:
    """What was measured, beside the append that is a part of it."""
    beside = "of which the append itself"
    target = Target("at most", 12, of="ours")
    return [
        Line(f"p50, {what}", quantile(seen, 0.5), "ms", beside, quantile(commits, 0.5)),
        Line(f"p99, {what}", quantile(seen, 0.99), "ms", beside, quantile(commits, 0.99), target=target),
    ]


def embedded() -> tuple[list[float], list[float]]:
    """Milliseconds until each append was seen, and of the append alone, all in this process."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        stack.enter_context(collecting_as_served())
        log = stack.enter_context(closing(SqliteEventLog(folder / "events.db", new_id)))
        store = stack.enter_context(closing(SqlReadStore(f"sqlite:///{folder / 'rows.db'}")))
        projector = stack.enter_context(closing(Projector(log, store, PROJECTIONS)))
        watch = Watch(store)
        projector.on_advance(watch.look)
        projector.start()
        return watch.seen, appended(log, watch)


def apart() -> tuple[list[float], list[float]]:
    """The same with the projector in a process of its own."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        url = migrated(stack.enter_context(databases()))
        stack.enter_context(collecting_as_served())
        port = free_port()
        command = [sys.executable, "-m", "skyulf", "serve", "--role", "projector", "--port", str(port)]
        environment = {"SKYULF_DATABASE_URL": url}
        stack.enter_context(serving(command, "/health/ready", folder / "projector.log", port, environment))
        log = stack.enter_context(closing(PostgresEventLog(url, new_id)))
        store = stack.enter_context(closing(SqlReadStore(url)))
        watch = Watch(store)
        listener = stack.enter_context(closing(ProgressListener(url, watch.look)))
        listener.start()
        return watch.seen, appended(log, watch)


def appended(log: EventLog, watch: "Watch") -> list[float]:
    """Append on a schedule that does not wait for the answers; the milliseconds that each append took."""
    actor = Actor(id="local", kind="human")
    event = job_created(f"dataset-{new_id()}")
    watch.start()
    commits: list[float] = []
    due = time.perf_counter()
    for number in range(FIRST + APPENDS):
        due += EVERY
        time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        written = log.append([Append((Write(f"job-{new_id()}", 0, (event,)),), metadata(actor, number))])[0]
        commits.append((time.perf_counter() - begun) * 1e3)
        assert isinstance(written, tuple)
        watch.expect(written[0].position, begun)
    watch.finish(FIRST + APPENDS)
    del watch.seen[:FIRST]
    return commits[FIRST:]


class Watch:
    """Looks at the jobs' position whenever rows have moved on, and notes how long each append took to show."""

    def __init__(self, store: SqlReadStore) -> None:
        self.seen: list[float] = []
        self.moved = threading.Event()
        self._store = store
        self._expected: deque[tuple[int, float]] = deque()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._wanted = 0

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def look(self, *_: object) -> None:
        """Look now: some rows have moved on."""
        self.moved.set()

    def expect(self, position: int, begun: float) -> None:
        """Note an append; one that shows already is counted at the next look."""
        self._expected.append((position, begun))
        self.moved.set()

    def finish(self, count: int) -> None:
        """Wait until all have been seen."""
        self._wanted = count
        self.moved.set()
        self._thread.join(30)

    def _watch(self) -> None:
        while not self._wanted or len(self.seen) < self._wanted:
            self.moved.wait(1)
            self.moved.clear()
            position = self._store.position(JOBS)
            found = time.perf_counter()
            while self._expected and self._expected[0][0] <= position:
                self.seen.append((found - self._expected.popleft()[1]) * 1e3)
