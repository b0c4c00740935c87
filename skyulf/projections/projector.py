"""The projector: follows the log and keeps every projection's rows up with it; rebuilds; retries what is parked.

Rows and checkpoint are written in one transaction, and the checkpoint is compared before it is set: every event is
folded into the rows exactly once, whatever crashes and however many projectors run. A thread keeps the live rows up,
and takes what is rebuilt beside them a page further whenever they have caught up; another does what is kept apart.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from skyulf.errors import Invalid, NotAllowed, NotFound, Unavailable
from skyulf.events.log import EventLog
from skyulf.projections.ahead import Ahead
from skyulf.projections.base import Projection
from skyulf.projections.building import Builder, lowest
from skyulf.projections.builds import outlived
from skyulf.projections.parking import release
from skyulf.projections.store import Build, CheckpointMoved, ReadStore

PAGE = 2_000
"""Events read, folded and written at once."""

PAGE_APART = 500
"""The same where rows are kept apart: on SQLite those that are shown wait so long for the file at most."""

REST = 0.25
"""Seconds between two looks for what is kept apart: what came meanwhile is written at once, and costs less."""

POLL = 0.5
"""Seconds after which the log is looked at even if no wake-up came."""

LOOK = 4
"""After so many times `POLL`, it is looked whether another process has asked for a rebuild, or stopped one."""

logger = logging.getLogger(__name__)


class Projector:
    """Keeps ``projections`` up with the log, in threads of its own once started.

    At most ``at_once`` of them are rebuilt at the same time; they share the pages of the log.
    """

    def __init__(
        self, log: EventLog, store: ReadStore, projections: Sequence[Projection[Any]], at_once: int = 4
    ) -> None:
        self._log = log
        self._store = store
        self._projections = {projection.name: projection for projection in projections}
        self._at_once = at_once
        self._builder = Builder(log, store, self._projections, self._tell)
        self._advanced: list[Callable[[str, int], None]] = []
        self._wake = threading.Event()
        self._wake_apart = threading.Event()
        self._up = threading.Event()
        self._rebuild = {apart: threading.Event() for apart in (False, True)}
        self._look_at = {False: 0.0, True: 0.0}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self._leading: frozenset[str] = frozenset()
        self._apart = frozenset(name for name, projection in self._projections.items() if projection.apart)
        self._prepared = False
        self._caught_up_at = 0.0

    def start(self) -> None:
        """Prepare the builds, then follow the log until `close`; nobody waits here for what is kept apart."""
        self.prepare(apart=False)
        self._unsubscribe = self._log.subscribe(self._woken)
        self._threads = [
            threading.Thread(target=self._follow, name="projector", daemon=True),
            threading.Thread(target=self._follow_apart, name="histories", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop following; what is under way is finished to the end of its page."""
        self._unsubscribe()
        self._stopping.set()
        for event in (self._wake, self._wake_apart, self._up):
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
        return tuple(name for name, projection in self._projections.items() if self._builder.live(projection) is None)

    def on_advance(self, call: Callable[[str, int], None]) -> None:
        """Call ``call(code, position)`` from the projector's threads whenever live rows have got to a position.

        The code is `Projection.code`: rows of another version may be elsewhere.
        """
        self._advanced.append(call)

    def prepare(self, apart: bool | None = None) -> None:
        """See that each projection has a live build of this code, and begin one where there is none.

        Each of all, or of those that are kept ``apart``, or of the others. What has outlived its use goes.
        """
        self._builder.purges.refresh()
        for projection in self._projections.values():
            if apart is not None and projection.apart is not apart:
                continue
            for build in outlived(self._store, projection, self._log.head):
                self._store.drop_build(projection, build.number)
            if self._builder.live(projection) is None:
                self.request_rebuild(projection.name)

    def request_rebuild(self, name: str) -> Build:
        """Begin a build of the projection beside the live one, or go on with the one that was begun, or stopped."""
        projection = self.projection(name)
        build = self._builder.begin(projection)
        self._rebuild[projection.apart].set()
        (self._wake_apart if projection.apart else self._wake).set()
        return build

    def stop_rebuild(self, name: str) -> Build:
        """Leave a rebuild where it is, until it is requested again; the build that is stopped.

        Raises `NotFound` where none is under way, and `NotAllowed` where nothing could be read without it.
        """
        projection = self.projection(name)
        builds = [build for build in self._store.builds(name) if build.version == projection.version]
        build = next((build for build in builds if not build.live), None)
        if build is None:
            raise NotFound(f"no rebuild of {name} is under way")
        if not any(build.live for build in builds):
            raise NotAllowed(f"{name} is built for the first time, and cannot be read until that is done")
        self._store.hold(build, held=True)
        self._rebuild[projection.apart].set()
        return replace(build, held=True)

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
        steps = {place: self._builder.advance(ahead, group) for place, group in at.items()}
        for (_, apart), step in steps.items():
            if step.anew:
                self._rebuild[apart].set()
        return any(step.full for step in steps.values())

    def rebuild(self, *names: str) -> None:
        """Fill the builds that were requested and put them in the live ones' places; it can be stopped and resumed."""
        for name in names:
            self.request_rebuild(name)
        for apart in (False, True):
            self._fill([name for name in names if (name in self._apart) is apart], apart, lambda: None)

    def _fill(self, names: Collection[str], apart: bool, between: Callable[[], None]) -> None:
        """Take builds that are not live to the head of the log, and make them live; ``between`` comes at each page.

        All of ``names`` are kept ``apart``, or none is.
        """
        with Ahead(self._log, PAGE_APART if apart else PAGE) as ahead:
            builds = self._to_fill(names, apart)
            while builds and not self._stopping.is_set():
                group, until = lowest(builds)
                step = self._builder.advance(ahead, group, until)
                if step.moved:
                    builds = [replace(each, position=step.position) if each in group else each for each in builds]
                else:
                    self._promote(group)
                if not step.moved or step.anew or self._is_to_look(apart):
                    builds = self._to_fill(names, apart)
                between()

    def _is_to_look(self, apart: bool) -> bool:
        """Whether a rebuild may have been asked for, or stopped, since it was last looked."""
        return self._rebuild[apart].is_set() or time.monotonic() >= self._look_at[apart]

    def _to_fill(self, names: Collection[str], apart: bool) -> list[Build]:
        """The builds to be filled now: so many as may be at once, those that are furthest first."""
        self._rebuild[apart].clear()
        self._look_at[apart] = time.monotonic() + LOOK * POLL
        found = [
            build
            for build in self._store.unfinished()
            if build.projection in names
            and not build.held
            and build.version == self._projections[build.projection].version
        ]
        if found:
            self._builder.purges.refresh()
        return sorted(found, key=lambda build: -build.position)[: self._at_once]

    def _promote(self, builds: Sequence[Build]) -> None:
        for build in builds:
            projection = self._projections[build.projection]
            if self._store.promote(projection, build):
                self._tell(projection.code, build.position)

    def retry_parked(self, name: str, key: str) -> int:
        """Fold the parked events of a key again, in order; how many were released. Its history's are tried as well.

        Raises `NotFound` when nothing is parked under the key, and `Invalid` when the first fails again.
        """
        for history in self._histories_of(name):
            with suppress(Invalid, NotFound, Unavailable):
                self._release(history, key)
        return self._release(self.projection(name), key)

    def _release(self, projection: Projection[Any], key: str) -> int:
        live = self._live(projection)
        with self._store.transaction(apart=projection.apart) as transaction:
            batch = transaction.batch(projection, live.number)
            waiting = [parked for parked in batch.parked() if parked.key == key]
            if not waiting:
                raise NotFound(f"nothing is parked under {key} in {projection.name}")
            released = release(self._log, projection, batch, key)
        if released == 0:
            raise Invalid(f"the event at position {waiting[0].position} still cannot be folded into {projection.name}")
        return released

    def retry_all(self, name: str) -> int:
        """As `retry_parked`, of every key that waits; those that fail again go on waiting."""
        for history in self._histories_of(name):
            if self._builder.live(history) is not None:
                self._release_all(history)
        self._live(self.projection(name))
        return self._release_all(self.projection(name))

    def _release_all(self, projection: Projection[Any]) -> int:
        released = 0
        for key in dict.fromkeys(parked.key for parked in self._store.parked(projection)):
            with suppress(Invalid, NotFound):
                released += self._release(projection, key)
        return released

    def _histories_of(self, name: str) -> list[Projection[Any]]:
        """What keeps the rows of a projection as they were, and meets what it meets."""
        return [each for each in self._projections.values() if each.history_of == name]

    def _live(self, projection: Projection[Any]) -> Build:
        live = self._builder.live(projection)
        if live is None:
            raise Unavailable(f"{projection.name} is being built")
        return live

    def _woken(self) -> None:
        self._wake.set()
        self._wake_apart.set()

    def _follow(self) -> None:
        """Keep the live rows up, and fill what is to take their place whenever they have caught up."""
        while not self._stopping.is_set():
            self._up.clear()
            self._guarded(self._catch_up_if_leading)
            self._up.set()
            if self._is_to_look(apart=False):
                self._guarded(lambda: self._fill(self._leading - self._apart, False, self._live_first))
            if not self._stopping.is_set():  # whoever sets it wakes up afterwards
                self._wake.wait(POLL)

    def _live_first(self) -> None:
        if self._wake.is_set() or time.monotonic() >= self._caught_up_at + POLL:
            self._catch_up_if_leading()

    def _catch_up_if_leading(self) -> None:
        self._wake.clear()
        before, self._leading = self._leading, self._store.leads(tuple(self._projections.values()))
        if self._leading:
            self.catch_up(self._leading - self._apart)
        for name in self._leading - before - self._apart:
            self._guarded(lambda name=name: self._try_parked(name))  # type: ignore[misc]
        self._caught_up_at = time.monotonic()

    def _follow_apart(self) -> None:
        """The same of what is kept apart."""
        while not self._stopping.is_set():
            self._guarded(self._catch_up_apart)
            if self._is_to_look(apart=True):
                self._guarded(lambda: self._fill(self._leading & self._apart, True, self._apart_first))
            if not self._stopping.is_set():
                self._wake_apart.wait(POLL)
            self._stopping.wait(REST)

    def _apart_first(self) -> None:
        self._up.wait()
        if self._wake_apart.is_set():
            self._catch_up_apart()

    def _catch_up_apart(self) -> None:
        """Take what is kept apart to the head, a short page at a time while the others are up with the log."""
        self._wake_apart.clear()
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
        if self._builder.live(self._projections[name]) is not None and (released := self.retry_all(name)):
            logger.warning("%s: %d events that were parked are folded", name, released)

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

    def _tell(self, code: str, position: int) -> None:
        for call in self._advanced:
            call(code, position)
