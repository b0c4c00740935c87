"""How far each projection is, and what is parked."""

from dataclasses import dataclass

from skyulf.errors import Fault, Invalid
from skyulf.events.log import EventLog
from skyulf.projections import ALL, PROJECTIONS
from skyulf.projections.store import Build, NotBuilt, Parked, ReadStore
from skyulf.queries.base import PageRequest


@dataclass(frozen=True, slots=True)
class RebuildStatus:
    """A build that is to take the live one's place: how far it is, of the log as it is now from 0 to 1.

    ``stopped`` says that it waits to be asked for again.
    """

    build: int
    position: int
    fraction: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """A projection: its live build's checkpoint, how many positions it is behind, and the rebuild under way.

    ``status`` is ``live``, or ``building`` while there is nothing to read yet. ``rebuild`` is None when none is under
    way. ``purged`` are the positions of the events that the live build leaves out, as was decided.
    """

    name: str
    version: int
    status: str
    position: int
    lag: int
    build: int
    rebuild: RebuildStatus | None
    parked: tuple[Parked, ...]
    purged: tuple[int, ...]

    @property
    def parked_events(self) -> int:
        """How many events wait."""
        return len(self.parked)

    @property
    def rebuild_position(self) -> int | None:
        """How far the rebuild is that is under way."""
        return self.rebuild.position if self.rebuild else None


class ProjectionRepository:
    """The projections, by name."""

    def __init__(self, log: EventLog, store: ReadStore) -> None:
        self._log = log
        self._store = store

    def all(self) -> tuple[ProjectionStatus, ...]:
        """Every projection's status."""
        head = self._log.head()
        return tuple(self._status(projection.name, head) for projection in ALL)

    def page(self, request: PageRequest) -> tuple[tuple[ProjectionStatus, ...], str | None]:
        """A page of them in the order of events, or by name, and where to go on: the last one's name, or None."""
        statuses = self.all()
        if request.order is not None:
            if request.order not in ("name", "-name"):
                raise Invalid("the list cannot be ordered so", [Fault("order", "name, or -name")])
            statuses = tuple(sorted(statuses, key=lambda status: status.name, reverse=request.order == "-name"))
        names = [status.name for status in statuses]
        if request.cursor is not None and request.cursor not in names:
            raise Invalid("the cursor is not one of ours", [Fault("cursor", "the next_cursor of a page")])
        begin = 0 if request.cursor is None else names.index(request.cursor) + 1
        end = begin + request.limit
        return statuses[begin:end], names[end - 1] if end < len(names) else None

    def get(self, name: str) -> ProjectionStatus:
        """The status of the projection of that name, which exists."""
        return self._status(name, self._log.head())

    def behind(self, position: int) -> tuple[str, ...]:
        """The names of those that show what is now and have no rows for this code, or have not got to ``position``."""
        at = {(build.projection, build.version): build.position for build in self._store.live()}
        return tuple(
            projection.name
            for projection in PROJECTIONS
            if at.get((projection.name, projection.version), -1) < position
        )

    def _status(self, name: str, head: int) -> ProjectionStatus:
        projection = next(projection for projection in ALL if projection.name == name)
        builds = self._store.builds(name)
        live = next((build for build in builds if build.live and build.version == projection.version), None)
        filling = next((build for build in builds if not build.live and build.version == projection.version), None)
        try:
            parked, purged = self._store.parked(projection), self._store.skipped(projection)
        except NotBuilt:
            parked, purged = (), ()
        position = live.position if live else 0
        return ProjectionStatus(
            name=name,
            version=projection.version,
            status="live" if live else "building",
            position=position,
            lag=max(0, head - position),
            build=live.number if live else 0,
            rebuild=rebuild_of(filling, head) if filling else None,
            parked=parked,
            purged=purged,
        )


def rebuild_of(build: Build, head: int) -> RebuildStatus:
    """How far a build is that is being filled; never quite done, since it is not read yet."""
    fraction = min(build.position / head, 0.99) if head else 0.0
    return RebuildStatus(build.number, build.position, fraction, build.held)
