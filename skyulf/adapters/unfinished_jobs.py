"""Models that are not finished, read from the read models: a hint, since only commands decide."""

from skyulf.errors import Unavailable
from skyulf.queries.base import PageRequest
from skyulf.queries.job import JobRepository


class RowsUnfinishedJobs:
    """`UnfinishedJobs` over the rows of jobs."""

    def __init__(self, jobs: JobRepository) -> None:
        self._jobs = jobs

    def quiet(self) -> bool:
        """See `UnfinishedJobs.quiet`."""
        try:
            return not (self._jobs.find_by_status("created", 1) or self._jobs.find_by_status("running", 1))
        except Unavailable:
            return False

    def newest(self, limit: int) -> tuple[str, ...]:
        """See `UnfinishedJobs.newest`."""
        try:
            page = self._jobs.page(PageRequest(limit=limit, order="-created_at"), {"unfinished": 1})
            return tuple(job.id for job in page.items)
        except Unavailable:
            return ()
