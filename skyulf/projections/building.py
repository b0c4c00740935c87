"""Builds of projections taken further by pages: rows and checkpoint in one transaction, compared before it is moved.

Builds that are at one place share a page of the log and the transaction, whether they are live ones that follow or are
being filled beside them. One that is further waits for one that is behind, so that a page is read once for all.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from skyulf.events.log import EventLog
from skyulf.projections.ahead import Ahead, Read
from skyulf.projections.base import Projection
from skyulf.projections.parking import PURGE, Purges, fold_with_purges
from skyulf.projections.store import Build, CheckpointMoved, ReadStore

logger = logging.getLogger(__name__)


class Step(NamedTuple):
    """What one page did: how far it got, whether there was anything to read, and whether there may be more.

    ``anew`` says that a build was begun in the place of one that holds what it should not.
    """

    position: int
    moved: bool
    full: bool
    anew: bool = False


class Builder:
    """Fills builds of ``projections``; ``told`` hears of the code and the position that live rows have got to."""

    def __init__(
        self,
        log: EventLog,
        store: ReadStore,
        projections: Mapping[str, Projection[Any]],
        told: Callable[[str, int], None],
    ) -> None:
        self._log = log
        self._store = store
        self._projections = projections
        self._told = told
        self.purges = Purges(log)

    def advance(self, ahead: Ahead, builds: Sequence[Build], until: int | None = None) -> Step:
        """Fold one page, that ends at ``until`` at the latest, into builds that are at the same place.

        Raises `CheckpointMoved` when another projector has taken one of them further, and writes nothing.
        """
        position = builds[0].position
        projections = [self._projections[build.projection] for build in builds]
        types = tuple(dict.fromkeys([*(name for projection in projections for name in projection.types), PURGE]))
        page = ahead.page(position, types, until)
        if page.position <= position:
            return Step(position, moved=False, full=False)
        spoiled: list[Build] = []
        with self._store.transaction(apart=projections[0].apart) as transaction:
            for projection, build in zip(projections, builds, strict=True):
                batch = transaction.batch(projection, build.number)
                if batch.position != position:
                    raise CheckpointMoved(f"{projection.name} is at {batch.position} already")
                of_it = page.events if len(builds) == 1 else those_of(projection, page.events)
                if of_it and fold_with_purges(self._log, projection, batch, of_it, self.purges):
                    spoiled.append(build)
                batch.advance(page.position)
        for projection, build in zip(projections, builds, strict=True):
            if build.live:
                self._told(projection.code, page.position)
        for build in spoiled:
            self._make_anew(build)
        return Step(page.position, moved=True, full=page.full, anew=bool(spoiled))

    def _make_anew(self, build: Build) -> None:
        """Begin another build where this one holds what has been purged: it was purged while older code parked it."""
        logger.warning("%s holds an event that is purged, and is built anew", build.projection)
        projection = self._projections[build.projection]
        if not build.live:
            self._store.drop_build(projection, build.number)
        self.begin(projection)

    def begin(self, projection: Projection[Any]) -> Build:
        """Begin a build of the projection beside the live one, or go on with the one that was begun, or stopped."""
        for build in self._store.builds(projection.name):
            if not build.live and build.version == projection.version:
                self._store.hold(build, held=False)
                return replace(build, held=False)
        return self._store.create_build(projection)

    def live(self, projection: Projection[Any]) -> Build | None:
        """The build that is read, of this code's version."""
        builds = self._store.builds(projection.name)
        return next((build for build in builds if build.live and build.version == projection.version), None)


def those_of(projection: Projection[Any], events: Sequence[Read]) -> list[Read]:
    """The events of a page that a projection is given."""
    folded = frozenset([*projection.types, PURGE])
    return [each for each in events if each[0].type in folded]


def lowest(builds: Sequence[Build]) -> tuple[list[Build], int | None]:
    """Of builds, those that are furthest behind, and where the next ones are, which wait for them."""
    at: dict[int, list[Build]] = defaultdict(list)
    for build in builds:
        at[build.position].append(build)
    first, *others = sorted(at)
    return at[first], others[0] if others else None
