"""Watches what deployments serve for drift: the newest logged predictions beside what the version was trained on.

It looks whenever a part of a log was put away, and tells by a command what has moved; whether that is news is decided
there.
"""

import logging
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec

from skyulf.commands.base import Context
from skyulf.commands.bus import CommandBus
from skyulf.commands.drift import TellDrift
from skyulf.errors import NotAllowed, NotFound, SkyulfError
from skyulf.events.base import Actor
from skyulf.events.dataset import DatasetState
from skyulf.events.deployment import ColumnDrift, DeploymentState, Target
from skyulf.events.log import EventLog
from skyulf.events.model import ModelVersionRegistered
from skyulf.events.registry import decode, replay
from skyulf.reactions.attempt import events_of, job_now
from skyulf.reactions.profiling import ProfileService, Version

WINDOW = 20_000
"""Logged rows, the newest, that are looked at, and what else is in the oldest part of them."""

FEWEST = 200
"""So few rows tell nothing worth an alert."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What a deployment serves, what it was trained on and to predict, and the newest parts of its log, with rows."""

    target: Target
    reference: Version
    column: str
    parts: tuple[str, ...]
    rows: int


class DriftWatch:
    """Compares, and tells; ``name`` is how events call it."""

    def __init__(self, *, name: str, log: EventLog, bus: CommandBus, profiles: ProfileService) -> None:
        self._actor = Actor(id=name, kind="service")
        self._log = log
        self._bus = bus
        self._profiles = profiles

    def compare(self, served: Served) -> "Future[bytes]":
        """How far what is served has moved from what was trained on, as JSON."""
        return self._profiles.served(served.reference, served.parts, served.column)

    def look(self, name: str) -> None:
        """Tell of drift in what the deployment serves, where there is enough to see it; never raises."""
        try:
            served = self.served(name)
            if served.rows < FEWEST:
                return
            found = msgspec.json.decode(self.compare(served).result())
            columns = tuple(
                ColumnDrift(name=column["name"], level=column["level"], psi=column.get("psi"))
                for column in found["columns"]
            )
            command = TellDrift(id=f"deployment-{name}", target=served.target, rows=served.rows, columns=columns)
            self._bus.send(command, Context(actor=self._actor)).result()
        except SkyulfError as error:
            logger.info("drift of %s is not looked at now: %s", name, error.detail)

    def served(self, name: str) -> Served:
        """What there is to compare, by the log's head; raises `NotFound`, and `NotAllowed` where nothing was logged."""
        stream = f"deployment-{name}"
        state: DeploymentState | None = replay(stream, None, events_of(self._log, stream))
        if state is None:
            raise NotFound(f"there is no deployment {name}")
        target = state.active
        if target is None:
            raise NotAllowed(f"the deployment {name} is retired, and serves nothing")
        parts: list[str] = []
        rows = 0
        for artifact, held, by in reversed(state.logged):
            if by == target and rows < WINDOW:
                parts.append(artifact)
                rows += held
        if not parts:
            raise NotAllowed(f"no prediction of the version that {name} serves was logged; log a share of them first")
        reference, column = self._trained_on(target)
        return Served(target, reference, column, tuple(parts), rows)

    def _trained_on(self, target: Target) -> tuple[Version, str]:
        """The version of the dataset that a model's version was trained on, and the column that it predicts."""
        registered = next(
            event
            for recorded in events_of(self._log, f"model-{target.model}")
            if isinstance(event := decode(recorded), ModelVersionRegistered)
            and event.model_version == target.model_version
        )
        job = job_now(self._log, registered.job_id)
        if job is None:
            raise NotFound(f"there is no job {registered.job_id}")
        created = job.training
        dataset: DatasetState | None = replay(created.dataset_id, None, events_of(self._log, created.dataset_id))
        if dataset is None:
            raise NotFound(f"there is no dataset {created.dataset_id}")
        version = dataset.versions[created.dataset_version - 1]
        columns = tuple(column.model_dump() for column in version.columns)
        number = created.dataset_version
        return Version(created.dataset_id, number, version.artifact, version.rows, columns), registered.target
