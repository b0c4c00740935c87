"""The ReadStore port: where rows, checkpoints and parked events are kept."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from skyulf.errors import SkyulfError
from skyulf.projections.base import Projection, Row

R = TypeVar("R", bound=Row)
T = TypeVar("T")

Plain = str | int | bool
"""What an indexed column holds, and what lists are filtered by."""


class CheckpointMoved(SkyulfError):
    """Another projector has taken the projection further meanwhile; nothing was written."""


class NotBuilt(SkyulfError):
    """The projection has no live build that this code can read yet."""


@dataclass(frozen=True, slots=True)
class Build:
    """One set of a projection's rows: its number, the version of the fold that makes it, how far it has got.

    The live one is read; another is being filled beside it, and takes its place once it has caught up, unless it is
    ``held`` where it is. Code reads builds of its own version alone: where two versions of it run beside each other,
    each has a live one.
    """

    projection: str
    number: int
    version: int
    position: int
    live: bool
    held: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that waits: the first of its key could not be folded (``error``), the others stand behind it."""

    position: int
    key: str
    stream: str
    error: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """Something that wakes a reaction, which this version cannot read: in which feed, where, why not, since when.

    It was passed over: nothing waits behind it, and what it told of is found without it.
    """

    feed: str
    place: str
    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a list are wanted: equal to ``filters``, in order of a column and then the key.

    ``after`` is the (column value, key) of the last row that was seen; ``above`` is a column, and a number that it must
    be above.
    """

    order: str
    filters: Mapping[str, Plain]
    descending: bool = False
    limit: int = 100
    after: tuple[Plain, str] | None = None
    above: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Rows with their keys, all of one moment: the live build of ``version`` had got to ``position``."""

    rows: tuple[tuple[str, T], ...]
    position: int
    version: int


class Change(NamedTuple):
    """A row as an event left it, from the event's position on; None where there is none any more."""

    key: str
    position: int
    row: Row | None


class BuildBatch(Protocol):
    """One build within a transaction: what it reads stays true until that ends."""

    @property
    def position(self) -> int:
        """The build's checkpoint."""
        ...

    def rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """The rows there are for ``keys``; of a history, those that hold."""
        ...

    def parked(self) -> tuple[Parked, ...]:
        """Every parked event of the build, in order of position."""
        ...

    def save(self, rows: Mapping[str, Row | None], changes: Sequence[Change] = ()) -> None:
        """Write or, where there is None, delete rows.

        A history keeps the ``changes`` that led to them, each key's in order of position, its row having been read.
        """
        ...

    def park(self, events: Iterable[Parked]) -> None:
        """Keep parked events, in place of what was kept for the same positions."""
        ...

    def unpark(self, positions: Iterable[int]) -> None:
        """Forget parked events."""
        ...

    def skip(self, events: Mapping[int, str]) -> None:
        """Note events that the build leaves out for good, by position, each with its key."""
        ...

    def skipped(self) -> frozenset[int]:
        """The positions of the events that the build leaves out."""
        ...

    def advance(self, position: int) -> None:
        """Move the checkpoint; the transaction ends in `CheckpointMoved` when it is no longer where it was."""
        ...


class ReadTransaction(Protocol):
    """Changes to builds, which are kept or lost as one."""

    def batch(self, projection: Projection[Any], number: int) -> BuildBatch:
        """The build of that number; raises `CheckpointMoved` when it is gone."""
        ...


class ReadStore(Protocol):
    """Rows of projections in builds of versioned tables, and one pointer for each projection to its live build."""

    def builds(self, projection: str) -> tuple[Build, ...]:
        """Every build of the projection, by number."""
        ...

    def create_build(self, projection: Projection[Any]) -> Build:
        """Make an empty build beside the others. It is live at once if there is none of any version yet."""
        ...

    def promote(self, projection: Projection[Any], build: Build) -> bool:
        """Make a build live and drop the others of its version, unless the live one is further; whether it is live.

        Raises `CheckpointMoved` when the build is gone.
        """
        ...

    def drop_build(self, projection: Projection[Any], number: int) -> None:
        """Give up a build; without a live one, nothing can be read until another is."""
        ...

    def hold(self, build: Build, *, held: bool) -> None:
        """Have a build filled no further for now, or let it be; what it holds stays."""
        ...

    def unfinished(self) -> tuple[Build, ...]:
        """Every build that is not live, of every projection, by name and number."""
        ...

    def live(self) -> tuple[Build, ...]:
        """The live build of every version of every projection that has one, by name and version."""
        ...

    def leads(self, projections: Sequence[Projection[Any]]) -> frozenset[str]:
        """The names of those that it is for this process to keep up; of all that share a database, it alone is told so.

        Of processes of the same code one gets them all, and the others stand by: one of them gets them within seconds
        once the first is gone. A process of other code is told those whose version is another, and the rest once
        nobody else has it. Two may believe it for a moment: what they write is compared with the checkpoint all the
        same.
        """
        ...

    def resign(self) -> None:
        """Let another process project, at once; this one may be told again that it is to."""
        ...

    def transaction(self, *, apart: bool = False) -> AbstractContextManager[ReadTransaction]:
        """Open a transaction on builds of projections that are kept ``apart``, or on others; kept if it ends well."""
        ...

    def position(self, projection: Projection[Any]) -> int:
        """The live build's checkpoint; raises `NotBuilt`."""
        ...

    def get(self, projection: Projection[R], keys: Sequence[str]) -> Found[R]:
        """The rows there are for ``keys``, in the order of ``keys``; raises `NotBuilt`."""
        ...

    def select(self, projection: Projection[Any], selection: Selection) -> Found[str]:
        """The rows of a list as their JSON texts, at most ``limit`` of them; raises `NotBuilt`."""
        ...

    def select_at(self, history: Projection[Any], selection: Selection, position: int) -> Found[str]:
        """The rows of a list as they were at a position, which the live build must have got to; raises `NotBuilt`."""
        ...

    def parked(self, projection: Projection[Any]) -> tuple[Parked, ...]:
        """The live build's parked events, in order of position; raises `NotBuilt`."""
        ...

    def skipped(self, projection: Projection[Any]) -> tuple[int, ...]:
        """The positions that the live build leaves out, since they were purged, in order; raises `NotBuilt`."""
        ...

    def count(self, projection: Projection[Any], filters: Mapping[str, Plain], most: int) -> int:
        """How many rows equal ``filters``; no more than ``most`` are counted. Raises `NotBuilt`."""
        ...

    def shares(self, projection: Projection[Any], column: str) -> dict[Plain, int]:
        """How many rows there are for each value of an indexed column; raises `NotBuilt`."""
        ...

    def park_messages(self, messages: Sequence[ParkedMessage], most: int) -> None:
        """Keep parked messages, of each feed the newest ``most``; what is kept for the same place stays as it is."""
        ...

    def parked_messages(self, feed: str) -> tuple[ParkedMessage, ...]:
        """The parked messages of a feed, the oldest first."""
        ...

    def forget_messages(self, feed: str, places: Sequence[str] | None = None) -> int:
        """Forget the parked messages of a feed, all or those at ``places``; how many there were."""
        ...

    def close(self) -> None:
        """Release what the store holds."""
        ...
