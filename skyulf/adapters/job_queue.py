"""The queue of jobs, read from the read models: a hint, since only a claim decides."""

from skyulf.errors import Unavailable
from skyulf.queries.job import JobRepository
from skyulf.reactions.training import Running


class RowsJobQueue:
    """`JobQueue` over the rows of jobs."""

    def __init__(self, jobs: JobRepository) -> None:
        self._jobs = jobs

    def waiting(self, limit: int) -> tuple[str, ...]:
        """See `JobQueue.waiting`."""
        try:
            return tuple(job.id for job in self._jobs.find_by_status("created", limit))
        except Unavailable:
            return ()

    def running(self, limit: int) -> tuple[Running, ...]:
        """See `JobQueue.running`."""
        try:
            return tuple(Running(job.id, job.attempt) for job in self._jobs.find_by_status("running", limit))
        except Unavailable:
            return ()
