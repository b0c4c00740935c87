"""From an append to the row that shows it, in the same process, at 200 appends a second."""

import threading
import time
from collections import deque

from bench.events import job_created, metadata
from bench.measure import Line, Report, Target, collecting_as_served, quantile, scratch
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.system import new_id
from skyulf.events.base import Actor
from skyulf.events.log import Append, Write
from skyulf.projections import PROJECTIONS
from skyulf.projections.job import JOBS
from skyulf.projections.projector import Projector

EVERY = 1 / 200
APPENDS = 2_000


def run() -> Report:
    """Append on a schedule that does not wait for the answers, and note when a reader could see each."""
    actor = Actor(id="local", kind="human")
    event = job_created(f"dataset-{new_id()}")
    with scratch() as folder, collecting_as_served():
        log = SqliteEventLog(folder / "events.db", new_id)
        store = SqlReadStore(f"sqlite:///{folder / 'rows.db'}")
        projector = Projector(log, store, PROJECTIONS)
        watch = Watch(store)
        projector.on_advance(watch.look)
        projector.start()
        watch.start()
        commits: list[float] = []
        due = time.perf_counter()
        for number in range(APPENDS):
            due += EVERY
            time.sleep(max(0.0, due - time.perf_counter()))
            begun = time.perf_counter()
            written = log.append([Append((Write(f"job-{new_id()}", 0, (event,)),), metadata(actor, number))])[0]
            commits.append((time.perf_counter() - begun) * 1e3)
            assert isinstance(written, tuple)
            watch.expect(written[0].position, begun)
        watch.finish(APPENDS)
        projector.close()
        store.close()
        log.close()
    beside = "of which the append itself"
    return Report(
        "Append → row visible in the same process, 200 appends/s, SQLite",
        [
            Line("p50", quantile(watch.seen, 0.5), "ms", beside, quantile(commits, 0.5)),
            Line(
                "p99",
                quantile(watch.seen, 0.99),
                "ms",
                beside,
                quantile(commits, 0.99),
                target=Target("at most", 12, of="ours"),
            ),
        ],
        ["From before the append to when a reader of the jobs finds the live rows at that position."],
    )


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
