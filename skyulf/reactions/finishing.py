"""Finishes models once they are trained: an ONNX copy, and which columns matter; reported by commands only.

Nobody waits for it, so it begins once this process has trained nothing for a while and no job waits, and takes what
processor time others leave. Jobs that run elsewhere do not count: where many workers are busy, some job always runs.
What is to be done is found in the rows of jobs, so that a server that was killed goes on where it was; a lease keeps
two from doing the same, and that it is recorded once is decided by the commands.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from skyulf.artifacts import DataStore
from skyulf.commands.base import Command, Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.job import ExplainModel, PackageModel
from skyulf.errors import Erased, NotAllowed, SkyulfError, Unavailable
from skyulf.events.base import Actor
from skyulf.events.job import JobState
from skyulf.events.log import EventLog
from skyulf.reactions.attempt import cause_of, events_of, job_now
from skyulf.reactions.finisher import COPY, EXPLANATION, Copied, Explained, Finish, explain_model, make_copy
from skyulf.reactions.kinds import version_of
from skyulf.reactions.leases import Leases, Work
from skyulf.reactions.sandbox import Child, ChildCancelled, ChildDied, ChildFailed, ChildTimedOut, Limits, SandboxServer

TICK = 1.0
"""Seconds between two looks; two looks at which nothing waits, and nothing runs here, are quiet enough."""

PUT_OFF = 60.0
"""Seconds after which a model is finished though it was never quiet: one, and again after as long."""

DEATHS = 3
"""A model whose sandbox dies so often while it is finished is left as it is, and why is recorded."""

OFFERS = 100

R = TypeVar("R")

logger = logging.getLogger(__name__)


class UnfinishedJobs(Protocol):
    """What the rows of jobs tell; they may lag behind the log."""

    def waiting(self) -> bool:
        """Whether a job waits, or may."""
        ...

    def page(self, limit: int, cursor: str | None) -> tuple[tuple[str, ...], str | None]:
        """Ids of succeeded jobs whose model is not finished, the newest first, and where to go on, or None."""
        ...


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why something could not be done, by rules: without data values."""

    reason: str


class Finisher:
    """Finishes one model after the other; ``name`` is how events call it, ``training`` whether this process trains."""

    def __init__(
        self,
        *,
        name: str,
        log: EventLog,
        bus: CommandBus,
        jobs: UnfinishedJobs,
        leases: Leases,
        training: Callable[[], bool],
        sandbox: SandboxServer,
        artifacts: DataStore,
        scratch: Path,
    ) -> None:
        self._actor = Actor(id=name, kind="worker")
        self._log = log
        self._bus = bus
        self._jobs = jobs
        self._leases = leases
        self._training = training
        self._sandbox = sandbox
        self._artifacts = artifacts
        self._scratch = scratch
        self._deaths: Counter[tuple[str, str]] = Counter()
        self._left: set[str] = set()
        self._cursor: str | None = None
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="finisher", daemon=True)

    def start(self) -> None:
        """Begin to look for models that are not finished."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and kill what runs, without waiting; it is done again after the next start."""
        self._stopping.set()
        with self._lock:
            child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """Stop, and wait for the end of it."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        quiet, looked = False, time.monotonic()
        while not self._stopping.wait(TICK):
            try:
                before, quiet = quiet, self._quiet()
                if before and quiet:
                    self._look()
                    looked = time.monotonic()
                elif time.monotonic() - looked >= PUT_OFF:
                    self._look_though_busy()
                    looked = time.monotonic()
            except Unavailable as error:
                logger.debug("models are finished later: %s", error.detail)
            except Exception:
                if not self._stopping.is_set():
                    logger.exception("models could not be finished now; it is tried again")

    def _quiet(self) -> bool:
        return not self._training() and not self._jobs.waiting()

    def _look(self) -> None:
        """Finish the newest models, then go on where the last look ended: many may be left as they are."""
        for job_id in self._unfinished():
            if self._stopping.is_set() or not self._quiet():
                return
            self._finish(job_id)

    def _look_though_busy(self) -> None:
        """Finish one model, or none."""
        for job_id in self._unfinished():
            if self._stopping.is_set() or self._finish(job_id):
                return

    def _unfinished(self) -> Iterator[str]:
        newest, _ = self._jobs.page(OFFERS, None)
        further, self._cursor = self._jobs.page(OFFERS, self._cursor)
        return (job_id for job_id in dict.fromkeys((*newest, *further)) if job_id not in self._left)

    def _finish(self, job_id: str) -> bool:
        """Do what is left to do for a job's model, unless another does it; whether there was something to do.

        What cannot be done now is left until the next start.
        """
        work = Work(f"the model of {job_id}", 0)
        if not self._leases.take(work):
            return False
        try:
            job = job_now(self._log, job_id)
            if job is None or job.model is None or (job.packaged and job.explained):
                return False
            if not job.packaged:
                self._package(job_id, job, job.model)
            if not job.explained:
                self._explain(job_id, job, job.model)
        except Unavailable:
            raise
        except SkyulfError as error:
            # A log that came without its artifacts, for one; they may still come.
            logger.info("the model of %s is not finished now: %s", job_id, error.detail)
            self._left.add(job_id)
            return False
        finally:
            self._leases.release(work)
        return True

    def _package(self, job_id: str, job: JobState, model: str) -> None:
        dataset_id = job.created.dataset_id

        def told(copied: Copied, folder: Path) -> Command:
            return PackageModel(
                id=job_id,
                dataset_id=dataset_id,
                attempt=job.attempt,
                onnx=None if copied.reason else self._artifacts.put_for(dataset_id, folder / COPY),
                reason=copied.reason,
                probe_rows=copied.probe_rows,
                largest_difference=copied.largest_difference,
            )

        def not_told(reason: str) -> Command:
            return PackageModel(id=job_id, dataset_id=dataset_id, attempt=job.attempt, onnx=None, reason=reason)

        self._do(job_id, job, model, make_copy, told, not_told)

    def _explain(self, job_id: str, job: JobState, model: str) -> None:
        dataset_id = job.created.dataset_id

        def told(explained: Explained, folder: Path) -> Command:
            return ExplainModel(
                id=job_id,
                dataset_id=dataset_id,
                attempt=job.attempt,
                explanation=self._artifacts.put_for(dataset_id, folder / EXPLANATION),
                metric=explained.metric,
                rows=explained.rows,
                repeats=explained.repeats,
            )

        def not_told(reason: str) -> Command:
            return ExplainModel(id=job_id, dataset_id=dataset_id, attempt=job.attempt, explanation=None, reason=reason)

        self._do(job_id, job, model, explain_model, told, not_told)

    def _do(
        self,
        job_id: str,
        job: JobState,
        model: str,
        function: Callable[..., R],
        told: Callable[[R, Path], Command],
        not_told: Callable[[str], Command],
    ) -> None:
        """Run a function of the sandbox and report what came of it, unless it is to be tried again."""
        folder = Path(tempfile.mkdtemp(prefix="finish-", dir=self._scratch))
        try:
            result = self._in_sandbox(job, function, self._task(job, model, folder))
            self._report(not_told(result.reason) if isinstance(result, NotDone) else told(result, folder))
        except Erased:
            self._report(not_told("its dataset was erased"))
        except ChildCancelled:
            return
        except ChildDied:
            self._deaths[job_id, function.__name__] += 1
            if self._deaths[job_id, function.__name__] >= DEATHS:
                self._report(not_told(f"the process that did it died {DEATHS} times"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _in_sandbox(self, job: JobState, function: Callable[..., R], task: Finish) -> "R | NotDone":
        limits = Limits(job.created.limits.seconds, job.created.limits.memory_bytes, threads=1)
        child = self._sandbox.fork()
        with self._lock:
            self._child = child
        try:
            if self._stopping.is_set():
                raise ChildCancelled
            return child.run(function, task, limits=limits)
        except ChildTimedOut:
            return NotDone(f"it took longer than the job's limit of {job.created.limits.seconds} s")
        except ChildFailed as failure:
            if failure.kind == "memory":
                return NotDone(f"it met the job's limit of {job.created.limits.memory_bytes >> 20} MiB of memory")
            if failure.kind == "domain" and isinstance(failure.error, SkyulfError):
                return NotDone(failure.error.detail)
            logger.warning("a model could not be finished: %s\n%s", failure.type_name, failure.traceback)
            return NotDone(f"a library failed ({failure.type_name})")
        finally:
            with self._lock:
                self._child = None
            child.kill()

    def _task(self, job: JobState, model: str, folder: Path) -> Finish:
        created = job.training
        version = version_of(self._log, created)
        return Finish(
            model=str(self._artifacts.path(model)),
            digest=model,
            table=str(self._artifacts.path(created.dataset_artifact)),
            folder=str(folder),
            columns=tuple(column.model_dump() for column in version.columns),
            seed=created.seed,
            rows=version.rows,
            sampled=created.sample.rows if created.sample else None,
        )

    def _report(self, command: Command) -> None:
        """Send what came of it; if the log stays away, it is done again."""
        try:
            context = Context.following(self._actor, cause_of(events_of(self._log, command.id)))
            self._bus.send(command, context).result()
        except NotAllowed as refusal:
            logger.info("a result was refused: %s", refusal.detail)
        except Unavailable as error:
            logger.warning("a result could not be recorded; it is done again: %s", error.detail)
