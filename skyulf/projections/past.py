"""What lists of the past are answered from: for each projection its rows as they were, and when positions were."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.registry import EVENTS
from skyulf.projections.base import Projection, Row

R = TypeVar("R", bound=Row)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

STRETCH = 128
"""Positions that one row of `MOMENTS` tells of: so many events are read to find a moment, and one row kept."""


def history_of(projection: Projection[R]) -> Projection[R]:
    """The same fold, whose rows are kept with the positions from and to which they held.

    Its version is the projection's: rows of another shape are kept anew.
    """
    return replace(projection, name=f"{projection.name}_history", apart=True, history=True, history_of=projection.name)


class MomentRow(Row, frozen=True, kw_only=True):
    """A stretch of the log that begins with the position ``first``, and the latest moment at which it was written.

    ``latest`` is in microseconds since 1970.
    """

    first: int
    latest: int


def microseconds(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def fold_moment(row: MomentRow | None, event: DomainEvent, recorded: Recorded) -> MomentRow:  # noqa: ARG001 - a fold's signature
    """The row of a stretch after one more of its events."""
    latest = microseconds(recorded.metadata.recorded_at)
    if row is None:
        return MomentRow(first=recorded.position, latest=latest)
    return row if row.latest >= latest else MomentRow(first=row.first, latest=latest)


MOMENTS = Projection(
    name="moments",
    version=len(EVENTS),  # a type that is new stood in the log unread, if it did
    row=MomentRow,
    folds=tuple(EVENTS.values()),
    key=lambda recorded, _: f"{recorded.position // STRETCH:018d}",
    fold=fold_moment,
    columns={"first": "position", "latest": "integer"},
    indexes=(("first", "latest"),),  # looked through in order of the first, by what the index alone tells
    apart=True,
)
