"""What a batch of appends asks of the log, judged one after the other as far as the streams' versions are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from eventsourcing.persistence import StoredEvent

from skyulf.adapters.postgres_recorder import CommandKey, Guards
from skyulf.adapters.stored import data_of, state_of
from skyulf.errors import WrongVersion
from skyulf.events.base import Recorded
from skyulf.events.log import Append, CommandRecorded, Unfounded, unfounded

Command = tuple[str, str]
"""(actor, command id)."""


class Prepared(msgspec.Struct, frozen=True):
    """An append whose events have their ids and versions, but for their positions, and are encoded."""

    append: Append
    events: tuple[Recorded, ...]
    stored: tuple[StoredEvent, ...]

    @property
    def command(self) -> Command:
        """Who sent it, under which id."""
        metadata = self.append.metadata
        return metadata.actor.id, metadata.command_id

    def at(self, positions: Sequence[int]) -> tuple[Recorded, ...]:
        """Its events as they were recorded."""
        return tuple(
            Recorded(position, e.stream, e.version, e.id, e.type, e.schema, e.metadata, e.ordinal, e.data)
            for e, position in zip(self.events, positions, strict=True)
        )


def prepared(append: Append, new_id: Callable[[], str]) -> Prepared:
    """Number and encode what an append writes."""
    metadata = append.metadata
    versions = {write.stream: write.expected_version for write in append.writes}
    events: list[Recorded] = []
    stored: list[StoredEvent] = []
    for write in append.writes:
        for event in write.events:
            versions[write.stream] = version = versions[write.stream] + 1
            event_id, data, ordinal, name = new_id(), data_of(event), len(events), type(event).__name__
            events.append(Recorded(0, write.stream, version, event_id, name, event.SCHEMA, metadata, ordinal, data))
            state = state_of(event_id, ordinal, metadata, data)
            stored.append(StoredEvent(write.stream, version, event.stored_name(), state))
    return Prepared(append, tuple(events), tuple(stored))


@dataclass(slots=True)
class Facts:
    """What the database has said of streams and commands: where they are, whether they are recorded.

    Of others, what an append expects is taken for true.
    """

    versions: dict[str, int] = field(default_factory=dict)
    recorded: dict[Command, bool] = field(default_factory=dict)


class Plan:
    """Those appends of a batch that can be written together, each judged after those before it."""

    def __init__(self, facts: Facts, refused: Sequence[bool] = ()) -> None:
        """``refused`` tells of those of the same call that were judged and written before this plan."""
        self.accepted: list[Prepared] = []
        self._refused = list(refused)
        self._facts = facts
        self._first: dict[str, int] = {}
        self._now: dict[str, int] = {}
        self._written: set[str] = set()
        self._commands: dict[Command, None] = {}
        self._writing: set[Command] = set()

    def judge(self, candidate: Prepared) -> WrongVersion | CommandRecorded | Unfounded | None:
        """Take an append into the plan, or say why not.

        What the verdict rests on is asked of the database, whatever the verdict is.
        """
        verdict = unfounded(candidate.append, self._refused.__getitem__) or self._judged(candidate)
        self._refused.append(verdict is not None)
        return verdict

    def _judged(self, candidate: Prepared) -> WrongVersion | CommandRecorded | None:
        command = candidate.command
        if self._facts.recorded.get(command) or command in self._writing:
            return CommandRecorded(command[1])
        self._commands[command] = None
        writes = candidate.append.writes
        for write in writes:
            actual = self._now.get(write.stream, self._facts.versions.get(write.stream, write.expected_version))
            if actual != write.expected_version:
                return WrongVersion(write.stream, write.expected_version, actual)
            self._first.setdefault(write.stream, actual)
            self._now.setdefault(write.stream, actual)
        for event in candidate.events:
            self._now[event.stream] = event.version
            self._written.add(event.stream)
        if candidate.events:
            self._writing.add(command)
        self.accepted.append(candidate)
        return None

    @property
    def settled(self) -> bool:
        """Whether nothing is left to be written or asked."""
        asked = (
            self._first.keys() <= self._facts.versions.keys() and self._commands.keys() <= self._facts.recorded.keys()
        )
        return asked and not self.accepted

    def guards(self) -> Guards:
        """What must hold in the database for the plan to be written."""
        streams = list(self._first)
        return Guards(
            streams,
            list(self._first.values()),
            [stream in self._written for stream in streams],
            list(self._commands),
        )

    def events(self) -> list[StoredEvent]:
        """What is written, in order."""
        return [event for accepted in self.accepted for event in accepted.stored]

    def keys(self) -> list[CommandKey]:
        """The command of each event."""
        return [(*accepted.command, event.ordinal) for accepted in self.accepted for event in accepted.events]

    def learn(self, versions: Sequence[int] | None, recorded: Sequence[int] | None) -> None:
        """Take in why the database refused the plan."""
        self._facts.versions.update(zip(self._first, versions or (), strict=bool(versions)))
        there = set(recorded or ())
        self._facts.recorded.update({command: n in there for n, command in enumerate(self._commands, start=1)})
