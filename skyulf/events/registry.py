"""Stored names and classes: ``"JobCreated@1"`` ⇄ ``JobCreated``, and the upcasters between an event's shapes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from skyulf.errors import Damaged, Outdated
from skyulf.events import access, dataset, deployment, job, model, pipeline, projection, webhook
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
    "webhook": webhook.WebhookEvent,
}


def classes_of(noun: str) -> tuple[type[DomainEvent], ...]:
    """The classes of a noun's events; a union of one is that class itself."""
    return get_args(UNIONS[noun]) or (UNIONS[noun],)


EVENTS: Mapping[str, type[DomainEvent]] = {cls.__name__: cls for noun in UNIONS for cls in classes_of(noun)}
"""Every event class there is, by its type."""

NOUN_OF_TYPE: Mapping[str, str] = {cls.__name__: noun for noun in UNIONS for cls in classes_of(noun)}
"""The noun that events of each type are about."""

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
    "webhook": webhook.evolve,
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
    "TrialsFinished@1": lambda data: data,  # there was no nested cross-validation: the defaults say so
}
"""From a stored name that is no longer written to the data of the next schema of the same type."""


@dataclass(frozen=True, slots=True)
class Succession:
    """What became of a type that is written no longer: of which types its events are read, each as one of them.

    ``into`` are the stored names that they may be read as; ``convert`` chooses one by the data, and gives the data of
    that. An event that is stored stays one event, with one position: it is never read as two.
    """

    into: tuple[str, ...]
    convert: Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]


SUCCESSIONS: Mapping[str, Succession] = {}
"""By the last stored name of each type that was renamed, or split into several; its older ones are upcast to that."""


class Undecodable(Damaged):
    """A stored event cannot be read by this code: its type or schema is unknown, or its data does not fit."""


class UnknownSchema(Outdated, Undecodable):
    """A stored event is of a type or schema that only newer code knows."""


class NoUpcaster(Undecodable):
    """A stored event is of a ``name`` that is written no longer, and nothing here leads from it to what is."""

    def __init__(self, name: str, place: str = "") -> None:
        super().__init__(
            f"{place}{name} cannot be read: no upcaster leads from it to {following(name)}; one was expected under "
            f"{name!r} in UPCASTERS of skyulf/events/registry.py"
        )
        self.name = name


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
    if cls is not None and recorded.schema == cls.SCHEMA and (read := readers.get(recorded.type)) is not None:
        try:
            return read(recorded.data)
        except (ValueError, RecursionError):
            pass  # pydantic has the last word on what the quick reader does not take
    return _judged(cls, recorded)


def _judged(cls: type[DomainEvent] | None, recorded: Recorded) -> DomainEvent:
    """The event as pydantic reads it, after the upcasters of its schema."""
    place = f"position {recorded.position}"
    if recorded.schema > cls.SCHEMA if cls is not None else not _succeeded(recorded.type):
        raise UnknownSchema(f"{place}: {recorded.name} is unknown to this version of Skyulf; upgrade it")
    try:
        if cls is not None and recorded.schema == cls.SCHEMA:
            return cls.model_validate_json(recorded.data)
        name, data = upcast(recorded.name, msgspec.json.decode(recorded.data))
        return EVENTS[type_of(name)].model_validate(data)
    except NoUpcaster as error:
        raise NoUpcaster(error.name, f"{place}: ") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # the last three of upcasters
        raise Undecodable(f"{place}: {recorded.name} does not decode") from error


def upcast(name: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The stored name that an event is read as, and its data in that shape; raises `NoUpcaster`."""
    while not _written(name):
        if (successor := SUCCESSIONS.get(name)) is not None:
            name, data = successor.convert(data)
        else:
            name, data = following(name), _upcaster_of(name)(data)
    return name, data


def readable_as(name: str) -> tuple[str, ...]:
    """The stored names, all written today, that an event of ``name`` may be read as; raises `NoUpcaster`."""
    if _written(name):
        return (name,)
    if (successor := SUCCESSIONS.get(name)) is not None:
        return tuple(dict.fromkeys(end for each in successor.into for end in readable_as(each)))
    _upcaster_of(name)
    return readable_as(following(name))


def former_types() -> frozenset[str]:
    """The types that events stand under in logs, and are written under no longer."""
    return frozenset(type_of(name) for name in SUCCESSIONS) - EVENTS.keys()


def stored_types(*types: str) -> tuple[str, ...]:
    """The types with those before them of which events are read as theirs: what a log is asked for by type.

    A former type stands for all that came of it: who follows it misses nothing.
    """
    became = {type_of(name): {type_of(end) for end in readable_as(name)} for name in SUCCESSIONS}
    today = {end for name in types for end in became.get(name, {name})}
    former = [name for name, ends in became.items() if ends & today]
    return tuple(dict.fromkeys([*types, *sorted(today), *former]))


def type_of(name: str) -> str:
    """The type in a stored name: ``JobCreated`` of ``JobCreated@2``."""
    return name.partition("@")[0]


def following(name: str) -> str:
    """The stored name of the schema that comes after."""
    type_, _, schema = name.partition("@")
    return f"{type_}@{int(schema) + 1}"


def _written(name: str) -> bool:
    cls = EVENTS.get(type_of(name))
    return cls is not None and cls.stored_name() == name


def _succeeded(type_: str) -> bool:
    return any(type_of(name) == type_ for name in SUCCESSIONS)


def _upcaster_of(name: str) -> Upcaster:
    """What leads from one schema to the next; raises `NoUpcaster` naming both ends."""
    found = UPCASTERS.get(name)
    if found is None:
        raise NoUpcaster(name)
    return found
