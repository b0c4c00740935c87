"""The queue of jobs, read from the read models: a hint, since only a claim decides."""

from skyulf.adapters.system import new_chance
from skyulf.errors import Unavailable
from skyulf.queries.job import JobRepository
from skyulf.reactions.offers import Running


class RowsJobQueue:
    """`JobQueue` over the rows of jobs.

    Where other processes work on it too (``shared``), each tries the oldest jobs in an order of its own: if all began
    with the very oldest, one would get it, and the others would have asked in vain.
    """

    def __init__(self, jobs: JobRepository, shared: bool) -> None:
        self._jobs = jobs
        self._shared = shared
        self._chance = new_chance()

    def waiting(self, limit: int) -> tuple[str, ...]:
        """See `JobQueue.waiting`."""
        try:
            oldest = [job.id for job in self._jobs.find_by_status("created", limit)]
        except Unavailable:
            return ()
        if self._shared:
            self._chance.shuffle(oldest)
        return tuple(oldest)

    def running(self, limit: int) -> tuple[Running, ...]:
        """See `JobQueue.running`."""
        try:
            return tuple(Running(job.id, job.attempt) for job in self._jobs.find_by_status("running", limit))
        except Unavailable:
            return ()
