"""What can happen to a projection that does not follow from other events, and the state that follows from it."""

from dataclasses import dataclass, replace

from skyulf.events.base import DomainEvent


class ParkedEventPurged(DomainEvent):
    """Somebody decided that a projection goes on without an event that it could not fold.

    ``position`` is the event's; ``key`` is what it was parked under. It stays in the log, and other projections fold
    it: every build of this one leaves it out, those to come too.
    """

    projection: str
    key: str
    position: int


ProjectionEvent = ParkedEventPurged


@dataclass(frozen=True, slots=True)
class ProjectionState:
    """What commands need to know of a projection: the positions of the events that it goes without."""

    purged: frozenset[int] = frozenset()


def evolve(state: ProjectionState | None, event: ProjectionEvent) -> ProjectionState:
    """The state after ``event``."""
    state = state or ProjectionState()
    return replace(state, purged=state.purged | {event.position})
