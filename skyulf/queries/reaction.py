"""What wakes each reaction and could not be read."""

import re
from dataclasses import dataclass

from skyulf.errors import NotFound
from skyulf.events.log import EventLog
from skyulf.events.registry import Undecodable, decode
from skyulf.projections.store import ParkedMessage, ReadStore

TRAINING = "training"

REACTIONS = (TRAINING,)
"""The reactions that are woken by a feed, which any program may write to where that is a topic of Kafka."""


IN_THE_LOG = re.compile(r"position ([0-9]{1,18}) of the log$")
"""How the place of a message ends that is an event of the log."""


@dataclass(frozen=True, slots=True)
class ReactionStatus:
    """A reaction, and what was meant to wake it and was passed over."""

    name: str
    parked: tuple[ParkedMessage, ...]


class ReactionRepository:
    """The reactions, by name; the same in every process that shares the read models."""

    def __init__(self, log: EventLog, store: ReadStore) -> None:
        self._log = log
        self._store = store

    def all(self) -> tuple[ReactionStatus, ...]:
        """Every reaction's status."""
        return tuple(self.get(name) for name in REACTIONS)

    def get(self, name: str) -> ReactionStatus:
        """The status of the reaction of that name; raises `NotFound`."""
        return ReactionStatus(known(name), self._store.parked_messages(name))

    def retry(self, name: str) -> int:
        """Forget those messages that are events of the log and can be read by now; how many. Raises `NotFound`.

        What they told of is found without them: nothing is done anew.
        """
        parked = self._store.parked_messages(known(name))
        readable = [each.place for each in parked if self._can_be_read(position_in(each.place))]
        return self._store.forget_messages(name, readable) if readable else 0

    def forget(self, name: str, place: str | None = None) -> int:
        """Forget what a reaction's feed has parked, all or at one place, once somebody has seen to it; how much.

        Raises `NotFound`, also where nothing is parked at the place.
        """
        forgotten = self._store.forget_messages(known(name), None if place is None else [place])
        if place is not None and not forgotten:
            raise NotFound(f"{name} has parked nothing at {place}")
        return forgotten

    def _can_be_read(self, position: int | None) -> bool:
        if position is None:
            return False
        try:
            found = self._log.read(position - 1, 1, until=position).events
            return bool(found) and decode(found[0]) is not None
        except Undecodable:
            return False


def position_in(place: str) -> int | None:
    """The position of the event that a parked message is, or None where it is none of the log's."""
    found = IN_THE_LOG.search(place)
    return int(found[1]) if found else None


def known(name: str) -> str:
    """The name, which is that of a reaction; raises `NotFound`."""
    if name not in REACTIONS:
        raise NotFound(f"there is no reaction {name}; there is {', '.join(REACTIONS)}")
    return name
