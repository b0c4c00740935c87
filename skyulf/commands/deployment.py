"""What may be asked of a deployment."""

from collections.abc import Sequence

from skyulf.commands.base import Command, Decided, Handler, Name, Streams, own_stream
from skyulf.commands.model import target_of
from skyulf.errors import NotAllowed
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import (
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DeploymentState,
    Target,
)


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


def deploy(command: Deploy, streams: Streams) -> Decided:
    """Decide `Deploy`; what is served already is not rolled out again."""
    stream = f"model-{command.model}"
    target = target_of(stream, streams.model(stream), command.model_version, command.alias)
    state: DeploymentState | None = streams.find(command.id)
    created: list[DomainEvent] = [DeploymentCreated()] if state is None else []
    active = state.active if state else None
    if active == target:
        return []
    rolled_out = DeploymentRolledOut(before=active, after=target, alias=command.alias)
    return [(command.id, event) for event in (*created, rolled_out)]


def active_target(stream: str, state: DeploymentState) -> Target:
    """What a deployment serves; raises `NotAllowed` for one that is retired."""
    if state.active is None:
        raise NotAllowed(f"{stream.removeprefix('deployment-')} is retired; deploy a version first")
    return state.active


def roll_back_deployment(command: RollBackDeployment, streams: Streams) -> Decided:
    """Decide `RollBackDeployment`; refused when there is nothing to go back to."""
    state = streams.deployment(command.id)
    active = active_target(command.id, state)
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
