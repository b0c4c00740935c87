"""Where checkpoints are published outside the database: the port, and several places at once."""

from collections.abc import Sequence
from typing import Protocol

from skyulf.errors import SkyulfError
from skyulf.events.checkpoints import parse_checkpoint, parse_note


class CheckpointSink(Protocol):
    """Where checkpoints are published outside the database; any method may raise `Unavailable`."""

    def publish(self, size: int, note: str) -> None:
        """Keep a checkpoint beside all earlier ones, and as the newest; durable when this returns."""
        ...

    def newest(self) -> str | None:
        """The checkpoint that was published last."""
        ...


class Everywhere:
    """`CheckpointSink` in several places, each of which gets all that can be brought there."""

    def __init__(self, sinks: Sequence[CheckpointSink]) -> None:
        self._sinks = sinks

    def publish(self, size: int, note: str) -> None:
        """See `CheckpointSink.publish`. Where one place fails the others have it, and the fault is raised then."""
        faults: list[SkyulfError] = []
        for sink in self._sinks:
            try:
                sink.publish(size, note)
            except SkyulfError as error:
                faults.append(error)
        if faults:
            raise faults[0]

    def newest(self) -> str | None:
        """The checkpoint of the most events that any place has; see `CheckpointSink.newest`."""
        found = [note for sink in self._sinks if (note := sink.newest()) is not None]
        return max(found, key=lambda note: parse_checkpoint(parse_note(note).text).size, default=None)
