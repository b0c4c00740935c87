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
from skyulf.projections.folding import describe, fold_page
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
        self._leading: frozenset[str] = frozenset()

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

    def prepare(self) -> None:
        """See that each projection has a live build of this code, and begin one where there is none.

        Processes of older and newer code may work on the same store. Builds of newer code are left alone. Of older
        code the newest live one stays: processes that were not upgraded yet read it and keep it up, and whoever goes
        back to that code finds it. A build that is further than the log belongs to another log; it is made anew.
        """
        for projection in self._projections.values():
            builds = [build for build in self._store.builds(projection.name) if build.version <= projection.version]
            older = [build.version for build in builds if build.live and build.version < projection.version]
            kept = {projection.version, max(older, default=0)}
            head = self._log.head()  # looked at last: another projector may be taking the builds further meanwhile
            for build in builds:
                given_up = not build.live and build.version < projection.version
                if build.position > head or given_up or build.version not in kept:
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
        at: dict[int, list[Build]] = defaultdict(list)
        for build in self._store.live():
            projection = self._projections.get(build.projection)
            if projection is None or projection.version != build.version:
                continue
            if names is None or build.projection in names:
                at[build.position].append(build)
        steps = [self._advance(ahead, group) for group in at.values()]
        return any(step.full for step in steps)

    def rebuild(self, name: str) -> None:
        """Fill the build that was requested and put it in the live one's place; it can be stopped and resumed."""
        projection = self.projection(name)
        build = self.request_rebuild(name)
        with Ahead(self._log, PAGE) as ahead:
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
        before, self._leading = self._leading, self._store.leads(tuple(self._projections.values()))
        if self._leading:
            self.catch_up(self._leading)
        for name in self._leading - before:
            self._guarded(lambda name=name: self._try_parked(name))  # type: ignore[misc]

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
        for name in leading:
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
        with self._store.transaction() as transaction:
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
