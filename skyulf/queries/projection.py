"""How far each projection is, and what is parked."""

from dataclasses import dataclass

from skyulf.events.log import EventLog
from skyulf.projections import PROJECTIONS
from skyulf.projections.store import NotBuilt, Parked, ReadStore


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """A projection: its live build's checkpoint, how many positions it is behind, and the rebuild under way.

    ``status`` is ``live``, or ``building`` while there is nothing to read yet. ``rebuild_position`` is None when
    no rebuild is under way.
    """

    name: str
    version: int
    status: str
    position: int
    lag: int
    build: int
    rebuild_position: int | None
    parked: tuple[Parked, ...]


class ProjectionRepository:
    """The projections, by name."""

    def __init__(self, log: EventLog, store: ReadStore) -> None:
        self._log = log
        self._store = store

    def all(self) -> tuple[ProjectionStatus, ...]:
        """Every projection's status."""
        head = self._log.head()
        return tuple(self._status(projection.name, head) for projection in PROJECTIONS)

    def get(self, name: str) -> ProjectionStatus:
        """The status of the projection of that name, which exists."""
        return self._status(name, self._log.head())

    def behind(self, position: int) -> tuple[str, ...]:
        """The names of those that have no rows that this code can read, or have not got to ``position``."""
        at = {(build.projection, build.version): build.position for build in self._store.live()}
        return tuple(
            projection.name
            for projection in PROJECTIONS
            if at.get((projection.name, projection.version), -1) < position
        )

    def _status(self, name: str, head: int) -> ProjectionStatus:
        projection = next(projection for projection in PROJECTIONS if projection.name == name)
        builds = self._store.builds(name)
        live = next((build for build in builds if build.live and build.version == projection.version), None)
        filling = next((build for build in builds if not build.live), None)
        try:
            parked = self._store.parked(projection)
        except NotBuilt:
            parked = ()
        position = live.position if live else 0
        return ProjectionStatus(
            name=name,
            version=projection.version,
            status="live" if live else "building",
            position=position,
            lag=max(0, head - position),
            build=live.number if live else 0,
            rebuild_position=filling.position if filling else None,
            parked=parked,
        )
