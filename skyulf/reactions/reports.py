"""What a worker says, by commands: claims, how far it has got, what came of it, and that others were lost."""

import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

from skyulf.commands.answers import Answer
from skyulf.commands.base import Command, Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.job import ReclaimJob, ReportProgress, ReportTrials, StartJob
from skyulf.errors import NotAllowed, SkyulfError, Unavailable
from skyulf.events.base import Actor, Recorded
from skyulf.events.job import Trial
from skyulf.reactions.attempt import Attempt
from skyulf.reactions.leases import Work
from skyulf.reactions.patience import PATIENCE, patiently
from skyulf.reactions.trainer import Progress, Tried
from skyulf.reactions.trials import Report

SPACING = 1.0
"""Seconds between two reports of progress."""

LAST_TRIES = 5.0
"""Seconds that a worker which was asked to end gives its last results to be taken."""

logger = logging.getLogger(__name__)


class Reports:
    """Says things in a worker's name; once ``stopping`` is set nothing is waited for long."""

    def __init__(self, name: str, bus: CommandBus, stopping: threading.Event) -> None:
        self._actor = Actor(id=name, kind="worker")
        self._bus = bus
        self._stopping = stopping

    def claim(self, attempt: Attempt) -> bool:
        """Claim the attempt's job; False when another was faster. Raises `Unavailable`."""
        try:
            claim = StartJob(id=attempt.job_id, attempt=attempt.number, worker=self._actor.id)
            self._send(claim, attempt.cause).result()
        except NotAllowed as refusal:
            logger.debug("a claim came too late: %s", refusal.detail)
            return False
        return True

    def result(self, command: Command, cause: Recorded) -> None:
        """Send a result until it is taken or refused; while the log is away, for as long as one may wait for it."""
        try:
            patiently(lambda: self._send(command, cause).result(), self._stopping, hurried=LAST_TRIES)
        except NotAllowed as refusal:
            logger.info("a result was refused: %s", refusal.detail)
        except Unavailable:
            logger.error("the result of %s could not be recorded; it will be trained again", command.id)

    def lost(self, work: Work, cause: Recorded) -> None:
        """Nobody holds on an attempt that runs: its job is to wait again."""
        try:
            self._send(ReclaimJob(id=work.what, attempt=work.attempt, cause="worker_lost"), cause).result()
        except Unavailable:
            raise
        except SkyulfError as refusal:
            logger.debug("%s needs no reclaiming: %s", work.what, refusal.detail)

    def heard(self, attempt: Attempt, message: Progress | Tried) -> None:
        """Take note of what the child says, and report it unless that was done a moment ago."""
        if isinstance(message, Tried):
            attempt.trials.add(Trial.model_validate(message.trial), message.search)
            self.trials(attempt)
            return
        attempt.stage = message.stage
        attempt.unreported = message
        self.progress(attempt)

    def trials(self, attempt: Attempt) -> None:
        """Report trials that are over, unless that was done less than a second ago: then once it is one."""
        with suppress(Unavailable):  # the next look does it
            attempt.trials.tell(lambda report: self._send_trials(attempt, report), lambda: self.trials(attempt))

    def last_trials(self, attempt: Attempt) -> None:
        """Report what trials there still are, before what came of the attempt; its end refuses them afterwards."""
        until = time.monotonic() + PATIENCE
        while attempt.trials.wait(attempt.over) and time.monotonic() < until:
            self.trials(attempt)

    def _send_trials(self, attempt: Attempt, report: Report) -> Future[Answer]:
        trials, search = report
        command = ReportTrials(id=attempt.job_id, attempt=attempt.number, trials=trials, **search)
        sent = self._send(command, attempt.cause)
        sent.add_done_callback(lambda answer: _settle(attempt, answer))
        return sent

    def progress(self, attempt: Attempt) -> None:
        """Report how far the attempt has got, unless that was done a moment ago: then the next look does it.

        The stage that takes long is begun soon after the others, and must not be the one that nobody hears of.
        """
        with attempt.telling:
            progress = attempt.unreported
            if progress is None or time.monotonic() - attempt.reported < SPACING:
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

        with suppress(Unavailable):  # the next report will do
            self._send(command, attempt.cause).add_done_callback(lambda answer: _settle(attempt, answer))

    def _send(self, command: Command, cause: Recorded) -> Future[Answer]:
        return self._bus.send(command, Context.following(self._actor, cause))


def _settle(attempt: Attempt, answer: Future[Answer]) -> None:
    """End an attempt whose report was refused; this runs in the thread that commits commands."""
    if isinstance(answer.exception(), NotAllowed):
        attempt.fenced = True
        attempt.kill_soon()
