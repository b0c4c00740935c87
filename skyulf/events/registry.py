"""Stored names and classes: ``"JobCreated@1"`` ⇄ ``JobCreated``, and the upcasters between an event's shapes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import msgspec

from skyulf.errors import Damaged, Outdated
from skyulf.events import access, dataset, deployment, job, model, pipeline, projection
from skyulf.events.base import DomainEvent, Recorded, noun_of
from skyulf.events.decoding import reader

UNIONS: Mapping[str, Any] = {
    "dataset": dataset.DatasetEvent,
    "pipeline": pipeline.PipelineEvent,
    "job": job.JobEvent,
    "model": model.ModelEvent,
    "deployment": deployment.DeploymentEvent,
    "projection": projection.ProjectionEvent,
    "access": access.AccessEvent,
}


def classes_of(noun: str) -> tuple[type[DomainEvent], ...]:
    """The classes of a noun's events; a union of one is that class itself."""
    return get_args(UNIONS[noun]) or (UNIONS[noun],)


EVENTS: Mapping[str, type[DomainEvent]] = {cls.__name__: cls for noun in UNIONS for cls in classes_of(noun)}
"""Every event class there is, by its type."""

_READERS: Mapping[str, Callable[[bytes], DomainEvent] | None] = {name: reader(cls) for name, cls in EVENTS.items()}

_PASSING: Mapping[str, Callable[[bytes], DomainEvent] | None] = {
    name: reader(cls, passing=True) for name, cls in EVENTS.items()
}

EVOLVE: Mapping[str, Callable[[Any, Any], Any]] = {
    "dataset": dataset.evolve,
    "pipeline": pipeline.evolve,
    "job": job.evolve,
    "model": model.evolve,
    "deployment": deployment.evolve,
    "projection": projection.evolve,
    "access": access.evolve,
}
"""How the state of each noun follows from its events."""

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[str, Upcaster] = {
    "JobCreated@1": lambda data: data,  # every job was trained on all rows
    "ModelTrained@1": lambda data: data,  # of the code that trained nothing was told
    "DatasetVersionAdded@1": lambda data: data,  # how the file was read was not told: the defaults say so
    "DatasetVersionAdded@2": lambda data: data,  # words of text were not counted: the default says so
    "DatasetVersionAdded@3": lambda data: data,  # every file was uploaded: no URI
    "DatasetVersionAdded@4": lambda data: data,  # cells that keep a column from being numbers were not counted
}
"""From a stored name that is no longer written to the data of the next schema of the same type."""


class Undecodable(Damaged):
    """A stored event cannot be read by this code: its type or schema is unknown, or its data does not fit."""


class UnknownSchema(Outdated, Undecodable):
    """A stored event is of a type or schema that only newer code knows."""


def replay(stream: str, state: Any, events: Iterable[Recorded]) -> Any:
    """The state of the stream's noun once ``events`` have been added to ``state``; None where there are none."""
    evolve = EVOLVE.get(noun_of(stream))
    if evolve is None:
        return state
    for recorded in events:
        state = evolve(state, decode(recorded))
    return state


def decode(recorded: Recorded, *, passing: bool = False) -> DomainEvent:
    """The event that was recorded, brought to its present shape; raises `Undecodable`.

    With ``passing``, documents in it (`decoding.DOCUMENT`) may be left as their JSON text: for who passes them on.
    """
    cls = EVENTS.get(recorded.type)
    readers = _PASSING if passing else _READERS
    if cls is not None and recorded.schema == cls.SCHEMA and (read := readers[recorded.type]) is not None:
        try:
            return read(recorded.data)
        except (ValueError, RecursionError):
            pass  # pydantic has the last word on what the quick reader does not take
    return _judged(cls, recorded)


def _judged(cls: type[DomainEvent] | None, recorded: Recorded) -> DomainEvent:
    """The event as pydantic reads it, after the upcasters of its schema."""
    if cls is None or recorded.schema > cls.SCHEMA:
        raise UnknownSchema(
            f"position {recorded.position}: {recorded.name} is unknown to this version of Skyulf; upgrade it"
        )
    try:
        if recorded.schema == cls.SCHEMA:
            return cls.model_validate_json(recorded.data)
        data = msgspec.json.decode(recorded.data)
        for schema in range(recorded.schema, cls.SCHEMA):
            data = UPCASTERS[f"{recorded.type}@{schema}"](data)
        return cls.model_validate(data)
    except (ValueError, KeyError) as error:
        raise Undecodable(f"position {recorded.position}: {recorded.name} does not decode") from error
