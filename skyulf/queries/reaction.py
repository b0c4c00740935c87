"""What wakes each reaction and could not be read."""

from dataclasses import dataclass

from skyulf.errors import NotFound
from skyulf.projections.store import ParkedMessage, ReadStore

TRAINING = "training"

REACTIONS = (TRAINING,)
"""The reactions that are woken by a feed, which any program may write to where that is a topic of Kafka."""


@dataclass(frozen=True, slots=True)
class ReactionStatus:
    """A reaction, and what was meant to wake it and was passed over."""

    name: str
    parked: tuple[ParkedMessage, ...]


class ReactionRepository:
    """The reactions, by name; the same in every process that shares the read models."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    def all(self) -> tuple[ReactionStatus, ...]:
        """Every reaction's status."""
        return tuple(self.get(name) for name in REACTIONS)

    def get(self, name: str) -> ReactionStatus:
        """The status of the reaction of that name; raises `NotFound`."""
        return ReactionStatus(known(name), self._store.parked_messages(name))

    def release(self, name: str) -> int:
        """Forget what a reaction's feed has parked, once somebody has seen to it; how much. Raises `NotFound`."""
        return self._store.forget_messages(known(name))


def known(name: str) -> str:
    """The name, which is that of a reaction; raises `NotFound`."""
    if name not in REACTIONS:
        raise NotFound(f"there is no reaction {name}; there is {', '.join(REACTIONS)}")
    return name
