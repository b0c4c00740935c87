"""An installation to try workers in: one log, and processes whose sandboxes do at once what a test tells them to."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builders import NOW, RESULT, dataset_created, everything, job_created, sequential_ids, version_added, written

from skyulf.adapters.leases import MemoryLeases
from skyulf.adapters.memory_artifacts import MemoryArtifacts
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.commands import COMMANDS
from skyulf.commands.answers import Answer
from skyulf.commands.base import Command, Context
from skyulf.commands.bus import CommandBus
from skyulf.errors import Unavailable
from skyulf.events.base import Recorded
from skyulf.events.job import JobState
from skyulf.reactions.attempt import job_now
from skyulf.reactions.leases import Work
from skyulf.reactions.offers import Running
from skyulf.reactions.sandbox import ChildCancelled
from skyulf.reactions.trainer import EVALUATION, MODEL, Progress, Task, Trained
from skyulf.reactions.training import Worker

DATASET = "dataset-1"

STATUS = {
    "JobCreated": "created",
    "JobRetried": "created",
    "JobReclaimed": "created",
    "JobStarted": "running",
    "ModelTrained": "succeeded",
    "JobFailed": "failed",
    "JobCancelled": "cancelled",
}

Act = Callable[["Child", Task], None]
"""What a child does before it hands in its result, if it gets so far."""


class Child:
    """Trains in no time, unless it is told to do something else first."""

    def __init__(self, acts: deque[Act]) -> None:
        self._acts = acts
        self.ended = threading.Event()
        self.progress: Callable[[Any], None] = lambda _: None

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    def run(self, _: Any, task: Task, limits: Any, on_message: Callable[[Progress], None]) -> Trained:
        if self.ended.is_set():
            raise ChildCancelled
        self.progress = on_message
        on_message(Progress("load", 0.0, {}))
        if self._acts:
            self._acts.popleft()(self, task)
        if self.ended.is_set():
            raise ChildCancelled
        self.ended.set()
        Path(task.folder, MODEL).write_text("a model")
        Path(task.folder, EVALUATION).write_text("{}")
        told = {name: value for name, value in RESULT.items() if name not in ("model", "evaluation")}
        return Trained(**{**told, "candidate_scores": [], "fingerprint": "f"})

    def prepare(self, *_: Any) -> None:
        pass

    def close(self) -> None:
        """Nothing to give back."""

    def kill(self) -> None:
        self.ended.set()


class Sandbox:
    def __init__(self) -> None:
        self.acts: deque[Act] = deque()

    def fork(self) -> Child:
        return Child(self.acts)


class Feed:
    """Wake-ups that a test gives; whether anybody else is woken is no matter."""

    def __init__(self) -> None:
        self.given: list[Recorded] = []

    def poll(self, seconds: float) -> tuple[Recorded, ...]:
        threading.Event().wait(min(seconds, 0.01))
        given, self.given = tuple(self.given), []
        return given

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


class Queue:
    """Jobs by status, as the log has them at this moment."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._after = 0
        self._jobs: dict[str, tuple[str, int]] = {}

    def _by_status(self, status: str) -> list[tuple[str, int]]:
        with self._lock:
            page = self._log.read(self._after, 1_000_000)
            self._after = page.position
            for event in page.events:
                if event.type in STATUS:
                    attempt = self._jobs.get(event.stream, ("", 0))[1] + (event.type == "JobStarted")
                    self._jobs[event.stream] = (STATUS[event.type], attempt)
            return [(job, attempt) for job, (found, attempt) in self._jobs.items() if found == status]

    def waiting(self, limit: int) -> tuple[str, ...]:
        return tuple(job for job, _ in self._by_status("created")[:limit])

    def running(self, limit: int) -> tuple[Running, ...]:
        return tuple(Running(*each) for each in self._by_status("running")[:limit])


class Bus(CommandBus):
    """Counts what is refused, and can lose its log for a while."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.refused: list[Command] = []
        self.away = 0
        self.before: Callable[[Command], None] = lambda _: None

    def send(self, command: Command, context: Context) -> Any:
        self.before(command)
        if self.away:
            self.away -= 1
            raise Unavailable("the log is away")
        answer = super().send(command, context)
        answer.add_done_callback(lambda settled: self._count(command, settled))
        return answer

    def _count(self, command: Command, settled: Any) -> None:
        if not isinstance(settled.exception() or settled.result(), Answer):
            self.refused.append(command)


class Artifacts(MemoryArtifacts):
    """A store that is away for so many calls."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 0
        self.asked = threading.Event()

    def _reached(self) -> None:
        self.asked.set()
        if self.away:
            self.away -= 1
            raise Unavailable("the store is away")

    def put(self, source: Path) -> str:
        self._reached()
        return super().put(source)

    def path(self, digest: str) -> Path:
        self._reached()
        return super().path(digest)


class Process:
    """A worker, and what its process has to itself."""

    def __init__(self, site: "Installation", name: str, slots: int) -> None:
        self.bus = Bus(site.log, COMMANDS, lambda: NOW, site.new_id)
        self.feed, self.sandbox, self.leases = Feed(), Sandbox(), MemoryLeases(site.leases)
        sandbox: Any = self.sandbox
        feed: Any = self.feed
        self.worker = Worker(
            name=name,
            log=site.log,
            bus=self.bus,
            feed=feed,
            queue=site.queue,
            leases=self.leases,
            sandbox=sandbox,
            artifacts=site.artifacts,
            scratch=site.scratch,
            slots=slots,
            threads=1,
        )

    def works(self, job: str, *acts: Act) -> bool:
        """Try a job as a slot would, in this thread; whether it was claimed."""
        self.sandbox.acts.extend(acts)
        child: Any = self.sandbox.fork()
        return self.worker._work(job, child)

    def looks(self) -> None:
        self.worker._look()

    def dies(self) -> None:
        """End without a word; the leases lapse."""
        self.leases.close()


class Installation:
    def __init__(self, scratch: Path) -> None:
        self.log = MemoryEventLog(sequential_ids())
        self.new_id = sequential_ids()
        self.artifacts = Artifacts()
        self.leases: dict[Work, MemoryLeases] = {}
        self.queue = Queue(self.log)
        self.scratch = scratch
        self._processes: list[Process] = []
        table = scratch / "table"
        table.write_text("a table")
        self.table = self.artifacts.put(table)
        table.unlink()
        written(self.log, DATASET, 0, dataset_created(), version_added(artifact=self.table))

    def process(self, slots: int = 1) -> Process:
        self._processes.append(Process(self, f"worker-{len(self._processes) + 1}", slots))
        return self._processes[-1]

    @contextmanager
    def working(self, processes: int, slots: int = 1) -> Iterator[list[Process]]:
        """So many processes whose threads run."""
        started = [self.process(slots) for _ in range(processes)]
        for each in started:
            each.worker.start()
        try:
            yield started
        finally:
            for each in started:
                each.worker.close()

    def create(self, job: str = "job-1", **changes: Any) -> str:
        created = job_created(dataset_id=DATASET, dataset_artifact=self.table, **changes)
        woken_by = written(self.log, job, 0, created)
        for each in self._processes:
            each.feed.given.extend(woken_by)
        return job

    def job(self, job: str = "job-1") -> JobState:
        found = job_now(self.log, job)
        assert found is not None
        return found

    def kinds(self, job: str = "job-1") -> list[str]:
        return [event.type for event in everything(self.log) if event.stream == job]

    def newest(self, kind: str) -> Recorded:
        return next(event for event in reversed(everything(self.log)) if event.type == kind)

    def close(self) -> None:
        for each in self._processes:
            each.bus.close()
