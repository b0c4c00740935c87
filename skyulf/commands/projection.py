"""What may be asked of a projection that becomes part of the log."""

from typing import ClassVar

from skyulf.commands.base import Command, Decided, Handler, Streams, own_stream
from skyulf.events.projection import ParkedEventPurged, ProjectionState


class PurgeParkedEvent(Command):
    """Have a projection go on without an event that it could not fold; whoever asks has seen that it is parked."""

    NOT_SENT: ClassVar[frozenset[str]] = frozenset({"key"})

    projection: str
    key: str = ""
    position: int


def purge_parked_event(command: PurgeParkedEvent, streams: Streams) -> Decided:
    """Decide `PurgeParkedEvent`; what is purged stays so."""
    state: ProjectionState | None = streams.find(command.id)
    if state is not None and command.position in state.purged:
        return []
    event = ParkedEventPurged(projection=command.projection, key=command.key, position=command.position)
    return [(command.id, event)]


HANDLERS: dict[type[Command], Handler] = {PurgeParkedEvent: Handler(own_stream, purge_parked_event)}
