"""One attempt at a job: the task for its sandbox, and what became of it as a command."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from skyulf.artifacts import DataStore
from skyulf.commands.base import Command
from skyulf.commands.job import ConfirmCancelled, FailJob, ReclaimJob
from skyulf.commands.made import erased_problem
from skyulf.errors import Erased, ScoringFailed, SkyulfError, TrainingFailed, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.job import JobState, Problem
from skyulf.events.log import EventLog
from skyulf.events.registry import replay
from skyulf.reactions.leases import Work
from skyulf.reactions.patience import patiently
from skyulf.reactions.sandbox import Child, ChildCancelled, ChildDied, ChildFailed, ChildTimedOut, Limits
from skyulf.reactions.trainer import Progress, Tried
from skyulf.reactions.trials import TrialsToTell

logger = logging.getLogger(__name__)

ASKING = ("JobCreated", "ScoringCreated", "ReproductionCreated", "JobRetried")
"""The events by which somebody asks for a job to be run."""

NOT_DONE = {"training": "not-trained", "scoring": "not-scored", "reproduction": "not-reproduced"}

REFUSED: Mapping[type[SkyulfError], str] = {
    TrainingFailed: "The data or the spec cannot be trained",
    ScoringFailed: "The model cannot score this dataset",
}

FAILED = {
    "training": "A library failed on this data and spec",
    "scoring": "A library failed on this data and model",
    "reproduction": "A library failed on what it once trained",
}


@dataclass(slots=True)
class Attempt:
    """An attempt at a job that this worker holds, and the child that works on it.

    ``job`` is the job as it was last seen, at ``version`` of its stream, and ``cause`` the event that asked for it;
    ``over`` is set once nobody wants the attempt any more, and ``fenced`` once others have the job. ``lacking`` is what
    this worker was short of, for which the job was handed back.
    """

    job_id: str
    number: int
    child: Child
    job: JobState
    version: int
    cause: Recorded
    stage: str = "start"
    unreported: Progress | None = None
    reported: float = 0.0
    telling: threading.Lock = field(default_factory=threading.Lock)
    trials: TrialsToTell = field(default_factory=TrialsToTell)
    over: threading.Event = field(default_factory=threading.Event)
    fenced: bool = False
    lacking: Unavailable | None = None

    @property
    def work(self) -> Work:
        """What the worker has a lease on."""
        return Work(self.job_id, self.number)

    def kill(self) -> None:
        """End the attempt: its child is killed, and nothing is waited for any longer."""
        self.over.set()
        self.child.kill()

    def kill_soon(self) -> None:
        """`kill`, without waiting for the child's end."""
        if not self.over.is_set():
            self.over.set()
            threading.Thread(target=self.child.kill, name="kill", daemon=True).start()


class Kind(Protocol):
    """A kind of job: the ``function`` that its sandbox runs, and ``name``, by which its faults are told."""

    name: str
    function: Callable[..., Any]

    def task(self, attempt: Attempt, folder: Path) -> Any:
        """What the function is given; ``folder`` is where it leaves its files."""
        ...

    def threads(self, task: Any) -> int:
        """How many threads the sandbox may have for a task."""
        ...

    def completed(self, attempt: Attempt, result: Any, folder: Path) -> Command:
        """What is reported of a result, once its files are kept as artifacts."""
        ...


class AttemptRunner:
    """Runs attempts in their sandboxes; ``kind_of`` tells of a job what is to be run, with ``threads`` threads at most.

    Only what is reproduced has as many as it had.
    """

    def __init__(self, kind_of: Callable[[JobState], Kind], artifacts: DataStore, threads: int) -> None:
        self._kind_of = kind_of
        self._artifacts = artifacts
        self.threads = threads

    def run(self, attempt: Attempt, folder: Path, on_progress: Callable[[Progress | Tried], None]) -> Command | None:
        """Do the work; the command that says what became of it, or None when nobody wants to know any more.

        ``folder`` is where the child leaves its files; ``on_progress`` is called in this thread. While the log or the
        store of artifacts is away, it is waited for: that is no fault of the job.
        """
        kind, created = self._kind_of(attempt.job), attempt.job.created
        try:
            task = patiently(lambda: kind.task(attempt, folder), attempt.over)
            limits = Limits(created.limits.seconds, created.limits.memory_bytes, kind.threads(task))
            result = attempt.child.run(kind.function, task, limits=limits, on_message=on_progress)
            return patiently(lambda: kind.completed(attempt, result, folder), attempt.over)
        except ChildCancelled:
            return self._stopped(attempt)
        except ChildDied:
            return ReclaimJob(id=attempt.job_id, attempt=attempt.number, cause="sandbox_died")
        except ChildTimedOut:
            return self._failed(attempt, time_limit(created.limits.seconds))
        except ChildFailed as failure:
            if isinstance(failure.error, Unavailable):
                logger.error("%s is handed back: %s", attempt.job_id, failure.error.detail)
                attempt.lacking = failure.error
                return self._stopped(attempt)
            return self._failed(attempt, *self._explained(attempt, kind, failure, folder))
        except Unavailable as error:
            if not attempt.over.is_set():
                logger.error("%s is handed back, since what it needs stays away: %s", attempt.job_id, error.detail)
            return self._stopped(attempt)
        except Erased as error:
            logger.info("%s cannot be done: %s", attempt.job_id, error.detail)
            return self._failed(attempt, erased_problem(created.dataset_id))
        except SkyulfError as error:
            problem = Problem(type=NOT_DONE[kind.name], title="The job could not be run", detail=error.detail)
            return self._failed(attempt, problem)

    @staticmethod
    def _stopped(attempt: Attempt) -> Command | None:
        """The attempt was ended from here: because of a cancel, because others have the job, or to hand it back.

        A cancel that was not seen here yet comes first when the command is decided.
        """
        if attempt.fenced:
            return None
        if attempt.job.cancel_requested:
            return ConfirmCancelled(id=attempt.job_id, attempt=attempt.number)
        return ReclaimJob(id=attempt.job_id, attempt=attempt.number, cause="handed_back")

    @staticmethod
    def _failed(attempt: Attempt, problem: Problem, traceback: str | None = None) -> FailJob:
        dataset_id = attempt.job.created.dataset_id
        return FailJob(
            id=attempt.job_id, dataset_id=dataset_id, attempt=attempt.number, problem=problem, traceback=traceback
        )

    def _explained(
        self, attempt: Attempt, kind: Kind, failure: ChildFailed, folder: Path
    ) -> tuple[Problem, str | None]:
        """Why a task failed, without data values; what may hold some goes into an artifact."""
        if failure.kind == "memory":
            return out_of_memory(attempt.job.created.limits.memory_bytes), None
        if failure.kind == "domain" and isinstance(failure.error, SkyulfError):
            title = REFUSED.get(type(failure.error), "Refused")
            return Problem(type=f"{kind.name}-failed", title=title, detail=failure.error.detail), None
        path, dataset = folder / "traceback.txt", attempt.job.created.dataset_id
        detail = f"{failure.type_name} in the stage {attempt.stage}; the traceback is kept as an artifact."
        problem = Problem(type=f"{kind.name}-error", title=FAILED[kind.name], detail=detail)
        try:
            path.write_text(failure.traceback, encoding="utf-8")
            return problem, patiently(lambda: self._artifacts.put_for(dataset, path), attempt.over)
        except (Unavailable, Erased, OSError):
            return problem, None  # what went wrong is known; the job need not fail again for the lines of it


def events_of(log: EventLog, stream: str) -> tuple[Recorded, ...]:
    """Every event of a stream."""
    return log.load({stream: 0})[stream]


def cause_of(events: Sequence[Recorded]) -> Recorded:
    """Of a job's events the newest by which somebody asked for it; what comes of it belongs to that request."""
    return next((event for event in reversed(events) if event.type in ASKING), events[0])


def job_now(log: EventLog, job_id: str) -> JobState | None:
    """The job's state by the log; None when there is none."""
    state: JobState | None = replay(job_id, None, events_of(log, job_id))
    return state


def time_limit(seconds: int) -> Problem:
    """The job took longer than it may."""
    return Problem(
        type="time-limit",
        title="The job took too long",
        detail=f"It was stopped after its limit of {seconds} s; allow more time, or use a smaller model.",
    )


def out_of_memory(memory_bytes: int) -> Problem:
    """The job needed more memory than it may have."""
    return Problem(
        type="memory-limit",
        title="The job needed too much memory",
        detail=f"It met its limit of {memory_bytes // (1 << 20)} MiB; allow more, or use fewer columns or rows.",
    )
