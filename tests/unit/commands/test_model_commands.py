import pytest
from builders import registered
from pydantic import ValidationError
from scenario import given

from skyulf.commands.model import RemoveModelAlias, RetireModelVersion, SetModelAlias
from skyulf.errors import NotAllowed, NotFound
from skyulf.events.model import ModelAliasRemoved, ModelAliasSet, ModelVersionRetired

ID = "model-irises"
VERSIONS = [registered(1), registered(2)]
TWO = {ID: VERSIONS}
CHAMPION = ModelAliasSet(alias="champion", before=None, after=1)
ALIASED = {ID: [*VERSIONS, CHAMPION]}
RETIRED = {ID: [*VERSIONS, ModelVersionRetired(model_version=1)]}


def set_alias(version: int, alias: str = "champion") -> SetModelAlias:
    return SetModelAlias(id=ID, alias=alias, model_version=version)


def test_setting_an_alias() -> None:
    given(TWO).when(set_alias(1)).then(CHAMPION)


def test_moving_an_alias_records_what_it_meant() -> None:
    given(ALIASED).when(set_alias(2)).then(ModelAliasSet(alias="champion", before=1, after=2))


def test_aliases_are_apart() -> None:
    given(ALIASED).when(set_alias(1, "rival")).then(ModelAliasSet(alias="rival", before=None, after=1))


def test_an_alias_that_means_it_already_stays() -> None:
    given(ALIASED).when(set_alias(1)).then()


def test_removing_an_alias() -> None:
    given(ALIASED).when(RemoveModelAlias(id=ID, alias="champion")).then(ModelAliasRemoved(alias="champion", before=1))


def test_an_alias_that_was_removed_is_gone() -> None:
    history = {ID: [*VERSIONS, CHAMPION, ModelAliasRemoved(alias="champion", before=1)]}
    given(history).when(RemoveModelAlias(id=ID, alias="champion")).refused(NotFound, "irises has no alias champion")
    given(history).when(set_alias(2)).then(ModelAliasSet(alias="champion", before=None, after=2))


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_version_that_is_not_there(number: int) -> None:
    given(TWO).when(set_alias(number)).refused(NotFound, f"irises has no version {number}; its newest is 2")
    given(TWO).when(RetireModelVersion(id=ID, model_version=number)).refused(NotFound, f"no version {number}")


def test_a_model_that_is_not_there() -> None:
    for command in (set_alias(1), RemoveModelAlias(id=ID, alias="a"), RetireModelVersion(id=ID, model_version=1)):
        given().when(command).refused(NotFound, "there is no model irises")


def test_retiring_once() -> None:
    given(TWO).when(RetireModelVersion(id=ID, model_version=1)).then(ModelVersionRetired(model_version=1))
    given(RETIRED).when(RetireModelVersion(id=ID, model_version=1)).then()


def test_a_retired_version_gets_no_alias() -> None:
    given(RETIRED).when(set_alias(1)).refused(NotAllowed, "version 1 of irises is retired")
    given(RETIRED).when(set_alias(2)).then(ModelAliasSet(alias="champion", before=None, after=2))


def test_a_version_with_an_alias_is_not_retired() -> None:
    given(ALIASED).when(RetireModelVersion(id=ID, model_version=1)).refused(NotAllowed, "alias champion")
    given(ALIASED).when(RetireModelVersion(id=ID, model_version=2)).then(ModelVersionRetired(model_version=2))
    moved = {ID: [*VERSIONS, CHAMPION, ModelAliasSet(alias="champion", before=1, after=2)]}
    given(moved).when(RetireModelVersion(id=ID, model_version=1)).then(ModelVersionRetired(model_version=1))


@pytest.mark.parametrize("alias", ["", "a/b", "a b", "x" * 101, "ä", "a\n"])
def test_an_alias_is_a_plain_name(alias: str) -> None:
    with pytest.raises(ValidationError):
        set_alias(1, alias)
