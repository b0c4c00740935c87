"""What projections could not take: which events wait, why, and behind which; and what was purged of them."""

from dataclasses import dataclass
from datetime import datetime

from skyulf.errors import NotAllowed, NotFound, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.log import EventLog
from skyulf.events.projection import ParkedEventPurged
from skyulf.events.registry import decode
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import NotBuilt, Parked, ReadStore


def stream_of(projection: str) -> str:
    """The stream of what somebody decided about a projection."""
    return f"projection-{projection}"


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """A parked event as it stands in the log, how many wait behind it, and for which earlier one it waits itself."""

    parked: Parked
    recorded: Recorded
    behind_it: int
    waits_for: int | None


@dataclass(frozen=True, slots=True)
class Purged:
    """An event that a projection goes without, who decided that, when and why.

    ``left_out`` says whether the rows that are read now are without it; it is False while they are made anew.
    """

    position: int
    key: str
    left_out: bool
    purged_at: datetime
    actor: str
    reason: str | None
    purge_position: int


class ParkingRepository:
    """Parked and purged events by projection, which exists."""

    def __init__(self, log: EventLog, store: ReadStore) -> None:
        self._log = log
        self._store = store

    def page(self, projection: Projection[Row], limit: int, after: int = 0) -> tuple[tuple[Parked, ...], int | None]:
        """Parked events in the order of positions, above one; and where to go on, or None at the end."""
        found = [parked for parked in self._parked(projection) if parked.position > after]
        page = tuple(found[:limit])
        return page, page[-1].position if len(found) > limit else None

    def get(self, projection: Projection[Row], position: int) -> ParkedEvent:
        """The parked event at a position; raises `NotFound`."""
        parked = self._parked(projection)
        its = next((each for each in parked if each.position == position), None)
        if its is None:
            raise NotFound(f"nothing is parked at position {position} in {projection.name}")
        same = [each.position for each in parked if each.key == its.key]
        (recorded,) = self._log.read(position - 1, 1, until=position).events
        behind = sum(1 for each in same if each > position)
        return ParkedEvent(its, recorded, behind, same[0] if same[0] < position else None)

    def purgeable(self, projection: Projection[Row], position: int) -> Parked:
        """The event at a position, which failed; raises `NotFound`, and `NotAllowed` where it waits for another."""
        found = self.get(projection, position)
        if found.waits_for is not None:
            raise NotAllowed(
                f"the event at position {position} has not failed: it waits behind the one at {found.waits_for}"
            )
        return found.parked

    def purged(self, projection: Projection[Row]) -> tuple[Purged, ...]:
        """Every event that the projection goes without, in the order in which that was decided."""
        stream = stream_of(projection.purged_with)
        try:
            left_out = frozenset(self._store.skipped(projection))
        except NotBuilt:
            left_out = frozenset()
        return tuple(
            Purged(
                position=event.position,
                key=event.key,
                left_out=event.position in left_out,
                purged_at=recorded.metadata.recorded_at,
                actor=recorded.metadata.actor.id,
                reason=recorded.metadata.reason,
                purge_position=recorded.position,
            )
            for recorded in self._log.load({stream: 0})[stream]
            if isinstance(event := decode(recorded), ParkedEventPurged)
        )

    def _parked(self, projection: Projection[Row]) -> tuple[Parked, ...]:
        try:
            return self._store.parked(projection)
        except NotBuilt as error:
            raise Unavailable(error.detail) from error
