"""The attempts that a worker holds, and what the log says of them."""

import threading
from contextlib import suppress

from skyulf.events.log import EventLog
from skyulf.events.registry import Undecodable, replay
from skyulf.reactions.attempt import Attempt


class Held:
    """The attempts of one worker, by job; safe from any thread."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._attempts: dict[str, Attempt] = {}

    def add(self, attempt: Attempt) -> bool:
        """Hold an attempt from now on; False when this worker is at that job already."""
        with self._lock:
            return self._attempts.setdefault(attempt.job_id, attempt) is attempt

    def drop(self, attempt: Attempt) -> None:
        """Hold it no longer."""
        with self._lock:
            if self._attempts.get(attempt.job_id) is attempt:
                del self._attempts[attempt.job_id]

    def all(self) -> tuple[Attempt, ...]:
        """What is held now."""
        with self._lock:
            return tuple(self._attempts.values())

    def get(self, job_id: str) -> Attempt | None:
        """The attempt at that job, if this worker holds it."""
        with self._lock:
            return self._attempts.get(job_id)

    def look(self) -> tuple[Attempt, ...]:
        """What is held, each with its job as the log has it now; only one thread may look."""
        attempts = self.all()
        news = self._log.load({attempt.job_id: attempt.version for attempt in attempts}) if attempts else {}
        for attempt in attempts:
            if events := news[attempt.job_id]:
                # What only a newer version can read stops nothing: whoever reports is judged by the commands.
                with suppress(Undecodable):
                    attempt.job = replay(attempt.job_id, attempt.job, events)
                    attempt.version = events[-1].version
        return attempts
