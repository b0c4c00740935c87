"""What can happen to a model, and the state that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from skyulf.events.base import DomainEvent


class ModelVersionRegistered(DomainEvent):
    """A job's result became a version of a named model; recorded together with ModelTrained.

    ``target`` is empty where the task has none (clustering).
    """

    model_version: int
    job_id: str
    model: str
    fingerprint: str
    metrics: dict[str, float | None]
    task: str
    target: str
    estimator: str


class ModelAliasSet(DomainEvent):
    """An alias came to mean a version; ``before`` is what it meant until then."""

    alias: str
    before: int | None
    after: int


class ModelAliasRemoved(DomainEvent):
    """An alias means nothing any more."""

    alias: str
    before: int


class ModelVersionRetired(DomainEvent):
    """A version may no longer be deployed or given an alias."""

    model_version: int


ModelEvent = ModelVersionRegistered | ModelAliasSet | ModelAliasRemoved | ModelVersionRetired


@dataclass(frozen=True, slots=True)
class ModelState:
    """What commands need to know of a model: its versions' artifacts and jobs, its aliases and what is retired."""

    artifacts: Mapping[int, str] = field(default_factory=dict)
    jobs: Mapping[int, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    retired: frozenset[int] = frozenset()

    @property
    def latest(self) -> int:
        """The number of the newest version; 0 when there is none."""
        return max(self.artifacts, default=0)


def evolve(state: ModelState | None, event: ModelEvent) -> ModelState:
    """The state after ``event``."""
    state = state or ModelState()
    match event:
        case ModelVersionRegistered():
            artifacts = {**state.artifacts, event.model_version: event.model}
            return replace(state, artifacts=artifacts, jobs={**state.jobs, event.model_version: event.job_id})
        case ModelAliasSet():
            return replace(state, aliases={**state.aliases, event.alias: event.after})
        case ModelAliasRemoved():
            return replace(state, aliases={a: v for a, v in state.aliases.items() if a != event.alias})
        case ModelVersionRetired():
            return replace(state, retired=state.retired | {event.model_version})
