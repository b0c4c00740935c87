"""What may be asked about the drift of what a deployment serves: to tell of it, and to acknowledge it."""

from skyulf.commands.base import Command, Decided, Handler, Streams, own_stream
from skyulf.errors import NotAllowed
from skyulf.events.deployment import LEVELS, ColumnDrift, DriftAcknowledged, DriftFound, Target


class TellDrift(Command):
    """Say how far columns have moved, in ``rows`` rows that ``target`` predicted of late, from its training data."""

    target: Target
    rows: int
    columns: tuple[ColumnDrift, ...]


class AcknowledgeDrift(Command):
    """Say that the drift that was found has been seen to."""


def tell_drift(command: TellDrift, streams: Streams) -> Decided:
    """Decide `TellDrift`: what is as far as alerts are wanted from, and further than was told before, is told."""
    state = streams.deployment(command.id)
    if state.active != command.target or state.alert == "none":
        return []
    least = LEVELS.index(state.alert)
    moved = [column for column in command.columns if LEVELS.index(column.level) >= least]
    news = [one for one in moved if LEVELS.index(one.level) > LEVELS.index(state.drifted.get(one.name, "none"))]
    if not news:
        return []
    level = max((column.level for column in news), key=LEVELS.index)
    return [(command.id, DriftFound(target=command.target, rows=command.rows, level=level, columns=tuple(news)))]


def acknowledge_drift(command: AcknowledgeDrift, streams: Streams) -> Decided:
    """Decide `AcknowledgeDrift`; only what moves further, or another column, is told of again."""
    state = streams.deployment(command.id)
    if not state.drifted:
        raise NotAllowed(f"no drift was found in what {command.id.removeprefix('deployment-')} serves")
    return [(command.id, DriftAcknowledged())] if state.unseen else []


HANDLERS: dict[type[Command], Handler] = {
    TellDrift: Handler(own_stream, tell_drift),
    AcknowledgeDrift: Handler(own_stream, acknowledge_drift),
}
