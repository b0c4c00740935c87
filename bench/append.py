"""Append on SQLite, one event each, durable and idempotent: the log and the command bus beside raw sqlite3."""

import asyncio
import sqlite3
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvloop
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from bench.events import LIMITS, SPEC, job_created, metadata
from bench.measure import Report, collecting_as_served, compared, interleaved, scratch, seconds_of
from skyulf.adapters.sqlite_log import SqliteEventLog
from skyulf.adapters.stored import data_of, state_of
from skyulf.adapters.system import new_id, now
from skyulf.commands import COMMANDS
from skyulf.commands.base import Command, Context, Handler
from skyulf.commands.bus import CommandBus
from skyulf.commands.dataset import CreateDataset
from skyulf.commands.job import CreateJob
from skyulf.events.base import Actor
from skyulf.events.dataset import Column, Source
from skyulf.events.log import Append, Write

ROUNDS = 5
ALONE = 300
"""Appends of a lone caller in a round."""

TOGETHER = 1_920
"""Appends of many callers in a round."""

CALLERS = 64

ACTOR = Actor(id="local", kind="human")

INSERT = (
    "INSERT INTO events (originator_id, originator_version, topic, state, actor, command_id, ordinal) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)

Row = tuple[str, int, str, str, str, str, int]


class Note(Command):
    """A command that costs nothing to decide, so that what is left is the bus and the log."""

    CREATES = "job"


EVENT = job_created(f"dataset-{new_id()}")
NOTE = Handler(lambda command: (command.id,), lambda command, _: [(command.id, EVENT)])


class Raw:
    """The same table and indexes, made by the log itself, filled through sqlite3 with rows that are ready."""

    def __init__(self, path: Path) -> None:
        SqliteEventLog(path, new_id).close()
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._rows: list[Row] = []

    def prepare(self, rows: int) -> None:
        """Make the rows of the next round, outside the time that is taken."""
        self._rows = [row_of(number) for number in range(rows)]

    def insert(self, batch: int) -> None:
        """Insert them, ``batch`` to a commit."""
        for at in range(0, len(self._rows), batch):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(INSERT, self._rows[at : at + batch])
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def row_of(number: int) -> Row:
    """What the log would insert for one event of a new stream."""
    about = metadata(ACTOR, number)
    state = state_of(new_id(), 0, about, data_of(EVENT)).decode()
    return (f"job-{new_id()}", 1, EVENT.stored_name(), state, ACTOR.id, about.command_id, 0)


def per_second(work: Callable[[], object], events: int) -> float:
    """How many of ``events`` were written in a second of ``work``."""
    return events / seconds_of(work)


async def many(bus: CommandBus, make: Callable[[], Command], events: int) -> None:
    """Send commands from `CALLERS` coroutines, each waiting for its answer before the next, as routes do."""
    todo = iter(range(events))

    async def caller() -> None:
        for _ in todo:
            await bus.ask(make(), Context(ACTOR, command_id=new_id()))

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


def run() -> Report:
    """Measure every side in the same rounds."""
    with scratch() as folder:
        raw = Raw(folder / "raw.db")
        log = SqliteEventLog(folder / "log.db", new_id)
        bus_log = SqliteEventLog(folder / "bus.db", new_id)
        bus = CommandBus(bus_log, {**COMMANDS, Note: NOTE}, now, new_id)
        library = library_recorder(folder / "library.db")
        dataset = bus.send(dataset_command(), Context(ACTOR)).result().id
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, collecting_as_served():
            sides = interleaved(
                [
                    lambda: raw_rate(raw, ALONE, 1),
                    lambda: log_rate(log),
                    lambda: library_rate(library),
                    lambda: raw_rate(raw, TOGETHER, CALLERS),
                    lambda: per_second(lambda: runner.run(many(bus, Note, TOGETHER)), TOGETHER),
                    lambda: per_second(lambda: runner.run(many(bus, lambda: job_command(dataset), TOGETHER)), TOGETHER),
                ],
                ROUNDS,
            )
        bus.close()
        for open_log in (bus_log, log):
            open_log.close()
        raw.close()
    one, alone, default, batches, together, jobs = sides
    unit = "events/s"
    unbatched = "raw sqlite3, one commit each"
    return Report(
        "Append on SQLite, one event each, durable, idempotency included",
        [
            compared("log.append, 1 caller", alone, unit, unbatched, one),
            compared("log.append, 1 caller", alone, unit, "the library's recorder", default),
            compared("bus, 64 callers", together, unit, unbatched, one),
            compared("bus, 64 callers", together, unit, f"raw sqlite3, {CALLERS} to a commit", batches),
            compared("bus, 64 callers", together, unit, "the library's recorder", default),
            compared("bus, 64 callers, CreateJob", jobs, unit, f"raw sqlite3, {CALLERS} to a commit", batches),
        ],
        [
            "Raw inserts rows that are ready into the same table and indexes (WAL, synchronous=FULL); ours makes ids, "
            "encodes the event, looks for the command id and checks the version of the stream as well.",
            "The callers are coroutines of one event loop. CreateJob also checks its spec against the dataset.",
        ],
    )


def raw_rate(raw: Raw, rows: int, batch: int) -> float:
    """One round of the raw side."""
    raw.prepare(rows)
    return per_second(lambda: raw.insert(batch), rows)


def log_rate(log: SqliteEventLog) -> float:
    """One round of a lone caller."""

    def work() -> None:
        for number in range(ALONE):
            log.append([Append((Write(f"job-{new_id()}", 0, (EVENT,)),), metadata(ACTOR, number))])

    return per_second(work, ALONE)


def library_recorder(path: Path) -> SQLiteApplicationRecorder:
    """The library's own recorder with its own table."""
    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(path)))
    recorder.create_table()
    return recorder


def library_rate(recorder: SQLiteApplicationRecorder) -> float:
    """One round of the library: the same payload, ready, one insert at a time."""
    rows = [row_of(number) for number in range(ALONE)]
    events = [StoredEvent(uuid4(), 1, topic, state.encode()) for _, _, topic, state, *_ in rows]

    def work() -> None:
        for event in events:
            recorder.insert_events([event])

    return per_second(work, ALONE)


def dataset_command() -> CreateDataset:
    """A dataset of twenty numbers and a target."""
    kinds: list[tuple[str, Any]] = [(f"x{number}", "number") for number in range(20)]
    columns = tuple(column(name, kind) for name, kind in [*kinds, ("target", "integer")])
    digest = "sha256:" + "5e" * 32
    source = Source(filename="measurements.csv", size=1_000_000)
    return CreateDataset(
        name="measurements", digest=digest, artifact=digest, rows=10_000, source=source, columns=columns
    )


def column(name: str, kind: Any) -> Column:
    """The facts of a column without missing cells."""
    distinct = 2 if name == "target" else 10_000
    each = 10_000 // distinct
    return Column(name=name, type=kind, nulls=0, distinct=distinct, commonest=each, rarest=each, skewness=0.0)


SEEDS = count()


def job_command(dataset: str) -> CreateJob:
    """A training of its own."""
    return CreateJob(dataset_id=dataset, spec=SPEC, seed=next(SEEDS), limits=LIMITS)
