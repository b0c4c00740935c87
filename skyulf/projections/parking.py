"""What becomes of parked events: they are released in order, or purged, which every build of a projection honours.

A purge stands in the log, behind the event that it is about. Whoever builds rows leaves out what he knows to be purged
when he gets there; where he learns of it later, the event was parked, and is taken out. A build whose fold could take
the event holds what it should not: it is to be made anew.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.log import EventLog
from skyulf.events.projection import ParkedEventPurged
from skyulf.events.registry import decode
from skyulf.projections.base import Projection, Row
from skyulf.projections.folding import describe, fold_page, read
from skyulf.projections.store import BuildBatch, Change, Parked

PURGE = ParkedEventPurged.__name__

PAGE = 500
"""Events read at once of a stream that is released."""

logger = logging.getLogger(__name__)


class Purges:
    """What has been purged, as far as it is known: a key for each position, by projection. Safe from any thread."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._read_to = 0
        self._keys: dict[str, dict[int, str]] = defaultdict(dict)

    def refresh(self) -> None:
        """Take in what the log holds by now."""
        with self._lock:
            page = self._log.read(self._read_to, PAGE, types=(PURGE,))
            while True:
                for recorded in page.events:
                    if isinstance(event := read(recorded), ParkedEventPurged):
                        self._keys[event.projection][event.position] = event.key
                self._read_to = page.position
                if len(page.events) < PAGE:
                    return
                page = self._log.read(self._read_to, PAGE, types=(PURGE,))

    def add(self, event: ParkedEventPurged) -> None:
        """Take in a purge that was met on the way."""
        with self._lock:
            self._keys[event.projection][event.position] = event.key

    def of(self, projection: str) -> Mapping[int, str]:
        """The positions that a projection leaves out, each with the key that it was parked under."""
        with self._lock:
            return dict(self._keys.get(projection, ()))


def fold_with_purges(
    log: EventLog,
    projection: Projection[Any],
    batch: BuildBatch,
    events: Sequence[tuple[Recorded, DomainEvent | Exception]],
    purges: Purges,
) -> bool:
    """Fold a page of events and honour the purges among them; whether the build is to be made anew because of one."""
    spoiled, begin = False, 0
    for at, (recorded, event) in enumerate(events):
        if recorded.type != PURGE:
            continue
        fold_page(projection, batch, events[begin:at], purges.of(projection.purged_with))
        begin = at + 1
        if not isinstance(event, ParkedEventPurged):  # of newer code, which honours it when it builds the rows anew
            logger.error("%s: the purge at position %d cannot be read", projection.name, recorded.position)
            continue
        purges.add(event)
        if event.projection == projection.purged_with:
            spoiled |= not honour(log, projection, batch, event)
    fold_page(projection, batch, events[begin:], purges.of(projection.purged_with))
    return spoiled


def honour(log: EventLog, projection: Projection[Any], batch: BuildBatch, purge: ParkedEventPurged) -> bool:
    """Take a purged event out of a build, and release what waited behind it; False where the rows hold it already."""
    if purge.position in batch.skipped():
        return True
    parked = {each.position: each for each in batch.parked()}
    its = parked.get(purge.position)
    if its is None:
        found = log.read(purge.position - 1, 1, until=purge.position).events
        return not found or found[0].type not in projection.types
    batch.unpark([purge.position])
    batch.skip({purge.position: its.key})
    released = release(log, projection, batch, its.key)
    logger.warning(
        "%s: the event at position %d is purged; %d behind it are folded", projection.name, purge.position, released
    )
    return True


def release(log: EventLog, projection: Projection[Any], batch: BuildBatch, key: str) -> int:
    """Fold what is parked under a key, in order, up to the first that fails; how many were folded.

    What must wait behind another key after all, such as that of its stream, is parked under that.
    """
    parked = batch.parked()
    elsewhere: dict[str, int] = {}
    for each in parked:
        if each.key != key:
            elsewhere.setdefault(each.key, each.position)
    folded: list[int] = []
    rows: dict[str, Row | None] = {}
    changes: list[Change] = []
    for each, recorded in stored(log, [each for each in parked if each.key == key]):
        try:
            event = decode(recorded)
            its = projection.key(recorded, event)
            behind = next(
                (one for one in (its, each.stream) if elsewhere.get(one, each.position) < each.position), None
            )
            if behind is not None:
                batch.park([Parked(each.position, behind, each.stream, None, 0)])
                continue
            if its not in rows:
                rows[its] = batch.rows([its]).get(its)
            rows[its] = projection.fold(rows[its], event, recorded)
            changes.append(Change(its, recorded.position, rows[its]))
        except Exception as error:  # noqa: BLE001 - a fold may fail in any way; the event stays parked
            batch.park([replace(each, error=describe(error), attempts=each.attempts + 1)])
            break
        folded.append(each.position)
    batch.save(rows, changes)
    batch.unpark(folded)
    return len(folded)


def stored(log: EventLog, parked: Sequence[Parked]) -> Iterator[tuple[Parked, Recorded]]:
    """Parked events as they stand in the log, which is read in pages of their streams."""
    found: dict[int, Recorded] = {}
    for each in parked:
        if each.position not in found:
            page = log.read(each.position - 1, PAGE, stream=each.stream)
            found |= {recorded.position: recorded for recorded in page.events}
        yield each, found.pop(each.position)
