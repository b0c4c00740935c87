"""Many processes that append to one log in Postgres, some killed in the middle, and what followers saw of it."""

import itertools
import multiprocessing
import multiprocessing.context
import os
import random
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from eventsourcing.persistence import StoredEvent

from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_recorder import Guards
from skyulf.adapters.stored import data_of, state_of
from skyulf.adapters.system import new_id
from skyulf.errors import Unavailable
from skyulf.events.base import Actor, DomainEvent, Metadata, Recorded
from skyulf.events.log import Append, Write
from skyulf.events.pipeline import PipelineCreated, PipelineRevised

Process = multiprocessing.context.ForkServerProcess

COMMON = 4
"""Streams that all writers write."""

RARE = "PipelineCreated"
"""The type that the filtered follower follows."""


@dataclass(slots=True)
class Findings:
    """What became of it: how many events there are, and what must be empty or 0."""

    events: int = 0
    acknowledged: int = 0
    killed: int = 0
    gaps: int = 0
    lost: int = 0
    repeated: int = 0
    out_of_order: int = 0
    not_dense: list[str] = field(default_factory=list)
    unrecorded: int = 0
    seconds: float = 0.0

    @property
    def faults(self) -> tuple[object, ...]:
        """Everything that must be nothing."""
        return self.lost, self.repeated, self.out_of_order, self.not_dense, self.unrecorded


def about(writer: str) -> Metadata:
    """The circumstances of a command of its own."""
    command_id = str(uuid.uuid4())
    return Metadata(
        actor=Actor(writer, "service"),
        command_id=command_id,
        fingerprint="f" * 64,
        recorded_at=datetime.now(UTC),
        correlation_id=command_id,
    )


def write(url: str, number: str, acknowledged: str) -> None:
    """Append until killed: to a stream of its own and to common ones, alone and in batches, at once and slowly.

    Each event that was acknowledged is noted in a file before the next append.
    """
    chance = random.Random(number)
    own, version = f"pipeline-{number}-{os.getpid()}", 0
    notes = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = PostgresEventLog(url, new_id)
    with closing(log), closing(connect(url)) as slow:
        while True:
            appends = []
            for _ in range(chance.choice([1, 1, 1, 2, 5])):
                event: DomainEvent = PipelineRevised(name=number, spec={})
                rare: DomainEvent = PipelineCreated(name=number, spec={})
                events = (rare,) if chance.random() < 0.1 else (event,) * chance.choice([1, 1, 3])
                appends.append(Append((Write(own, version, events),), about(number)))
                version += len(events)
            if chance.random() < 0.5:
                common = f"pipeline-common-{chance.randrange(COMMON)}"
                at = len(log.load({common: 0})[common])
                appends.append(Append((Write(common, at, (event,)), Write(own, version)), about(number)))
            written = [result for result in log.append(appends) if isinstance(result, tuple)]
            if chance.random() < 0.1:
                dawdle(log, slow, f"{own}-slow-{uuid.uuid4()}", chance)
            os.write(notes, "".join(f"{recorded.id}\n" for result in written for recorded in result).encode())


def dawdle(
    log: PostgresEventLog, connection: "psycopg.Connection[tuple[object, ...]]", stream: str, chance: random.Random
) -> None:
    """Hold positions for a while, then commit or give them up."""
    metadata = about(stream)
    event = PipelineCreated(name="slow", spec={})
    stored = StoredEvent(stream, 1, event.stored_name(), state_of(new_id(), 0, metadata, data_of(event)))
    key = (metadata.actor.id, metadata.command_id)
    connection.execute("BEGIN")
    log._recorder.append(connection, Guards([stream], [0], [True], [key]), [stored], [(*key, 0)])
    time.sleep(chance.random() * 0.03)
    connection.execute(chance.choice(["COMMIT", "ROLLBACK"]))


class Follower(threading.Thread):
    """Reads on from the last position, until it is told that nothing more comes."""

    def __init__(self, log: PostgresEventLog, types: Sequence[str] = ()) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[int, str]] = []
        self.ending = threading.Event()
        self.error: Exception | None = None
        self._log = log
        self._types = types
        self._woken = threading.Event()

    def run(self) -> None:
        unsubscribe = self._log.subscribe(self._woken.set)
        position = 0
        while True:
            last = self.ending.is_set()
            self._woken.clear()
            try:
                page = self._log.read(position, 500, self._types)
            except Unavailable as error:
                self.error = error
                return
            self.seen += [(recorded.position, recorded.id) for recorded in page.events]
            if page.position > position:
                position = page.position
            elif last:
                unsubscribe()
                return
            else:
                self._woken.wait(0.2)


def torment(url: str, folder: Path, writers: int, seconds: float, kill_every: float) -> Findings:
    """Run writers for a time, kill one of them every so often and start another, and look at what followers saw."""
    findings = Findings()
    with closing(PostgresEventLog(url, new_id)) as log, closing(PostgresEventLog(url, new_id)) as beside:
        followers = [Follower(log), Follower(beside, [RARE])]
        running = [start(url, folder, number) for number in range(writers)]
        while len(list(folder.glob("*.acknowledged"))) < writers:
            time.sleep(0.01)
        begun = time.monotonic()
        for follower in followers:
            follower.start()
        try:
            while time.monotonic() < begun + seconds:
                time.sleep(kill_every)
                number = random.randrange(writers)
                kill(running[number])
                findings.killed += 1
                running[number] = start(url, folder, number)
        finally:
            for process in running:
                kill(process)
        findings.seconds = time.monotonic() - begun
        settle(url)
        for follower in followers:
            follower.ending.set()
        for follower in followers:
            follower.join()
            if follower.error:
                raise follower.error
        truth = everything(log)
        judge(findings, truth, followers[0].seen, [(r.position, r.id) for r in truth])
        judge(findings, truth, followers[1].seen, [(r.position, r.id) for r in truth if r.type == RARE])
    noted = [line for file in folder.glob("*.acknowledged") for line in file.read_text().split("\n")[:-1]]
    findings.events, findings.acknowledged = len(truth), len(noted)
    findings.gaps = truth[-1].position - len(truth) if truth else 0
    findings.unrecorded = len(set(noted) - {recorded.id for recorded in truth})
    return findings


def everything(log: PostgresEventLog) -> list[Recorded]:
    """The whole log, as it is once nobody appends any more."""
    found: list[Recorded] = []
    while page := log.read(found[-1].position if found else 0, 10_000).events:
        found += page
    return found


def judge(
    findings: Findings, truth: Sequence[Recorded], seen: Sequence[tuple[int, str]], wanted: Sequence[tuple[int, str]]
) -> None:
    """Compare what a follower saw with what there is."""
    findings.lost += len(set(wanted) - set(seen))
    findings.repeated += len(seen) - len(set(seen))
    findings.out_of_order += sum(one[0] >= next_one[0] for one, next_one in itertools.pairwise(seen))
    versions: dict[str, int] = {}
    for recorded in truth:
        if recorded.version != versions.get(recorded.stream, 0) + 1:
            findings.not_dense.append(recorded.stream)
        versions[recorded.stream] = recorded.version


def settle(url: str) -> None:
    """Wait until the server has done with what the killed writers had sent."""
    with connect(url) as connection:
        statement = (
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state <> 'idle' AND backend_type = 'client backend' AND query LIKE '%%append_events%%'"
        )
        while connection.execute(statement).fetchall():
            time.sleep(0.02)


def start(url: str, folder: Path, number: int) -> Process:
    """A writer in a process of its own, forked from one that has imported everything."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload([__name__])
    process = forks.Process(target=write, args=(url, str(number), str(folder / f"{number}.acknowledged")), daemon=True)
    process.start()
    return process


def kill(process: Process) -> None:
    """End a writer as a crash would; it must not have ended before."""
    assert process.is_alive(), "a writer failed"
    process.kill()
    process.join()
    process.close()
