"""What may be asked of a model. Its versions are registered by `CompleteJob`, together with the job's result."""

from skyulf.commands.base import Command, Decided, Handler, Name, Streams, own_stream
from skyulf.errors import Fault, Invalid, NotAllowed, NotFound
from skyulf.events.deployment import Target
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelState, ModelVersionRetired


class SetModelAlias(Command):
    """Let an alias mean a version of the model."""

    alias: Name
    model_version: int


class RemoveModelAlias(Command):
    """Let an alias mean nothing any more."""

    alias: Name


class RetireModelVersion(Command):
    """Forbid that a version is deployed or given an alias from now on."""

    model_version: int


def existing_version(stream: str, model: ModelState, number: int) -> int:
    """The number, if the model has such a version, retired or not; raises `NotFound`."""
    if number not in model.artifacts:
        raise NotFound(f"{stream.removeprefix('model-')} has no version {number}; its newest is {model.latest}")
    return number


def usable_version(stream: str, model: ModelState, number: int) -> None:
    """Raise unless the version exists and is not retired."""
    existing_version(stream, model, number)
    if number in model.retired:
        raise NotAllowed(f"version {number} of {stream.removeprefix('model-')} is retired; choose another")


def numbered(stream: str, model: ModelState, number: int | None, alias: str | None) -> int:
    """The number of the version that a caller named, by exactly one of its number and an alias; raises `NotFound`."""
    if (number is None) == (alias is None):
        raise Invalid("a version is named by its number or by an alias", [Fault("model_version", "or alias")])
    if number is not None:
        return existing_version(stream, model, number)
    assert alias is not None
    if alias not in model.aliases:
        raise NotFound(f"{stream.removeprefix('model-')} has no alias {alias}")
    return model.aliases[alias]


def target_of(stream: str, model: ModelState, number: int | None, alias: str | None) -> Target:
    """The version that a caller named, as `numbered` takes it, to predict with; one that is retired is refused."""
    number = numbered(stream, model, number, alias)
    usable_version(stream, model, number)
    return Target(model=stream.removeprefix("model-"), model_version=number, artifact=model.artifacts[number])


def set_model_alias(command: SetModelAlias, streams: Streams) -> Decided:
    """Decide `SetModelAlias`; an alias that means the version already stays as it is."""
    model = streams.model(command.id)
    usable_version(command.id, model, command.model_version)
    before = model.aliases.get(command.alias)
    if before == command.model_version:
        return []
    return [(command.id, ModelAliasSet(alias=command.alias, before=before, after=command.model_version))]


def remove_model_alias(command: RemoveModelAlias, streams: Streams) -> Decided:
    """Decide `RemoveModelAlias`."""
    before = streams.model(command.id).aliases.get(command.alias)
    if before is None:
        raise NotFound(f"{command.id.removeprefix('model-')} has no alias {command.alias}")
    return [(command.id, ModelAliasRemoved(alias=command.alias, before=before))]


def retire_model_version(command: RetireModelVersion, streams: Streams) -> Decided:
    """Decide `RetireModelVersion`; refused while an alias means the version."""
    model = streams.model(command.id)
    if existing_version(command.id, model, command.model_version) in model.retired:
        return []
    aliases = sorted(alias for alias, version in model.aliases.items() if version == command.model_version)
    if aliases:
        raise NotAllowed(f"the alias {aliases[0]} means this version; move or remove it first")
    return [(command.id, ModelVersionRetired(model_version=command.model_version))]


HANDLERS: dict[type[Command], Handler] = {
    SetModelAlias: Handler(own_stream, set_model_alias),
    RemoveModelAlias: Handler(own_stream, remove_model_alias),
    RetireModelVersion: Handler(own_stream, retire_model_version),
}
