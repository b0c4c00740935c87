"""Models that are not finished, read from the read models: a hint, since only commands decide."""

from skyulf.errors import Invalid, Unavailable
from skyulf.queries.base import PageRequest
from skyulf.queries.job import JobRepository


class RowsUnfinishedJobs:
    """`UnfinishedJobs` over the rows of jobs."""

    def __init__(self, jobs: JobRepository) -> None:
        self._jobs = jobs

    def waiting(self) -> bool:
        """See `UnfinishedJobs.waiting`."""
        try:
            return bool(self._jobs.find_by_status("created", 1))
        except Unavailable:
            return True

    def page(self, limit: int, cursor: str | None) -> tuple[tuple[str, ...], str | None]:
        """See `UnfinishedJobs.page`."""
        try:
            page = self._jobs.page(PageRequest(limit=limit, cursor=cursor, order="-created_at"), {"unfinished": 1})
        except (Unavailable, Invalid):  # a cursor does not outlive a rebuild
            return (), None
        return tuple(job.id for job in page.items), page.next_cursor
