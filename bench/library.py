"""The library's side of the benches of projections: an aggregate, its log, and a table of how far it has got."""

from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.projection import Projection


class Job(Aggregate):
    """A job that gets somewhere."""

    @event("Created")
    def __init__(self) -> None:
        self.fraction = 0.0

    @event("Progressed")
    def progress(self, fraction: float) -> None:
        """Get somewhere."""
        self.fraction = fraction


class JobLog(Application[UUID]):
    """The log that is followed."""


class Keeping:
    """What a tracking recorder lacks to keep rows: ``table`` makes them room, ``upsert`` takes a key and a fraction."""

    table: ClassVar[str]
    upsert: ClassVar[str]
    datastore: Any
    _insert_tracking: Any

    def keep(self, key: str, fraction: float, tracking: Tracking) -> None:
        """Write a row and the position in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(self.upsert, (key, fraction))
            self._insert_tracking(cursor, tracking)


class JobProgress(Projection[Any]):
    """Keeps a view of `Keeping` up with the log."""

    name = "progress"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Take one event."""
        self.view.keep(str(domain_event.originator_id), getattr(domain_event, "fraction", 0.0), tracking)


def jobs_events(count: int) -> Job:
    """A job with so many events that are not saved yet."""
    job = Job()
    for number in range(count - 1):
        job.progress(number / count)
    return job
