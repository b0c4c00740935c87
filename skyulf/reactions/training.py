"""The worker: claims jobs, runs each in a sandbox, and reports what became of it, by commands only.

An event is a wake-up: nothing depends on it but latency. Jobs that nobody was woken for are found in the queue at
intervals, and jobs whose worker is gone (its lease has lapsed) are reclaimed. Who may report on a job is decided by
its attempt, not by the lease.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from skyulf import logs
from skyulf.artifacts import DataStore
from skyulf.commands.bus import CommandBus
from skyulf.core.cluster import Cluster
from skyulf.errors import SkyulfError, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.job import JobState
from skyulf.events.log import EventLog
from skyulf.events.registry import replay
from skyulf.reactions.attempt import Attempt, AttemptRunner, cause_of, events_of
from skyulf.reactions.feed import EventFeed
from skyulf.reactions.held import Held
from skyulf.reactions.kinds import kinds_of
from skyulf.reactions.leases import Leases, Work
from skyulf.reactions.offers import JobQueue, Offers
from skyulf.reactions.rehearsal import rehearse
from skyulf.reactions.reports import Reports
from skyulf.reactions.sandbox import Child, SandboxServer
from skyulf.reactions.trainer import ROOM_SECONDS

TICK = 1.0
"""Seconds between two looks at what runs, here and elsewhere."""

SEEN = 1_000
"""So many running jobs are looked at for those that were lost."""

ROOM = 64 << 20
"""Bytes that must be free for a job's files before one is claimed."""

DRAIN_LOOK = 0.05

logger = logging.getLogger(__name__)


class Worker:
    """Does jobs in ``slots`` sandboxes at once; ``name`` is how events call this worker."""

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
        artifacts: DataStore,
        scratch: Path,
        slots: int,
        threads: int,
        cluster: Cluster | None = None,
    ) -> None:
        self._log = log
        self._feed = feed
        self._queue = queue
        self._leases = leases
        self._sandbox = sandbox
        self._runner = AttemptRunner(kinds_of(log, artifacts, threads, cluster), artifacts, threads)
        self._scratch = scratch
        self._held = Held(log)
        self._offers = Offers(queue)
        self._draining = threading.Event()
        self._stopping = threading.Event()
        self._reports = Reports(name, bus, self._stopping)
        self._away = False
        self._threads_running = [threading.Thread(target=self._dispatch, name="worker", daemon=True)]
        for number in range(slots):
            self._threads_running.append(threading.Thread(target=self._slot, name=f"slot-{number}", daemon=True))

    def start(self) -> None:
        """Begin to claim jobs."""
        for thread in self._threads_running:
            thread.start()

    def at_work_on(self) -> tuple[str, ...]:
        """Ids of the jobs that this worker holds now."""
        return tuple(attempt.job_id for attempt in self._held.all())

    def claim_no_more(self) -> None:
        """Leave jobs that wait to others; what runs goes on."""
        self._draining.set()
        self._offers.close()

    def drain(self, seconds: float, hurried: Callable[[], bool] = lambda: False) -> None:
        """Claim nothing more, and wait until what runs has ended: for so long at most, or until ``hurried``."""
        self.claim_no_more()
        until = time.monotonic() + seconds
        while self._held.all() and time.monotonic() < until and not hurried():
            self._stopping.wait(DRAIN_LOOK)

    def stop(self) -> None:
        """Stop claiming and kill what runs, without waiting; it is handed back while `close` waits."""
        self.claim_no_more()
        self._stopping.set()
        self._feed.wake()
        for attempt in self._held.all():
            attempt.kill()

    def close(self) -> None:
        """Stop, and wait until what ran is handed back."""
        self.stop()
        for thread in self._threads_running:
            if thread.ident is not None:  # closed before it was started, or while it was
                thread.join()
        self._feed.close()

    # What wakes the worker

    def _dispatch(self) -> None:
        look_at = 0.0
        while not self._stopping.is_set():
            try:
                for recorded in self._feed.poll(max(0.0, min(TICK, look_at - time.monotonic()))):
                    self._take(recorded)
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + TICK
                    self._look()
                self._away = False
            except Unavailable as error:
                self._tell_away(error)
                self._stopping.wait(TICK)
            except Exception:
                logger.exception("the worker could not look for work; it looks again")
                self._stopping.wait(TICK)

    def _take(self, recorded: Recorded) -> None:
        if recorded.type != "JobCancelRequested":
            self._offers.name(recorded.stream)
        elif self._held.get(recorded.stream) is not None:
            self._look_at_own()  # it may speak of an earlier attempt

    def _look(self) -> None:
        """See to what runs here, and find what was lost elsewhere."""
        self._look_at_own()
        running = {Work(running.job_id, running.attempt) for running in self._queue.running(SEEN)}
        for work in self._leases.lapsed(running):
            if events := events_of(self._log, work.what):
                self._reports.lost(work, cause_of(events))

    def _look_at_own(self) -> None:
        for attempt in self._held.look():
            job = attempt.job
            if job.attempt < attempt.number:
                continue  # it is being claimed
            if job.attempt > attempt.number or job.status != "running":
                attempt.fenced = True
                attempt.kill_soon()
            elif job.cancel_requested:
                attempt.kill_soon()
            else:
                self._reports.progress(attempt)
                self._reports.trials(attempt)

    def _tell_away(self, error: Unavailable) -> None:
        if not self._away:
            logger.warning("the worker waits, and what it runs goes on: %s", error.detail)
        self._away = True

    # What a slot does

    def _slot(self) -> None:
        child: Child | None = None
        worked = False  # whoever trains will train again; until then a child keeps the memory of a rehearsal free
        while not self._draining.is_set():
            try:
                if child is None or not child.alive:
                    child = self._sandbox.fork()
                    if worked and not self._offers.any_named():
                        child.prepare(rehearse, self._runner.threads)
                if self._work_on_one(child):
                    child.kill()  # it lives where it was given nothing to do, as what the job needs is not there
                    child = None
                    worked = True
                    self._offers.worked()
            except Unavailable as error:
                if not self._stopping.is_set():
                    self._tell_away(error)
                    self._draining.wait(error.retry_after)
            except Exception:
                if child is not None:
                    child.kill()
                child = None
                if not self._stopping.is_set():
                    logger.exception("a slot of the worker failed; it begins anew")
                    self._draining.wait(TICK)
        if child is not None:
            child.kill()

    def _work_on_one(self, child: Child) -> bool:
        """Try what is offered until a job was claimed, and see it through; whether the child was used up."""
        return any(self._work(job_id, child) for job_id in self._offers.next())

    def _work(self, job_id: str, child: Child) -> bool:
        """Claim a job and see it through; whether the child was used up."""
        if self._draining.is_set():
            return False
        attempt = self._attempt(job_id, child)
        # Held before it is claimed: a cancel or a stop that follows the claim at once finds it.
        if attempt is None or not self._held.add(attempt):
            return False
        try:
            if not self._leases.take(attempt.work):
                return False
            try:
                folder = self._folder()
                try:
                    if self._draining.is_set() or not self._reports.claim(attempt):
                        return False
                    self._run(attempt, folder)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                self._leases.release(attempt.work)
        finally:
            self._held.drop(attempt)
        if attempt.lacking is not None:
            raise attempt.lacking
        return True

    def _folder(self) -> Path:
        """A folder for an attempt's files; raises `Unavailable` where there is no room, which others may have."""
        try:
            if shutil.disk_usage(self._scratch).free >= ROOM:
                return Path(tempfile.mkdtemp(prefix="job-", dir=self._scratch))
            why = f"less than {ROOM >> 20} MiB are free"
        except OSError as error:
            why = str(error.strerror)
        raise Unavailable(f"jobs are left to other workers, make room in {self._scratch}: {why}", ROOM_SECONDS)

    def _attempt(self, job_id: str, child: Child) -> Attempt | None:
        """The next attempt at a job, unless it does not wait."""
        try:
            events = events_of(self._log, job_id)
            job: JobState | None = replay(job_id, None, events)
        except Unavailable:
            raise
        except SkyulfError as error:  # one that this version cannot read; others can be trained
            logger.debug("%s cannot be tried: %s", job_id, error.detail)
            return None
        if job is None or job.status != "created":
            return None
        return Attempt(job_id, job.attempt + 1, child, job, events[-1].version, cause_of(events))

    def _run(self, attempt: Attempt, folder: Path) -> None:
        told = attempt.cause.metadata
        about = {"job": attempt.job_id, "attempt": attempt.number, "traceparent": told.traceparent}
        with logs.within(correlation_id=told.correlation_id, **about):
            begun = time.monotonic()
            logger.info("an attempt has begun")
            try:
                self._run_in(folder, attempt)
            finally:
                fields = {"ms": round((time.monotonic() - begun) * 1000, 3)}
                logger.info("the attempt has ended", extra={"fields": fields})

    def _run_in(self, folder: Path, attempt: Attempt) -> None:
        report = self._runner.run(attempt, folder, lambda progress: self._reports.heard(attempt, progress))
        if report is not None:
            self._reports.last_trials(attempt)
            self._reports.result(report, attempt.cause)
