"""Append on Postgres, one event each, durable and idempotent: the log and the command bus beside pgbench."""

import asyncio
import multiprocessing
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from bench.append import ACTOR, EVENT, NOTE, Note, many, per_second
from bench.events import metadata
from bench.measure import Report, Target, collecting_as_served, compared, interleaved, scratch
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_schema import migrate
from skyulf.adapters.stored import data_of, state_of
from skyulf.adapters.system import new_id, now
from skyulf.commands.bus import CommandBus
from skyulf.events.log import Append, Write
from tests.services.postgres import Databases, databases, postgres_binaries

ROUNDS = 5
SECONDS = 3.0
CLIENTS = 8
CALLERS = 64
TOGETHER = 6_400

INSERT = """
INSERT INTO events (originator_id, originator_version, topic, state, actor, command_id, ordinal)
VALUES ('job-' || gen_random_uuid(), 1, 'JobCreated@1', :state, 'local', gen_random_uuid()::text, 0);
"""


def run() -> Report:
    """Measure every side in the same rounds."""
    with scratch() as folder, databases() as made:
        peer = PgBench(migrated(made), folder)
        ours = migrated(made)
        theirs = library(made)
        log = PostgresEventLog(migrated(made), new_id)
        bus = CommandBus(log, {Note: NOTE}, now, new_id)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, collecting_as_served():
            sides = interleaved(
                [
                    lambda: peer.rate(CLIENTS),
                    lambda: in_processes(appending, ours),
                    lambda: per_second(lambda: runner.run(many(bus, Note, TOGETHER)), TOGETHER),
                    lambda: in_processes(inserting, theirs),
                    lambda: peer.rate(1),
                    lambda: in_processes(appending, ours, 1),
                ],
                ROUNDS,
            )
        bus.close()
        log.close()
    bench, writers, callers, default, bench_one, one = sides
    unit = "events/s"
    beside = f"pgbench, {CLIENTS} clients"
    return Report(
        "Append on Postgres, one event each, durable, idempotency included",
        [
            compared(f"log.append, {CLIENTS} processes", writers, unit, beside, bench, Target("at least", 0.5)),
            compared(f"bus, {CALLERS} callers in one process", callers, unit, beside, bench, Target("at least", 1.0)),
            compared(
                f"log.append, {CLIENTS} processes",
                writers,
                unit,
                "the library's recorder",
                default,
                Target("at least", 4),
            ),
            compared(
                f"bus, {CALLERS} callers in one process",
                callers,
                unit,
                "the library's recorder",
                default,
                Target("at least", 4),
            ),
            compared("log.append, 1 process", one, unit, "pgbench, 1 client", bench_one),
        ],
        [
            "pgbench inserts a row that is ready but for two ids into the same table with the same indexes, prepared, "
            "one commit each; ours makes ids, encodes the event, guards the stream and the command as well.",
            f"The library's recorder works in {CLIENTS} processes too; its own table has no key for commands.",
            "The process with the bus collects garbage as a server does, which spares what was imported: of the CPU of "
            "an event, a fifth went into looking through all that the benchmarks import.",
        ],
    )


def migrated(made: Databases) -> str:
    """A database of its own, with our tables."""
    url = made.database()
    with connect(url) as connection:
        migrate(connection)
    return url


class PgBench:
    """Postgres' own benchmark program, with a script that inserts what the log would."""

    def __init__(self, url: str, folder: Path) -> None:
        about = metadata(ACTOR, 1)
        state = state_of(new_id(), 0, about, data_of(EVENT)).decode()
        self._script = folder / "insert.sql"
        self._script.write_text(INSERT)
        self._state = f"state={state}"
        parts = conninfo_to_dict(url)
        beside = [str(path / "pgbench") for path in postgres_binaries() if (path / "pgbench").exists()]
        self._program = beside[0] if beside else shutil.which("pgbench")
        if self._program is None:
            raise FileNotFoundError("pgbench: it comes with the system's postgresql package")
        self._place = [
            "-h",
            str(parts["host"]),
            "-p",
            str(parts["port"]),
            "-U",
            str(parts["user"]),
            str(parts["dbname"]),
        ]
        self._environment = {**os.environ, "PGPASSWORD": str(parts["password"])}

    def rate(self, clients: int) -> float:
        """Transactions in a second."""
        jobs = min(clients, os.cpu_count() or 1)
        options = [
            "-n",
            "-M",
            "prepared",
            "-c",
            str(clients),
            "-j",
            str(jobs),
            "-T",
            str(round(SECONDS)),
            "-D",
            self._state,
        ]
        said = subprocess.run(
            [str(self._program), *options, "-f", str(self._script), *self._place],
            env=self._environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        found = re.search(r"tps = ([0-9.]+)", said)
        assert found, said
        return float(found[1])


def in_processes(work: Callable[..., None], url: str, processes: int = CLIENTS) -> float:
    """How many events a second so many processes write, from when all of them are ready."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["bench.postgres"])
    ready, counts = forks.Barrier(processes), forks.Queue()
    running = [forks.Process(target=work, args=(url, ready, counts)) for _ in range(processes)]
    for process in running:
        process.start()
    total = sum(counts.get() for _ in running)
    for process in running:
        process.join()
    return float(total) / SECONDS


def counted(write: Callable[[int], object], ready: Any) -> int:
    """How often ``write`` ended within the time."""
    for number in range(20):
        write(-number)
    ready.wait()
    end, count = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < end:
        write(count)
        count += 1
    return count


def appending(url: str, ready: Any, counts: Any) -> None:
    """Append through the log."""
    with closing(PostgresEventLog(url, new_id)) as log:
        counts.put(
            counted(lambda n: log.append([Append((Write(f"job-{new_id()}", 0, (EVENT,)),), metadata(ACTOR, n))]), ready)
        )


def inserting(url: str, ready: Any, counts: Any) -> None:
    """Insert rows that are ready through the library's recorder."""
    state = state_of(new_id(), 0, metadata(ACTOR, 1), data_of(EVENT))
    with closing(library_datastore(url)) as datastore:
        recorder = PostgresApplicationRecorder(datastore)
        counts.put(counted(lambda _: recorder.insert_events([StoredEvent(uuid4(), 1, "JobCreated@1", state)]), ready))


def library(made: Databases) -> str:
    """A database with the library's own table."""
    url = made.database()
    with closing(library_datastore(url)) as datastore:
        PostgresApplicationRecorder(datastore).create_table()
    return url


def library_datastore(url: str) -> PostgresDatastore:
    """The library's datastore as it comes."""
    parts = conninfo_to_dict(url)
    return PostgresDatastore(*(str(parts[name]) for name in ("dbname", "host", "port", "user", "password")))
