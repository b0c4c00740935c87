"""``given(what has happened).when(a command).then(what follows)``."""

from collections.abc import Mapping, Sequence
from functools import reduce

import pytest

from skyulf.commands import COMMANDS
from skyulf.commands.base import Command, Decided, Streams
from skyulf.errors import SkyulfError
from skyulf.events.base import DomainEvent, noun_of
from skyulf.events.registry import EVOLVE

History = Mapping[str, Sequence[DomainEvent]]


class Case:
    """A command, and the streams as it finds them."""

    def __init__(self, history: History, command: Command) -> None:
        self.history = history
        self.command = command

    def decided(self) -> Decided:
        """The events that are decided; each of their streams must be one that the command reads, hence guards."""
        handler = COMMANDS[type(self.command)]
        reads = handler.reads(self.command)
        decided = handler.decide(self.command, Streams({stream: self.state(stream) for stream in reads}))
        assert {stream for stream, _ in decided} <= set(reads)
        return decided

    def state(self, stream: str) -> object:
        return reduce(EVOLVE[noun_of(stream)], self.history.get(stream, ()), None) if stream else None

    def then(self, *expected: DomainEvent | tuple[str, DomainEvent]) -> None:
        """See that these events follow, in this order; without a stream they are the command's own."""
        wanted = [event if isinstance(event, tuple) else (self.command.id, event) for event in expected]
        assert list(self.decided()) == wanted

    def refused(self, error: type[SkyulfError], said: str) -> SkyulfError:
        """See that the command is refused, in words that hold ``said``."""
        with pytest.raises(error, match=said) as caught:
            self.decided()
        assert type(caught.value) is error
        return caught.value


class Given:
    def __init__(self, history: History) -> None:
        self.history = history

    def when(self, command: Command) -> Case:
        return Case(self.history, command)


def given(history: History | None = None) -> Given:
    return Given(history or {})
