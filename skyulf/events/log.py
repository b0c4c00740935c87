"""The EventLog port: the one place where anything is ever written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from skyulf.errors import SkyulfError, WrongVersion
from skyulf.events.base import DomainEvent, Metadata, Recorded
from skyulf.events.examination import Examined


class Write(msgspec.Struct, frozen=True):
    """Events for one stream, which must be at ``expected_version``; without events it is only guarded."""

    stream: str
    expected_version: int
    events: tuple[DomainEvent, ...] = ()


class Append(msgspec.Struct, frozen=True):
    """What one command writes, atomically over its streams.

    ``rests_on`` are the numbers (from 0) of those before it in the same call that it was decided on. Versions do not
    tell that these were written: what somebody else wrote in their place may have the same.
    """

    writes: tuple[Write, ...]
    metadata: Metadata
    rests_on: tuple[int, ...] = ()


class CommandRecorded(SkyulfError):
    """The caller's command id stands in the log already; `EventLog.command` finds what it wrote."""


class Unfounded(SkyulfError):
    """An append that this one rests on was refused."""


AppendResult = tuple[Recorded, ...] | WrongVersion | CommandRecorded | Unfounded


def unfounded(append: Append, refused: Callable[[int], bool]) -> Unfounded | None:
    """Why an append is refused before its versions are looked at: what it rests on was, as ``refused`` tells."""
    for number in append.rests_on:
        if refused(number):
            return Unfounded(f"number {number} of the same call was refused, and this rests on it")
    return None


@dataclass(frozen=True, slots=True)
class Page:
    """Part of the log: the events that were asked for, all of them up to and including ``position``.

    ``position`` is how far the reader has got, matching events or not; the next page is read after it.
    """

    events: tuple[Recorded, ...]
    position: int


class EventLog(Protocol):
    """An append-only sequence of events, in streams, that is read in one order by everyone.

    Reading after a position returns every event above it that will ever be visible at or below the page's
    position, whoever writes and whoever crashes: nothing appears later behind a reader.
    """

    def append(self, appends: Sequence[Append]) -> list[AppendResult]:
        """Write each of ``appends`` or say why not, in one durable transaction; safe from any thread.

        Each is atomic, and judged after those before it. `WrongVersion` when a stream is not, too low or too
        high, where it was expected; `CommandRecorded` when (actor, command id) has been written before; `Unfounded`
        when one that it rests on was refused.
        Once this returns, what was written survives any crash.
        """
        ...

    def load(self, after: Mapping[str, int]) -> dict[str, tuple[Recorded, ...]]:
        """The events of each stream named, above the version given for it, in order of version."""
        ...

    def read(
        self,
        after: int,
        limit: int,
        types: Sequence[str] = (),
        stream: str | None = None,
        until: int | None = None,
    ) -> Page:
        """At most ``limit`` events in order of position, above ``after`` and not above ``until``.

        ``types`` are names of event types (any schema); a filtered read stops at the stable head.
        """
        ...

    def examine(self, after: int, limit: int, until: int | None = None) -> tuple[Examined, ...]:
        """What is stored above ``after``, in order of position, read without trust; nothing stops it but its end.

        What is not, to the byte, what the log writes is `Unreadable`. Positions begin at `examination.LOWEST`, since
        whoever tampers with a log may put something anywhere. It does not look whether what it reads is stable.
        """
        ...

    def command(self, actor: str, command_id: str) -> tuple[Recorded, ...]:
        """The events that the actor's command wrote, in order of ordinal; empty when there are none."""
        ...

    def head(self) -> int:
        """The stable head: at or below it nothing will ever appear any more. 0 when the log is empty."""
        ...

    def mark(self) -> object:
        """What stands for the log as it is: while this is one and the same object, nothing has been appended.

        Taken before a read, it tells later, at no cost and on any thread, whether what was read still holds. A log
        that other processes append to has a new mark each time.
        """
        ...

    def restore(self, records: Iterable[Recorded]) -> int:
        """Fill an empty log with ``records``, positions, ids, times and versions kept; how many there were.

        All or nothing. Raises `NotAllowed` when the log is not empty, and `Damaged` when positions do not rise
        or a stream's versions are not dense.
        """
        ...

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` soon after each append, from any thread; returns what ends the subscription.

        A wake-up may be lost or spurious: readers also look at intervals.
        """
        ...

    def close(self) -> None:
        """Release what the log holds; nothing is lost by not calling it."""
        ...
