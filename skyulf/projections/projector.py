"""The projector: follows the log and keeps every projection's rows up with it; rebuilds; parks what cannot be folded.

Rows and checkpoint are written in one transaction, and the checkpoint is compared before it is set: every event is
folded into the rows exactly once, whatever crashes and however many projectors run.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from skyulf.errors import Invalid, NotFound, Unavailable
from skyulf.events.log import EventLog
from skyulf.events.registry import decode
from skyulf.projections.ahead import Ahead
from skyulf.projections.base import Projection, Row
from skyulf.projections.builds import outlived
from skyulf.projections.folding import describe, fold_page
from skyulf.projections.store import Build, BuildBatch, Change, CheckpointMoved, Parked, ReadStore

PAGE = 2_000
"""Events read, folded and written at once."""

PAGE_APART = 500
"""The same where rows are kept apart: on SQLite those that are shown wait so long for the file at most."""

REST = 0.25
"""Seconds between two looks for what is kept apart: what came meanwhile is written at once, and costs less."""

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
        self._wake_apart = threading.Event()
        self._up = threading.Event()
        self._rebuild = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self._leading: frozenset[str] = frozenset()
        self._apart = frozenset(name for name, projection in self._projections.items() if projection.apart)
        self._prepared = False

    def start(self) -> None:
        """Prepare the builds, then follow the log until `close`; nobody waits here for what is kept apart."""
        self.prepare(apart=False)
        self._unsubscribe = self._log.subscribe(self._woken)
        self._threads = [
            threading.Thread(target=self._follow, name="projector", daemon=True),
            threading.Thread(target=self._follow_apart, name="histories", daemon=True),
            threading.Thread(target=self._follow_rebuilds, name="rebuilds", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop following; what is under way is finished to the end of its page."""
        self._unsubscribe()
        self._stopping.set()
        for event in (self._wake, self._wake_apart, self._up, self._rebuild):
            event.set()
        for thread in self._threads:
            thread.join()
        self._store.resign()
        self._leading = frozenset()

    @property
    def working(self) -> bool:
        """Whether this is a projector that works, of those that share the read models; the others stand by."""
        return bool(self._leading)

    def building(self) -> tuple[str, ...]:
        """The names of the projections that have no rows for this code yet: they are being built."""
        return tuple(name for name, projection in self._projections.items() if self._live(projection) is None)

    def on_advance(self, call: Callable[[str, int], None]) -> None:
        """Call ``call(code, position)`` from the projector's threads whenever live rows have got to a position.

        The code is `Projection.code`: rows of another version may be elsewhere.
        """
        self._advanced.append(call)

    def prepare(self, apart: bool | None = None) -> None:
        """See that each projection has a live build of this code, and begin one where there is none.

        Each of all, or of those that are kept ``apart``, or of the others. What has outlived its use goes.
        """
        for projection in self._projections.values():
            if apart is not None and projection.apart is not apart:
                continue
            for build in outlived(self._store, projection, self._log.head):
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

    def catch_up(self, names: Collection[str] | None = None) -> None:
        """Take live builds, of all or of those ``names``, to the head of the log; those at one place share a page."""
        with Ahead(self._log, PAGE) as ahead:
            while not self._stopping.is_set() and self._advance_all(ahead, names):
                pass

    def _advance_all(self, ahead: Ahead, names: Collection[str] | None) -> bool:
        """Take every live build a page further; whether there may be more."""
        at: dict[tuple[int, bool], list[Build]] = defaultdict(list)
        for build in self._store.live():
            projection = self._projections.get(build.projection)
            if projection is None or projection.version != build.version:
                continue
            if names is None or build.projection in names:
                at[build.position, projection.apart].append(build)
        steps = [self._advance(ahead, group) for group in at.values()]
        return any(step.full for step in steps)

    def rebuild(self, name: str) -> None:
        """Fill the build that was requested and put it in the live one's place; it can be stopped and resumed."""
        projection = self.projection(name)
        build = self.request_rebuild(name)
        with Ahead(self._log, PAGE_APART if projection.apart else PAGE) as ahead:
            while not build.live and not self._stopping.is_set():
                step = self._advance(ahead, [build])
                build = replace(build, position=step.position)
                if not step.moved and self._store.promote(projection, build):
                    self._tell(projection.code, build.position)
                    break

    def retry_parked(self, name: str, key: str) -> int:
        """Fold the parked events of a key again, in order; how many were released.

        Raises `NotFound` when nothing is parked under the key, and `Invalid` when the first fails again.
        """
        projection = self.projection(name)
        live = self._live(projection)
        assert live is not None
        with self._store.transaction(apart=projection.apart) as transaction:
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
        changes: list[Change] = []
        for parked in waiting:
            page = self._log.read(parked.position - 1, 1, until=parked.position)
            try:
                recorded = page.events[0]
                event = decode(recorded)
                key = projection.key(recorded, event)
                if key not in rows:
                    rows[key] = batch.rows([key]).get(key)
                rows[key] = projection.fold(rows[key], event, recorded)
                changes.append(Change(key, recorded.position, rows[key]))
            except Exception as error:  # noqa: BLE001 - a fold may fail in any way; the event stays parked
                batch.park([replace(parked, error=describe(error), attempts=parked.attempts + 1)])
                break
            released.append(parked.position)
        batch.save(rows, changes)
        batch.unpark(released)
        return len(released)

    def _woken(self) -> None:
        self._wake.set()
        self._wake_apart.set()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            self._up.clear()
            self._guarded(self._catch_up_if_leading)
            self._up.set()
            self._wake.wait(POLL)

    def _catch_up_if_leading(self) -> None:
        before, self._leading = self._leading, self._store.leads(tuple(self._projections.values()))
        if self._leading:
            self.catch_up(self._leading - self._apart)
        for name in self._leading - before - self._apart:
            self._guarded(lambda name=name: self._try_parked(name))  # type: ignore[misc]

    def _follow_apart(self) -> None:
        while not self._stopping.is_set():
            self._wake_apart.clear()
            self._guarded(self._catch_up_apart)
            self._wake_apart.wait(POLL)
            self._stopping.wait(REST)

    def _catch_up_apart(self) -> None:
        """Take what is kept apart to the head, a short page at a time while the others are up with the log."""
        self._up.wait()
        if not self._prepared:
            self.prepare(apart=True)
            for name in self._apart:
                self._try_parked(name)
            self._prepared = True
        names = self._leading & self._apart
        with Ahead(self._log, PAGE_APART) as ahead:
            while names and self._up.wait() and not self._stopping.is_set() and self._advance_all(ahead, names):
                pass

    def _try_parked(self, name: str) -> None:
        """Fold once more what older code may have parked: events in a schema that this one knows."""
        live = self._live(self._projections[name])
        if live is None:
            return
        for key in {parked.key for parked in self._store.parked(self._projections[name])}:
            with suppress(Invalid, NotFound):
                released = self.retry_parked(name, key)
                logger.warning("%s: %d events that were parked under %s are folded", name, released, key)

    def _follow_rebuilds(self) -> None:
        while not self._stopping.is_set():
            self._rebuild.clear()
            self._guarded(self._rebuild_if_leading)
            self._rebuild.wait(POLL * 4)

    def _rebuild_if_leading(self) -> None:
        leading = self._store.leads(tuple(self._projections.values()))
        for name in sorted(leading, key=lambda name: name in self._apart):  # what is shown now does not wait for others
            version = self._projections[name].version
            if any(not build.live and build.version == version for build in self._store.builds(name)):
                self._guarded(lambda name=name: self.rebuild(name))  # type: ignore[misc]

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

    def _advance(self, ahead: Ahead, builds: Sequence[Build]) -> Step:
        """Fold one page into builds that are at the same place, in one transaction."""
        position = builds[0].position
        projections = [self._projections[build.projection] for build in builds]
        types = tuple(dict.fromkeys(name for projection in projections for name in projection.types))
        page = ahead.page(position, types)
        if page.position <= position:
            return Step(position, moved=False, full=False)
        with self._store.transaction(apart=projections[0].apart) as transaction:
            for projection, build in zip(projections, builds, strict=True):
                batch = transaction.batch(projection, build.number)
                if batch.position != position:
                    raise CheckpointMoved(f"{projection.name} is at {batch.position} already")
                folded = frozenset(projection.types)
                of_it = page.events if len(builds) == 1 else [each for each in page.events if each[0].type in folded]
                if of_it:
                    fold_page(projection, batch, of_it)
                batch.advance(page.position)
        for projection, build in zip(projections, builds, strict=True):
            if build.live:
                self._tell(projection.code, page.position)
        return Step(page.position, moved=True, full=page.full)

    def _tell(self, code: str, position: int) -> None:
        for call in self._advanced:
            call(code, position)
