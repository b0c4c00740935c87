"""Jobs rebuilt on Postgres at 10,000 and at 1,000,000 events while 50 lists and jobs a second are read over HTTP."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from subprocess import PIPE
from typing import Any

from bench.catchup import fill
from bench.measure import Line, Report, Target, collecting_as_served, process, quantile, scratch
from bench.postgres import migrated
from bench.servers import Server, free_port, serving
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.system import new_id
from skyulf.projections import PROJECTIONS
from skyulf.projections.job import JOBS
from skyulf.projections.projector import Projector
from tests.services.postgres import Databases, databases

FEW = 10_000
MANY = 1_000_000
ROUNDS = 9
"""Rebuilds of few events: a single one takes less time than the noise."""

UNREAD = 3
"""Rebuilds of few events without a reader, to see what the readers cost."""


@dataclass(slots=True)
class Measured:
    """Rebuilds of one log: seconds by the clock and of the projector's CPU, and what readers saw meanwhile.

    ``reads`` has the milliseconds of each; ``wrong`` says what was not as before the rebuild, or not answered.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def run(many: int = MANY) -> Report:
    """Measure few events several times, and many once."""
    with ExitStack() as stack:
        made, folder = stack.enter_context(databases()), stack.enter_context(scratch())
        stack.enter_context(collecting_as_served())
        alone = rebuilt(made, folder / "alone", FEW, UNREAD, read=False)
        few = rebuilt(made, folder / "few", FEW, ROUNDS)
        lots = rebuilt(made, folder / "many", many, 1)
    each = {count: median(one.seconds) / count for count, one in ((FEW, few), (many, lots))}
    none = Target("at most", 0, of="ours")
    lone, unit = median(alone.seconds) / FEW, "events/s"
    reads, wrong = [*few.reads, *lots.reads], [*few.wrong, *lots.wrong]
    return Report(
        "Jobs rebuilt under 50 reads a second, Postgres → Postgres",
        [
            Line(f"{FEW:,} events", 1 / each[FEW], unit, "without readers", 1 / lone),
            Line("  a second of the projector's CPU", FEW / median(few.cpu), unit),
            Line(f"{many:,} events", 1 / each[many], unit),
            Line(
                "  a second of the projector's CPU", many / median(lots.cpu), unit,
                target=Target("at least", 50_000, of="ours"),
            ),
            Line(
                f"cost of an event at {many:,}", 1e6 * each[many], "µs", f"at {FEW:,}", 1e6 * each[FEW],
                target=Target("at most", 1.2),
            ),
            Line("reads meanwhile, p50", quantile(reads, 0.5), "ms"),
            Line("  p99", quantile(reads, 0.99), "ms"),
            Line(f"  failed or not as before, of {len(reads):,}", len(wrong), "", target=none),
        ],
        [
            "The projector is a thread of this process; skyulf serve --role api answers, and a third process asks it.",
            "Asked are pages of jobs by status and order, from first to last, and single jobs; each answer must be, to "
            "the byte, what it was before the rebuild. 93 events of 100 are jobs'.",
            *wrong[:3],
        ],
    )  # fmt: skip


def rebuilt(made: Databases, folder: Path, count: int, rounds: int, *, read: bool = True) -> Measured:
    """Fill a log, catch up, and then build the jobs anew, so often, while they are read."""
    url, found = migrated(made), Measured()
    folder.mkdir()
    fill(url, count)
    with ExitStack() as stack:
        log = stack.enter_context(closing(PostgresEventLog(url, new_id)))
        store = stack.enter_context(closing(SqlReadStore(url)))
        projector = Projector(log, store, PROJECTIONS)
        projector.prepare()
        projector.catch_up()
        told = stack.enter_context(readers(url, folder)) if read else None
        for _ in range(rounds):
            before = store.builds(JOBS.name)
            clock, cpu = time.perf_counter(), time.process_time()
            projector.rebuild(JOBS.name)
            found.seconds.append(time.perf_counter() - clock)
            found.cpu.append(time.process_time() - cpu)
            if store.builds(JOBS.name) == before:
                raise RuntimeError("the rows were not built anew")
        if told is not None:
            seen = told()
            found.reads, found.wrong = seen["milliseconds"], seen["wrong"]
    return found


@contextmanager
def readers(url: str, folder: Path) -> Iterator[Callable[[], Mapping[str, Any]]]:
    """An API process, and one that reads from it at the pace; what the block calls ends that, and gives what it saw."""
    with ExitStack() as stack:
        port = stack.enter_context(api(url, folder)).port
        command = [sys.executable, "-m", "bench.reading", str(port)]
        reader = stack.enter_context(process(command, stdin=PIPE, stdout=PIPE))
        assert reader.stdin is not None
        assert reader.stdout is not None
        if reader.stdout.readline() != b"reading\n":
            raise RuntimeError("the reader did not begin")

        def ended() -> Mapping[str, Any]:
            told, _ = reader.communicate(b"enough\n", timeout=60)
            seen: dict[str, Any] = json.loads(told)
            return seen

        yield ended


@contextmanager
def api(url: str, folder: Path) -> Iterator[Server]:
    """An API process on that database."""
    port = free_port()
    command = [sys.executable, "-m", "skyulf", "serve", "--role", "api", "--port", str(port)]
    environment = {"SKYULF_DATABASE_URL": url, "SKYULF_DATA_DIR": str(folder / "data")}
    with serving(command, "/health/ready", folder / "api.log", port, environment) as server:
        yield server
