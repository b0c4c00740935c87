"""What a projection is: rows, their keys, the columns they are looked up by, and a pure fold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import msgspec

from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.registry import stored_types


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what projections keep; stored as one JSON document beside its key and its indexed columns."""


R = TypeVar("R", bound=Row)

ColumnType = Literal["text", "integer", "boolean", "position"]
"""What a column holds; a ``position`` is that of an event which the row follows from, and no later one."""


@dataclass(frozen=True, slots=True)
class Projection(Generic[R]):
    """A fold from events to rows of one kind; it reads neither the clock nor the network nor another projection.

    What is a document in an event, a field of ``dict[str, Any]``, it passes on and does not look into: it may be text.

    ``version`` rises whenever the rows that follow from the same events change: a rebuild follows by itself.
    ``columns`` are attributes of the row that stand in columns of their own; ``indexes`` are what lists are
    filtered and ordered by, each ending in the order.

    Of one that is kept ``apart``, nobody waits for the rows who looks at the others: it has a thread of its own, which
    takes its turn after theirs. A ``history`` keeps its rows as they were at every position (`past.history_of`).
    """

    name: str
    version: int
    row: type[R]
    folds: tuple[type[DomainEvent], ...]
    key: Callable[[Recorded, Any], str]
    fold: Callable[[R | None, Any, Recorded], R | None]
    columns: Mapping[str, ColumnType]
    indexes: tuple[tuple[str, ...], ...]
    apart: bool = False
    history: bool = False
    history_of: str = ""
    """Of a history, the name of the projection whose rows it keeps."""
    types: tuple[str, ...] = field(init=False)
    """The types of stored events that are folded."""
    code: str = field(init=False)
    """Name and version, as ``jobs@2``: rows of one code are not those of another, which may run beside it."""

    def __post_init__(self) -> None:
        """Note what is asked for at every page."""
        object.__setattr__(self, "types", stored_types(*(event.__name__ for event in self.folds)))
        object.__setattr__(self, "code", f"{self.name}@{self.version}")

    @property
    def purged_with(self) -> str:
        """The name of the projection whose purges this one honours: its own, or that of which it is the history."""
        return self.history_of or self.name


def by_stream(recorded: Recorded, event: DomainEvent) -> str:  # noqa: ARG001 - the signature of a key
    """The key of rows that are one to a stream."""
    return recorded.stream
