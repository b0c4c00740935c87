"""What may be asked of a deployment."""

from collections.abc import Sequence

from skyulf.commands.base import Command, Decided, Handler, Name, Streams, own_stream
from skyulf.commands.model import usable_version
from skyulf.errors import Fault, Invalid, NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import (
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DeploymentState,
    Target,
)
from skyulf.events.model import ModelState


class Deploy(Command):
    """Serve a version of a model under a name; exactly one of ``model_version`` and ``alias`` is given."""

    model: Name
    model_version: int | None = None
    alias: Name | None = None


class RollBackDeployment(Command):
    """Serve again what was served before the last roll-out."""


class RetireDeployment(Command):
    """Serve nothing under this name any more."""


def _deploy_reads(command: Deploy) -> Sequence[str]:
    return (command.id, f"model-{command.model}")


def _named_version(command: Deploy, model: ModelState) -> int:
    if (command.model_version is None) == (command.alias is None):
        raise Invalid("a version is deployed by its number or by an alias", [Fault("model_version", "or alias")])
    if command.alias is None:
        assert command.model_version is not None
        return command.model_version
    if command.alias not in model.aliases:
        raise NotFound(f"{command.model} has no alias {command.alias}")
    return model.aliases[command.alias]


def deploy(command: Deploy, streams: Streams) -> Decided:
    """Decide `Deploy`; what is served already is not rolled out again."""
    stream = f"model-{command.model}"
    model = streams.model(stream)
    number = _named_version(command, model)
    usable_version(stream, model, number)
    target = Target(model=command.model, model_version=number, artifact=model.artifacts[number])
    state: DeploymentState | None = streams.find(command.id)
    created: list[DomainEvent] = [DeploymentCreated()] if state is None else []
    active = state.active if state else None
    if active == target:
        return []
    rolled_out = DeploymentRolledOut(before=active, after=target, alias=command.alias)
    return [(command.id, event) for event in (*created, rolled_out)]


def _active(command: Command, state: DeploymentState) -> Target:
    if state.active is None:
        raise NotAllowed(f"{command.id.removeprefix('deployment-')} is retired; deploy a version first")
    return state.active


def roll_back_deployment(command: RollBackDeployment, streams: Streams) -> Decided:
    """Decide `RollBackDeployment`; refused when there is nothing to go back to."""
    state = streams.deployment(command.id)
    active = _active(command, state)
    if not state.earlier:
        raise NotAllowed(f"{command.id.removeprefix('deployment-')} has served nothing before; nothing to go back to")
    return [(command.id, DeploymentRolledBack(before=active, after=state.earlier[-1]))]


def retire_deployment(command: RetireDeployment, streams: Streams) -> Decided:
    """Decide `RetireDeployment`; one that is retired stays so."""
    return [] if streams.deployment(command.id).retired else [(command.id, DeploymentRetired())]


HANDLERS: dict[type[Command], Handler] = {
    Deploy: Handler(_deploy_reads, deploy),
    RollBackDeployment: Handler(own_stream, roll_back_deployment),
    RetireDeployment: Handler(own_stream, retire_deployment),
}
