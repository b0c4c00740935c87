"""An installation of many processes on Postgres and Kafka, killed at random while clients use it, and what came of it.

Every role runs more than once, in processes of its own. Rounds kill one of them, or Postgres, or the broker, with
SIGKILL at a moment that a seeded generator chooses, and start it again a little later. Meanwhile clients submit jobs,
cancel and retry them, and repeat each command under its Idempotency-Key until it is answered. In the end the log, the
read models and the topics are compared with what was answered.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.postgres import connect
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.postgres_schema import migrate
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.system import new_id
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.projections import PROJECTIONS
from skyulf.projections.base import Row
from skyulf.projections.projector import Projector
from skyulf.projections.store import ReadStore, Selection

ROLES = ("api", "projector", "relay", "worker")

ENDS = {"ModelTrained", "JobFailed", "JobCancelled"}

NOT_NOW = 2
"""The exit code of a process that cannot use what its settings name."""

PATIENCE = 240.0
"""Seconds that the installation is given to come to rest once nothing is killed any more."""

TABLE = b"x,y,label\n" + b"".join(b"%d,%d,%s\n" % (n, n * 7 % 13, (b"yes", b"no")[n % 2]) for n in range(60))

SPEC: dict[str, Any] = {"task": "classification", "target": "label", "steps": []}
QUICK = {**SPEC, "model": {"node": "logistic_regression"}}
SLOW = {**SPEC, "model": {"node": "random_forest", "params": {"n_estimators": 800}}}
"""A second or two of work: there is something to be killed in the middle."""


class Killable(Protocol):
    """A real server that can be killed and started again on what it has kept."""

    def kill(self) -> None:
        """Kill it as a crash would."""
        ...

    def start(self) -> None:
        """Start it again."""
        ...


class Database(Killable, Protocol):
    """A Postgres."""

    @property
    def dsn(self) -> str:
        """Its first database, as a user who may do anything."""
        ...


class Brokers(Killable, Protocol):
    """A Kafka."""

    bootstrap: str


@dataclass(slots=True)
class Findings:
    """What became of it: how much there was, and what must be empty."""

    rounds: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    repeated_requests: int = 0
    events: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    reclaimed: int = 0
    deadlocks: int = 0
    """Since Postgres last started."""
    published_twice: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong_answers: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    unlike_a_rebuild: list[str] = field(default_factory=list)
    not_published: list[int] = field(default_factory=list)
    not_logged: list[int] = field(default_factory=list)
    ended_by_themselves: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[Any]]:
        """Everything that must be empty and is not."""
        names = (
            "lost", "doubled", "wrong_answers", "unfinished", "ended_twice", "unlike_a_rebuild", "not_published",
            "not_logged", "ended_by_themselves",
        )  # fmt: skip
        return {name: found for name in names if (found := getattr(self, name))}


class Member:
    """One process of the installation; it keeps its port and its folder over kills."""

    def __init__(self, role: str, number: int, folder: Path, port: int, settings: Mapping[str, str]) -> None:
        self.name = f"{role}-{number}"
        self.role = role
        self.url = f"http://127.0.0.1:{port}"
        self._said = folder / f"{self.name}.txt"
        self._command = [
            sys.executable, "-m", "skyulf", "serve", "--role", role, "--port", str(port),
            "--data-dir", str(folder / self.name),
        ]  # fmt: skip
        self._environment = {**os.environ, **settings}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting for it."""
        with self._said.open("ab") as said:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self._environment,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """``kill -9``; what it has forked ends by itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """Ask it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def revive(self) -> str | None:
        """Start it again if it ended by itself, as a supervisor would; what is wrong with that, if anything.

        Who starts while Postgres does is told that the database does not answer, and ends: that is no fault.
        """
        if self.alive or self.process is None:
            return None
        code = self.process.returncode
        self.start()
        return None if code == NOT_NOW else f"{self.name} ended with {code}: {self.said()[-500:]}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Whether it says that it is ready."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health/ready", timeout=10).status_code == 200
        return False

    def said(self) -> str:
        """What it wrote, in all its lives."""
        return self._said.read_text(errors="replace")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A command that was answered with success."""

    kind: str
    key: str
    stream: str
    version: int
    position: int


class Clients:
    """Threads that use the API as impatient people with good manners do."""

    def __init__(self, urls: Sequence[str], dataset: str, seed: int, count: int) -> None:
        self._urls = urls
        self._dataset = dataset
        self._ending = threading.Event()
        self.acknowledged: list[Acknowledged] = []
        self.wrong: list[str] = []
        self.repeated = 0
        self._threads = [
            threading.Thread(target=self._use, args=(random.Random(seed + number),), daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let each finish what it has asked for, and wait for it."""
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                self.wrong.append("a command was never answered")

    def _use(self, chance: random.Random) -> None:
        with httpx.Client(timeout=20.0) as client:
            jobs: list[str] = []
            while not self._ending.is_set():
                spec = QUICK if chance.random() < 0.7 else SLOW
                body = {"dataset_id": self._dataset, "spec": spec, "seed": chance.randrange(1_000)}
                taken = self._command(client, chance, "submit", "/v1/jobs", body)
                if taken is not None:
                    jobs.append(taken.stream)
                if jobs and chance.random() < 0.3:
                    self._command(client, chance, "cancel", f"/v1/jobs/{chance.choice(jobs)}/cancel", {})
                if jobs and chance.random() < 0.3:
                    self._command(client, chance, "retry", f"/v1/jobs/{chance.choice(jobs)}/retry", {})
                time.sleep(chance.uniform(0.5, 4.0))

    def _command(
        self, client: httpx.Client, chance: random.Random, kind: str, path: str, body: Mapping[str, Any]
    ) -> Acknowledged | None:
        """Send a command until it is answered, by whichever server answers; None when the state forbids it."""
        key = str(uuid.uuid4())
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = client.post(chance.choice(self._urls) + path, json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                self.repeated += 1
                time.sleep(chance.uniform(0.05, 0.3))
                continue
            if answer.status_code == 503:
                if int(answer.headers.get("Retry-After", "0")) < 1:
                    self.wrong.append(f"{kind}: a 503 without Retry-After: {answer.text[:200]}")
                self.repeated += 1
                time.sleep(chance.uniform(0.05, 0.5))
                continue
            if answer.status_code == 202:
                told = answer.json()
                done = Acknowledged(kind, key, told["id"], told["version"], told["position"])
                self.acknowledged.append(done)
                return done
            if answer.status_code != 409:
                self.wrong.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
            return None
        self.wrong.append(f"{kind}: not answered within {PATIENCE:g} s")
        return None


class Installation:
    """Every role, ``twins`` times, on servers that may be killed as well; artifacts are in a folder that all share."""

    def __init__(self, folder: Path, settings: Mapping[str, str], ports: Sequence[int], twins: int) -> None:
        self.ended_by_themselves: list[str] = []
        free = iter(ports)
        self.members = [
            Member(role, number, folder, next(free), settings) for role in ROLES for number in range(1, twins + 1)
        ]

    def of(self, role: str) -> list[Member]:
        """The processes of a role."""
        return [member for member in self.members if member.role == role]

    def start(self) -> None:
        """Start all of it, and return once all are ready."""
        for member in self.members:
            member.start()
        self.wait_ready()

    def revive(self) -> None:
        """Start again whatever ended by itself, and note who had no reason to."""
        self.ended_by_themselves += [fault for member in self.members if (fault := member.revive()) is not None]

    def wait_ready(self) -> None:
        """Return once every process says that it is ready."""

        def all_are() -> bool:
            self.revive()
            return all(member.ready() for member in self.members)

        wait(all_are, "every process is ready", self._unready)

    def _unready(self) -> str:
        return "\n".join(f"{m.name}: {m.said()[-600:]}" for m in self.members if not m.ready())

    def upload(self) -> str:
        """Upload the table that everybody trains on; its dataset."""
        files = {"file": ("tiny.csv", TABLE)}
        answer = httpx.post(f"{self.of('api')[0].url}/v1/datasets", files=files, timeout=60)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def kill_all(self) -> None:
        """End whatever still lives."""
        for member in self.members:
            if member.alive:
                member.kill()


def torment(
    folder: Path,
    postgres: Database,
    broker: Brokers,
    ports: Sequence[int],
    published: Callable[[Kafka], list[Recorded]],
    *,
    rounds: int,
    seed: int,
    clients: int = 3,
    twins: int = 2,
    calm: float = 0.0,
    more: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Kill something in each of ``rounds``, let ``calm`` seconds pass without, let it come to rest, and compare.

    Each role has ``twins`` processes; ``ports`` are free ones, four for each twin. ``more`` are
    settings for all of them. Both servers run and are empty.
    ``published`` reads every event in the topics, and raises where a stream's are not in their order.
    """
    with connect(postgres.dsn) as connection:
        migrate(connection)
    kafka = Kafka(bootstrap=broker.bootstrap, partitions=3)
    settings = {
        "SKYULF_DATABASE_URL": postgres.dsn,
        "SKYULF_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SKYULF_KAFKA_PARTITIONS": str(kafka.partitions),
        "SKYULF_ARTIFACTS_URL": (folder / "artifacts").as_uri(),
        "SKYULF_QUEUE_LENGTH": "50",  # clients wait, by 503, for workers that are killed as often as they are
        **(more or {}),
    }
    installation = Installation(folder, settings, ports, twins)
    servers: dict[str, Killable] = {"postgres": postgres, "kafka": broker}
    begun = time.monotonic()
    found = Findings(rounds=rounds)
    chance = random.Random(seed)
    try:
        installation.start()
        users = Clients([m.url for m in installation.of("api")], installation.upload(), seed, clients)
        users.start()
        for number in range(rounds):
            time.sleep(chance.uniform(0.1, 1.2))
            installation.revive()
            kind = chance.choice((*ROLES, *servers))
            tell(f"round {number + 1} of {rounds}: {kind} is killed; {len(users.acknowledged)} commands answered")
            victim = servers[kind] if kind in servers else chance.choice(installation.of(kind))
            victim.kill()
            found.killed[kind] += 1
            time.sleep(chance.uniform(0.0, 1.0))
            victim.start()
        if calm:
            tell(f"{calm:g} s without a kill")
            time.sleep(calm)
        tell("coming to rest")
        users.end()
        found.ended_by_themselves = installation.ended_by_themselves
        found.repeated_requests, found.wrong_answers = users.repeated, users.wrong
        with closing(PostgresEventLog(postgres.dsn, new_id)) as log, closing(SqlReadStore(postgres.dsn)) as store:
            _rest(installation, log, store, lambda: published(kafka))
            events = list(everything(log))
            _compare_answers(found, events, users.acknowledged)
            _compare_jobs(found, events)
            _compare_rows(found, log, store)
        with connect(postgres.dsn) as connection:
            deadlocks = connection.execute("SELECT sum(deadlocks) FROM pg_stat_database").fetchone()
        found.deadlocks = int(deadlocks[0]) if deadlocks else 0
        found.events = len(events)
        _compare_topics(found, events, published(kafka))
    finally:
        installation.kill_all()
    found.seconds = time.monotonic() - begun
    return found


def _rest(
    installation: Installation, log: EventLog, store: ReadStore, published: Callable[[], Sequence[Recorded]]
) -> None:
    """Wait until every job has ended and everything has followed, then end the processes in order."""
    installation.wait_ready()
    while left := unended(everything(log)):  # however many wait: each has its turn
        wait(partial(_changed, log, left), "another job has ended", partial(str, left), every=1)
    for role in ("worker", "api"):
        for member in installation.of(role):
            assert member.stop() == 0, member.said()[-3000:]
    head = log.head()
    wait(lambda: all(store.position(projection) >= head for projection in PROJECTIONS), "the read models have followed")
    wait(
        lambda: any(event.position >= head for event in published()), f"a relay has published position {head}", every=1
    )
    for role in ("projector", "relay"):
        for member in installation.of(role):
            assert member.stop() == 0, member.said()[-3000:]


def _compare_answers(found: Findings, events: Sequence[Recorded], acknowledged: Sequence[Acknowledged]) -> None:
    at = {(event.stream, event.version): event for event in events}
    by_key = Counter(event.metadata.command_id for event in events if event.ordinal == 0)
    for one in acknowledged:
        found.acknowledged[one.kind] += 1
        said = f"{one.kind} of {one.stream}, answered version {one.version} at {one.position}"
        event = at.get((one.stream, one.version))
        if event is None or event.position > one.position:
            found.lost.append(said)
        # A cancel of what has ended yields no event, and is answered with what is there.
        if by_key[one.key] > 1 or (by_key[one.key] == 0 and one.kind != "cancel"):
            (found.doubled if by_key[one.key] else found.lost).append(said)


def _compare_jobs(found: Findings, events: Sequence[Recorded]) -> None:
    found.unfinished = unended(events)
    ends: dict[str, list[str]] = defaultdict(list)
    for event in events:
        found.reclaimed += event.type == "JobReclaimed"
        if event.type == "JobRetried":
            ends[event.stream] = []
        elif event.type in ENDS:
            ends[event.stream].append(event.type)
    for stream, of_stream in ends.items():
        found.ends.update(of_stream)
        if len(of_stream) > 1:
            found.ended_twice.append(f"{stream}: {', '.join(of_stream)}")


def _compare_rows(found: Findings, log: EventLog, store: SqlReadStore) -> None:
    anew = MemoryReadStore()
    projector = Projector(log, anew, PROJECTIONS)
    projector.prepare()
    projector.catch_up()
    for projection in PROJECTIONS:
        if store.parked(projection):
            found.unlike_a_rebuild.append(f"{projection.name} has parked keys")
        shown, folded = ({**rows(side, projection)} for side in (store, anew))
        found.unlike_a_rebuild += [
            f"{projection.name}: {key}" for key in shown.keys() | folded.keys() if shown.get(key) != folded.get(key)
        ]


def _compare_topics(found: Findings, events: Sequence[Recorded], published: Sequence[Recorded]) -> None:
    there = {event.position: event for event in published}
    found.not_published = [event.position for event in events if there.get(event.position) != event]
    found.published_twice = len(published) - len(there)
    logged = {event.position for event in events}
    found.not_logged = [position for position in there if position not in logged]


def everything(log: EventLog) -> Iterator[Recorded]:
    """Every event of a log."""
    after = 0
    while events := log.read(after, 1_000).events:
        yield from events
        after = events[-1].position


def unended(events: Iterator[Recorded] | Sequence[Recorded]) -> list[str]:
    """Jobs without an end since they were created or last retried."""
    open_jobs: dict[str, None] = {}
    for event in events:
        if event.type in ("JobCreated", "JobRetried"):
            open_jobs[event.stream] = None
        elif event.type in ENDS:
            open_jobs.pop(event.stream, None)
    return list(open_jobs)


def _changed(log: EventLog, left: Sequence[str]) -> bool:
    return unended(everything(log)) != left


def rows(store: ReadStore, projection: Any) -> dict[str, Row]:
    """The rows of a projection."""
    selection = Selection(order=next(iter(projection.columns)), filters={}, limit=1_000_000)
    found = store.select(projection, selection)
    return {key: msgspec.json.decode(text, type=projection.row) for key, text in found.rows}


def wait(done: Callable[[], bool], what: str, why: Callable[[], str] = str, every: float = 0.1) -> None:
    """Return once it is so; raises `AssertionError` when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(httpx.HTTPError):
            if done():
                return
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}\n{why()}"
        time.sleep(every)
