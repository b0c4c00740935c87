"""A page of events folded into the rows of one build; what cannot be folded is parked, with all behind it."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from skyulf.errors import SkyulfError
from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.registry import decode
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import BuildBatch, Change, Parked

logger = logging.getLogger(__name__)


def read(recorded: Recorded) -> DomainEvent | Exception:
    """The event, or why it cannot be decoded; once for all the projections that fold it.

    No fold looks into a document, such as a spec: they come as text, and stand in the rows as that.
    """
    try:
        return decode(recorded, passing=True)
    except Exception as error:  # noqa: BLE001 - whatever a stored event holds, the others go on
        return error


def fold_page(
    projection: Projection[Any],
    batch: BuildBatch,
    events: Sequence[tuple[Recorded, DomainEvent | Exception]],
    purged: Mapping[int, str],
) -> None:
    """Fold a page of events into the rows that it touches, and park what cannot be folded, with all behind it.

    What is ``purged``, by position and key, is left out, and noted.
    """
    if purged and (skipped := {r.position: purged[r.position] for r, _ in events if r.position in purged}):
        logger.warning("%s: %d purged events left out, at %s", projection.name, len(skipped), sorted(skipped))
        batch.skip(skipped)
        events = [each for each in events if each[0].position not in skipped]
    if not events:
        return
    waiting = {parked.key for parked in batch.parked()}
    touched = [(recorded, *located(projection, recorded, event)) for recorded, event in events]
    rows: dict[str, Row | None] = dict(batch.rows(list({key for _, _, key in touched})))
    changed: set[str] = set()
    changes: list[Change] = []
    parked: list[Parked] = []
    fold = projection.fold
    for recorded, event, key in touched:
        behind = None
        if waiting:
            behind = key if key in waiting else recorded.stream if recorded.stream in waiting else None
        if behind is not None:
            parked.append(Parked(recorded.position, behind, recorded.stream, None, 0))
            continue
        try:
            if isinstance(event, Exception):
                raise event
            rows[key] = row = fold(rows.get(key), event, recorded)
            changed.add(key)
            if projection.history:
                changes.append(Change(key, recorded.position, row))
        except Exception as error:  # noqa: BLE001 - a fold may fail in any way; its key waits, the others go on
            waiting.add(key)
            parked.append(Parked(recorded.position, key, recorded.stream, describe(error), 1))
    if parked:
        logger.error("%s: %d events parked, the first at position %d", projection.name, len(parked), parked[0].position)
        batch.park(parked)
    batch.save({key: rows[key] for key in changed}, changes)


def located(
    projection: Projection[Any], recorded: Recorded, event: DomainEvent | Exception
) -> tuple[DomainEvent | Exception, str]:
    """The event and its key; of one that has none, why not, and its stream, which is all that is known."""
    if isinstance(event, Exception):
        return event, recorded.stream
    try:
        return event, projection.key(recorded, event)
    except Exception as error:  # noqa: BLE001 - whatever a stored event holds, the others go on
        return error, recorded.stream


def describe(error: Exception) -> str:
    """What went wrong, without data values: the text of an error of ours, and of others only the kind."""
    return error.detail if isinstance(error, SkyulfError) else type(error).__name__
