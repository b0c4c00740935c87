"""The projector: follows the log and keeps every projection's rows up with it; rebuilds; parks what cannot be folded.

Rows and checkpoint are written in one transaction, and the checkpoint is compared before it is set: every event is
folded into the rows exactly once, whatever crashes and however many projectors run.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from skyulf.errors import Invalid, NotFound, SkyulfError, Unavailable
from skyulf.events.base import DomainEvent, Recorded
from skyulf.events.log import EventLog
from skyulf.events.registry import decode
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import Build, BuildBatch, CheckpointMoved, Parked, ReadStore

PAGE = 2_000
"""Events read, folded and written at once."""

POLL = 0.5
"""Seconds after which the log is looked at even if no wake-up came."""

logger = logging.getLogger(__name__)


class Step(NamedTuple):
    """What one page did: how far it got, whether there was anything to read, and whether there may be more."""

    position: int
    moved: bool
    full: bool


class Projector:
    """Keeps ``projections`` up with the log, in threads of its own once started."""

    def __init__(self, log: EventLog, store: ReadStore, projections: Sequence[Projection[Any]]) -> None:
        self._log = log
        self._store = store
        self._projections = {projection.name: projection for projection in projections}
        self._advanced: list[Callable[[str, int], None]] = []
        self._wake = threading.Event()
        self._rebuild = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self.working = False
        """Whether this is the projector that works, of those that share the read models; the others stand by."""

    def start(self) -> None:
        """Prepare the builds, then follow the log until `close`."""
        self.prepare()
        self._unsubscribe = self._log.subscribe(self._wake.set)
        self._threads = [
            threading.Thread(target=self._follow, name="projector", daemon=True),
            threading.Thread(target=self._follow_rebuilds, name="rebuilds", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop following; what is under way is finished to the end of its page."""
        self._unsubscribe()
        self._stopping.set()
        self._wake.set()
        self._rebuild.set()
        for thread in self._threads:
            thread.join()
        self._store.resign()
        self.working = False

    def on_advance(self, call: Callable[[str, int], None]) -> None:
        """Call ``call(name, position)`` from the projector's threads whenever live rows have got to a position."""
        self._advanced.append(call)

    def prepare(self) -> None:
        """See that each projection has a live build, and begin one anew where the live one is not of this code.

        A build that is further than the log belongs to another log; it is made anew as well.
        """
        for projection in self._projections.values():
            builds = self._store.builds(projection.name)
            head = self._log.head()  # looked at last: another projector may be taking the builds further meanwhile
            for build in builds:
                of_this_code = build.version == projection.version
                if build.position > head or not (of_this_code or build.live):
                    self._store.drop_build(projection, build.number)
            if self._live(projection) is None:
                self.request_rebuild(projection.name)

    def request_rebuild(self, name: str) -> Build:
        """Begin a build of the projection beside the live one, or go on with the one that was begun."""
        projection = self.projection(name)
        for build in self._store.builds(name):
            if not build.live and build.version == projection.version:
                self._rebuild.set()
                return build
        build = self._store.create_build(projection)
        self._rebuild.set()
        return build

    def projection(self, name: str) -> Projection[Any]:
        """The projection of that name; raises `NotFound`."""
        try:
            return self._projections[name]
        except KeyError:
            names = ", ".join(self._projections)
            raise NotFound(f"there is no projection {name}; there are {names}") from None

    def catch_up(self) -> None:
        """Take every live build to the head of the log; those that are at the same place share what is read."""
        more = True
        while more and not self._stopping.is_set():
            at: dict[int, list[Build]] = defaultdict(list)
            for build in self._store.live():
                projection = self._projections.get(build.projection)
                if projection is not None and projection.version == build.version:
                    at[build.position].append(build)
            steps = [self._advance(group) for group in at.values()]
            more = any(step.full for step in steps)

    def rebuild(self, name: str) -> None:
        """Fill the build that was requested and put it in the live one's place; it can be stopped and resumed."""
        projection = self.projection(name)
        build = self.request_rebuild(name)
        while not build.live and not self._stopping.is_set():
            step = self._advance([build])
            build = replace(build, position=step.position)
            if not step.moved and self._store.promote(projection, build):
                self._tell(name, build.position)
                break

    def retry_parked(self, name: str, key: str) -> int:
        """Fold the parked events of a key again, in order; how many were released.

        Raises `NotFound` when nothing is parked under the key, and `Invalid` when the first fails again.
        """
        projection = self.projection(name)
        live = self._live(projection)
        assert live is not None
        with self._store.transaction() as transaction:
            batch = transaction.batch(projection, live.number)
            waiting = [parked for parked in batch.parked() if parked.key == key]
            if not waiting:
                raise NotFound(f"nothing is parked under {key} in {name}")
            released = self._release(projection, batch, waiting)
        if released == 0:
            raise Invalid(f"the event at position {waiting[0].position} still cannot be folded into {name}")
        return released

    def _release(self, projection: Projection[Any], batch: BuildBatch, waiting: Sequence[Parked]) -> int:
        released: list[int] = []
        rows: dict[str, Row | None] = {}
        for parked in waiting:
            page = self._log.read(parked.position - 1, 1, until=parked.position)
            try:
                recorded = page.events[0]
                event = decode(recorded)
                key = projection.key(recorded, event)
                if key not in rows:
                    rows[key] = batch.rows([key]).get(key)
                rows[key] = projection.fold(rows[key], event, recorded)
            except Exception as error:  # noqa: BLE001 - a fold may fail in any way; the event stays parked
                batch.park([replace(parked, error=describe(error), attempts=parked.attempts + 1)])
                break
            released.append(parked.position)
        batch.save(rows)
        batch.unpark(released)
        return len(released)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self._guarded(self._catch_up_if_leading)
            self._wake.wait(POLL)

    def _catch_up_if_leading(self) -> None:
        self.working = self._store.leads()
        if self.working:
            self.catch_up()

    def _follow_rebuilds(self) -> None:
        while not self._stopping.is_set():
            self._rebuild.clear()
            self._guarded(self._rebuild_if_leading)
            self._rebuild.wait(POLL * 4)

    def _rebuild_if_leading(self) -> None:
        if not self._store.leads():
            return
        for projection in self._projections.values():
            if any(not build.live for build in self._store.builds(projection.name)):
                self._guarded(lambda name=projection.name: self.rebuild(name))  # type: ignore[misc]

    @staticmethod
    def _guarded(work: Callable[[], object]) -> None:
        """Run ``work``; a fault is logged and met again at the next turn, since the thread must go on."""
        try:
            work()
        except CheckpointMoved:
            pass
        except Unavailable as error:
            logger.warning("%s; it is tried again", error.detail)
        except Exception:
            logger.exception("a projection could not be brought forward; it is tried again")

    def _live(self, projection: Projection[Any]) -> Build | None:
        builds = self._store.builds(projection.name)
        return next((build for build in builds if build.live and build.version == projection.version), None)

    def _advance(self, builds: Sequence[Build]) -> Step:
        """Fold one page into builds that are at the same place, in one transaction."""
        position = builds[0].position
        projections = [self._projections[build.projection] for build in builds]
        types = tuple(dict.fromkeys(name for projection in projections for name in projection.types))
        page = self._log.read(position, PAGE, types=types)
        if page.position <= position:
            return Step(position, moved=False, full=False)
        events = [(recorded, read(recorded)) for recorded in page.events]
        with self._store.transaction() as transaction:
            for projection, build in zip(projections, builds, strict=True):
                batch = transaction.batch(projection, build.number)
                if batch.position != position:
                    raise CheckpointMoved(f"{projection.name} is at {batch.position} already")
                folded = frozenset(projection.types)
                of_it = events if len(builds) == 1 else [each for each in events if each[0].type in folded]
                if of_it:
                    fold_page(projection, batch, of_it)
                batch.advance(page.position)
        for build in builds:
            if build.live:
                self._tell(build.projection, page.position)
        return Step(page.position, moved=True, full=len(page.events) == PAGE)

    def _tell(self, name: str, position: int) -> None:
        for call in self._advanced:
            call(name, position)


def read(recorded: Recorded) -> DomainEvent | Exception:
    """The event, or why it cannot be decoded; once for all the projections that fold it."""
    try:
        return decode(recorded)
    except Exception as error:  # noqa: BLE001 - whatever a stored event holds, the others go on
        return error


def fold_page(
    projection: Projection[Any], batch: BuildBatch, events: Sequence[tuple[Recorded, DomainEvent | Exception]]
) -> None:
    """Fold a page of events into the rows that it touches, and park what cannot be folded, with all behind it."""
    waiting = {parked.key for parked in batch.parked()}
    touched = [(recorded, *located(projection, recorded, event)) for recorded, event in events]
    rows: dict[str, Row | None] = dict(batch.rows(list({key for _, _, key in touched})))
    changed: set[str] = set()
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
            rows[key] = fold(rows.get(key), event, recorded)
            changed.add(key)
        except Exception as error:  # noqa: BLE001 - a fold may fail in any way; its key waits, the others go on
            waiting.add(key)
            parked.append(Parked(recorded.position, key, recorded.stream, describe(error), 1))
    if parked:
        logger.error("%s: %d events parked, the first at position %d", projection.name, len(parked), parked[0].position)
        batch.park(parked)
    batch.save({key: rows[key] for key in changed})


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
