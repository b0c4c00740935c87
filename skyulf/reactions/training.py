"""The worker: claims jobs, runs each in a sandbox, and reports what became of it, by commands only.

An event is a wake-up: nothing depends on it but latency. Jobs that nobody was woken for are found in the queue at
intervals, and jobs whose worker is gone (no lease) are reclaimed. Who may report on a job is decided by its
attempt, not by the lease.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from skyulf.artifacts import ArtifactStore
from skyulf.commands.base import Command, Context
from skyulf.commands.bus import Answer, CommandBus
from skyulf.commands.job import ReclaimJob, ReportProgress, StartJob
from skyulf.errors import NotAllowed, SkyulfError, Unavailable
from skyulf.events.base import Actor, Recorded
from skyulf.events.job import JobState, ReclaimCause
from skyulf.events.log import EventLog
from skyulf.reactions.attempt import Attempt, AttemptRunner, job_now
from skyulf.reactions.feed import EventFeed
from skyulf.reactions.rehearsal import rehearse
from skyulf.reactions.sandbox import Child, SandboxServer
from skyulf.reactions.trainer import Progress

LEASE = 15.0
"""Seconds after which a lease that is not taken again has lapsed."""

TICK = 1.0
"""Seconds between two looks at the queue, and between two reports of progress."""

OFFERS = 1_000
"""At most so many waiting jobs are remembered; the queue knows the others."""

REPORT_TRIES = 6

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A job that runs, as far as the queue knows, and its attempt."""

    job_id: str
    attempt: int


class JobQueue(Protocol):
    """Jobs by status, the oldest first; it may lag behind the log."""

    def waiting(self, limit: int) -> tuple[str, ...]:
        """Ids of jobs that wait to be claimed."""
        ...

    def running(self, limit: int) -> tuple[Running, ...]:
        """Jobs that run."""
        ...


class Leases(Protocol):
    """Who is at work on what, for as long as it says so: tells a lost worker from a slow one."""

    def take(self, job_id: str, attempt: int) -> None:
        """Hold the lease, or hold it on, for `LEASE` seconds."""
        ...

    def release(self, job_id: str, attempt: int) -> None:
        """Give the lease up."""
        ...

    def held(self, job_id: str, attempt: int) -> bool:
        """Whether someone holds it."""
        ...


@dataclass(slots=True)
class Held:
    """The attempts of this worker, by job; guarded by ``lock``."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    attempts: dict[str, Attempt] = field(default_factory=dict)

    def add(self, attempt: Attempt) -> None:
        """Hold an attempt from now on."""
        with self.lock:
            self.attempts[attempt.job_id] = attempt

    def drop(self, attempt: Attempt) -> None:
        """Hold it no longer."""
        with self.lock:
            self.attempts.pop(attempt.job_id, None)

    def all(self) -> tuple[Attempt, ...]:
        """What is held now."""
        with self.lock:
            return tuple(self.attempts.values())

    def get(self, job_id: str) -> Attempt | None:
        """The attempt at that job, if this worker holds it."""
        with self.lock:
            return self.attempts.get(job_id)


class Worker:
    """Trains jobs in ``slots`` sandboxes at once; ``name`` is how events call this worker."""

    def __init__(
        self,
        *,
        name: str,
        log: EventLog,
        bus: CommandBus,
        feed: EventFeed,
        queue: JobQueue,
        leases: Leases,
        sandbox: SandboxServer,
        artifacts: ArtifactStore,
        scratch: Path,
        slots: int,
        threads: int,
    ) -> None:
        self._actor = Actor(id=name, kind="worker")
        self._log = log
        self._bus = bus
        self._feed = feed
        self._queue = queue
        self._leases = leases
        self._sandbox = sandbox
        self._runner = AttemptRunner(log, artifacts, threads)
        self._scratch = scratch
        self._held = Held()
        self._offers: OrderedDict[str, None] = OrderedDict()
        self._offered = threading.Condition()
        self._stopping = threading.Event()
        self._threads_running = [threading.Thread(target=self._dispatch, name="worker", daemon=True)]
        for number in range(slots):
            self._threads_running.append(threading.Thread(target=self._slot, name=f"slot-{number}", daemon=True))

    def start(self) -> None:
        """Begin to claim jobs."""
        for thread in self._threads_running:
            thread.start()

    def stop(self) -> None:
        """Stop claiming and kill what runs, without waiting; it is handed back while `close` waits."""
        self._stopping.set()
        self._feed.wake()
        for attempt in self._held.all():
            attempt.child.kill()
        with self._offered:
            self._offered.notify_all()

    def close(self) -> None:
        """Stop, and wait until what ran is handed back."""
        self.stop()
        for thread in self._threads_running:
            if thread.ident is not None:  # closed before it was started, or while it was
                thread.join()
        self._feed.close()

    # What wakes the worker

    def _dispatch(self) -> None:
        looked = 0.0
        while not self._stopping.is_set():
            try:
                for recorded in self._feed.poll(TICK):
                    self._take(recorded)
                if time.monotonic() - looked >= TICK:
                    looked = time.monotonic()
                    self._look()
            except Exception:
                logger.exception("the worker could not look for work; it looks again")
                self._stopping.wait(TICK)

    def _take(self, recorded: Recorded) -> None:
        if recorded.type == "JobCancelRequested":
            self._cancel(recorded.stream)
        else:
            self._offer(recorded.stream)

    def _look(self) -> None:
        """Hold on to what runs here, see to what was asked of it, and find what nobody was woken for."""
        for attempt in self._held.all():
            self._leases.take(attempt.job_id, attempt.number)
            job = self._job(attempt.job_id)
            if job is None or job.attempt != attempt.number or job.status != "running":
                attempt.fenced = True
                attempt.child.kill()
            elif job.cancel_requested:
                attempt.child.kill()
            else:
                self._tell(attempt)
        for job_id in self._queue.waiting(OFFERS):
            self._offer(job_id)
        for running in self._queue.running(OFFERS):
            if not self._leases.held(running.job_id, running.attempt):
                self._reclaim(running.job_id, running.attempt, "worker_lost")

    def _offer(self, job_id: str) -> None:
        with self._offered:
            if len(self._offers) < OFFERS:
                self._offers.setdefault(job_id)
            self._offered.notify()

    def _cancel(self, job_id: str) -> None:
        attempt = self._held.get(job_id)
        if attempt is not None:
            attempt.child.kill()

    # What a slot does

    def _slot(self) -> None:
        child: Child | None = None
        worked = False  # whoever trains will train again; until then a child keeps the memory of a rehearsal free
        while not self._stopping.is_set():
            try:
                if child is None or not child.alive:
                    child = self._sandbox.fork()
                    if worked and not self._offers:
                        child.prepare(rehearse, self._runner.threads)
                job_id = self._next()
                if job_id is not None and self._work(job_id, child):
                    child = None
                    worked = True
            except Exception:
                child = None
                if not self._stopping.is_set():
                    logger.exception("a slot of the worker failed; it begins anew")
                    self._stopping.wait(TICK)
        if child is not None:
            child.kill()

    def _next(self) -> str | None:
        with self._offered:
            self._offered.wait_for(lambda: self._offers or self._stopping.is_set(), TICK)
            if self._stopping.is_set() or not self._offers:
                return None
            return self._offers.popitem(last=False)[0]

    def _work(self, job_id: str, child: Child) -> bool:
        """Claim a job and see it through; whether the child was used up."""
        job = self._job(job_id)
        if job is None or job.status != "created":
            return False
        attempt = Attempt(job_id, job.attempt + 1, child, job)
        # Held before it is claimed: a cancel or a stop that follows the claim at once finds it.
        self._leases.take(job_id, attempt.number)
        self._held.add(attempt)
        try:
            if self._stopping.is_set() or not self._claimed(attempt):
                return False
            self._run(attempt)
            return True
        finally:
            self._held.drop(attempt)
            self._leases.release(job_id, attempt.number)

    def _claimed(self, attempt: Attempt) -> bool:
        try:
            self._send(StartJob(id=attempt.job_id, attempt=attempt.number, worker=self._actor.id)).result()
        except NotAllowed:
            return False
        return True

    def _run(self, attempt: Attempt) -> None:
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self._scratch))
        try:
            report = self._runner.run(attempt, folder, lambda progress: self._progress(attempt, progress))
            if report is not None:
                self._report(report)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _progress(self, attempt: Attempt, progress: Progress) -> None:
        attempt.stage = progress.stage
        attempt.unreported = progress
        self._tell(attempt)

    def _tell(self, attempt: Attempt) -> None:
        """Report how far the attempt has got, unless that was done a moment ago: then the next look does it.

        The stage that takes long is begun soon after the others, and must not be the one that nobody hears of.
        """
        with attempt.telling:
            progress = attempt.unreported
            if progress is None or time.monotonic() - attempt.reported < TICK:
                return
            attempt.unreported = None
            attempt.reported = time.monotonic()
            self._send_progress(attempt, progress)

    def _send_progress(self, attempt: Attempt, progress: Progress) -> None:
        command = ReportProgress(
            id=attempt.job_id,
            attempt=attempt.number,
            stage=progress.stage,
            fraction=progress.fraction,
            metrics=dict(progress.metrics),
        )

        def settled(answer: Future[Answer]) -> None:
            if isinstance(answer.exception(), NotAllowed):
                attempt.fenced = True
                # Not here: this runs in the thread that commits commands.
                threading.Thread(target=attempt.child.kill, name="fence", daemon=True).start()

        with suppress(Unavailable):  # the next report will do
            self._send(command).add_done_callback(settled)

    # What it says and knows

    def _send(self, command: Command) -> Future[Answer]:
        return self._bus.send(command, Context(actor=self._actor, correlation_id=command.id))

    def _report(self, command: Command) -> None:
        """Send a result until it is taken or refused; if the log stays away, the job is reclaimed later."""
        for number in range(REPORT_TRIES):
            try:
                self._send(command).result()
                return
            except NotAllowed as refusal:
                logger.info("a result was refused: %s", refusal.detail)
                return
            except Unavailable:
                time.sleep(min(0.1 * 2**number, 2.0))
        logger.error("the result of %s could not be recorded; it will be trained again", command.id)

    def _reclaim(self, job_id: str, attempt: int, cause: ReclaimCause) -> None:
        try:
            self._send(ReclaimJob(id=job_id, attempt=attempt, cause=cause)).result()
        except SkyulfError as refusal:
            logger.debug("%s needs no reclaiming: %s", job_id, refusal.detail)

    def _job(self, job_id: str) -> JobState | None:
        return job_now(self._log, job_id)
