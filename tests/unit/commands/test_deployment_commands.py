import pytest
from builders import registered, target
from scenario import History, given

from skyulf.commands.deployment import Deploy, RetireDeployment, RollBackDeployment
from skyulf.errors import Invalid, NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import (
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
)
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelVersionRetired

ID = "deployment-shop"
MODEL: list[DomainEvent] = [registered(1), registered(2), registered(3)]
CREATED = DeploymentCreated()


def out(number: int, before: int | None = None, alias: str | None = None) -> DeploymentRolledOut:
    return DeploymentRolledOut(before=target(before) if before else None, after=target(number), alias=alias)


def back(before: int, after: int) -> DeploymentRolledBack:
    return DeploymentRolledBack(before=target(before), after=target(after))


def deployed(*events: DomainEvent, model: list[DomainEvent] = MODEL) -> History:
    return {"model-irises": model, ID: [CREATED, *events] if events else []}


def deploy(number: int | None = None, alias: str | None = None) -> Deploy:
    return Deploy(id=ID, model="irises", model_version=number, alias=alias)


def test_the_first_roll_out_creates_the_deployment() -> None:
    given(deployed()).when(deploy(1)).then(CREATED, out(1))


def test_the_next_says_what_it_replaced() -> None:
    given(deployed(out(1))).when(deploy(2)).then(out(2, before=1))


def test_an_alias_is_resolved_now_and_not_followed() -> None:
    alias = ModelAliasSet(alias="champion", before=None, after=2)
    given(deployed(model=[*MODEL, alias])).when(deploy(alias="champion")).then(CREATED, out(2, alias="champion"))
    moved = ModelAliasSet(alias="champion", before=2, after=3)
    served = deployed(out(2, alias="champion"), model=[*MODEL, alias, moved])
    given(served).when(deploy(2)).then()
    given(served).when(deploy(alias="champion")).then(out(3, before=2, alias="champion"))


@pytest.mark.parametrize("command", [deploy(), deploy(1, alias="champion")])
def test_a_version_is_named_in_one_way(command: Deploy) -> None:
    given(deployed()).when(command).refused(Invalid, "by its number or by an alias")


@pytest.mark.parametrize("by_alias", [True, False])
def test_what_is_served_already_is_not_rolled_out_again(by_alias: bool) -> None:
    model = [*MODEL, ModelAliasSet(alias="champion", before=None, after=1)]
    command = deploy(alias="champion") if by_alias else deploy(1)
    given(deployed(out(1), model=model)).when(command).then()


def test_an_alias_that_is_not_there() -> None:
    given(deployed()).when(deploy(alias="champion")).refused(NotFound, "irises has no alias champion")
    removed = [
        *MODEL,
        ModelAliasSet(alias="champion", before=None, after=1),
        ModelAliasRemoved(alias="champion", before=1),
    ]
    given(deployed(model=removed)).when(deploy(alias="champion")).refused(NotFound, "irises has no alias champion")


def test_a_version_that_cannot_be_served() -> None:
    given(deployed()).when(deploy(4)).refused(NotFound, "irises has no version 4")
    given({}).when(deploy(1)).refused(NotFound, "there is no model irises")
    retired = [*MODEL, ModelVersionRetired(model_version=1)]
    given(deployed(model=retired)).when(deploy(1)).refused(NotAllowed, "version 1 of irises is retired")


def test_another_model_may_take_the_place() -> None:
    history = {**deployed(out(1)), "model-roses": [registered(1)]}
    given(history).when(Deploy(id=ID, model="roses", model_version=1)).then(
        DeploymentRolledOut(before=target(1), after=target(1, "roses"))
    )


def test_rolling_back_goes_to_what_was_served_before_the_last_roll_out() -> None:
    given(deployed(out(1), out(2, 1))).when(RollBackDeployment(id=ID)).then(back(2, 1))


def test_rolling_back_twice_goes_two_back() -> None:
    history = deployed(out(1), out(2, 1), out(3, 2), back(3, 2))
    given(history).when(RollBackDeployment(id=ID)).then(back(2, 1))


def test_rolling_back_does_not_go_forth_again() -> None:
    given(deployed(out(1), out(2, 1), back(2, 1))).when(RollBackDeployment(id=ID)).refused(NotAllowed, "before")


def test_after_a_roll_back_one_can_roll_out_and_back() -> None:
    history = deployed(out(1), out(2, 1), back(2, 1), out(3, 1))
    given(history).when(RollBackDeployment(id=ID)).then(back(3, 1))


def test_there_may_be_nothing_to_go_back_to() -> None:
    given(deployed(out(1))).when(RollBackDeployment(id=ID)).refused(NotAllowed, "shop has served nothing before")
    given({}).when(RollBackDeployment(id=ID)).refused(NotFound, "there is no deployment shop")


def test_retiring_once() -> None:
    given(deployed(out(1))).when(RetireDeployment(id=ID)).then(DeploymentRetired())
    given(deployed(out(1), DeploymentRetired())).when(RetireDeployment(id=ID)).then()
    given({}).when(RetireDeployment(id=ID)).refused(NotFound, "there is no deployment shop")


def test_a_retired_deployment_is_served_again_when_deployed_again() -> None:
    history = deployed(out(1), out(2, 1), DeploymentRetired())
    given(history).when(deploy(2)).then(out(2))


def test_a_retired_deployment_is_not_rolled_back() -> None:
    retired = deployed(out(1), out(2, 1), DeploymentRetired())
    given(retired).when(RollBackDeployment(id=ID)).refused(NotAllowed, "shop is retired")
    anew = deployed(out(1), out(2, 1), DeploymentRetired(), out(3))
    given(anew).when(RollBackDeployment(id=ID)).refused(NotAllowed, "served nothing before")
