from typing import Any

import pytest
from builders import registered, target
from scenario import History, given

from skyulf.commands.deployment import Deploy
from skyulf.commands.drift import AcknowledgeDrift, TellDrift
from skyulf.errors import NotAllowed, NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import (
    ColumnDrift,
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledOut,
    DriftAcknowledged,
    DriftFound,
    DriftLevel,
    PredictionLogSet,
)

ID = "deployment-shop"
SERVED: list[DomainEvent] = [DeploymentCreated(), DeploymentRolledOut(before=None, after=target(1))]
ACKNOWLEDGED = DriftAcknowledged()


def moved(name: str, level: DriftLevel) -> ColumnDrift:
    return ColumnDrift(name=name, level=level, psi={"none": 0.0, "moderate": 0.2, "major": 0.5}[level])


def tell(*columns: ColumnDrift, number: int = 1) -> TellDrift:
    return TellDrift(id=ID, target=target(number), rows=500, columns=columns)


def found(level: DriftLevel, *columns: ColumnDrift) -> DriftFound:
    return DriftFound(target=target(1), rows=500, level=level, columns=columns)


def watched(*events: DomainEvent, alert: DriftLevel = "moderate") -> History:
    return {ID: [*SERVED, PredictionLogSet(share=1, keep_rows=1_000, alert=alert), *events]}


MAJOR, MODERATE, NONE = moved("x", "major"), moved("y", "moderate"), moved("z", "none")


def test_columns_that_have_moved_as_far_as_is_to_be_told_are_told() -> None:
    given(watched()).when(tell(MAJOR, MODERATE, NONE)).then(found("major", MAJOR, MODERATE))
    given(watched(alert="major")).when(tell(MAJOR, MODERATE, NONE)).then(found("major", MAJOR))
    given(watched(alert="major")).when(tell(MODERATE)).then()
    given(watched(alert="none")).when(tell(MAJOR)).then()
    given({ID: SERVED}).when(tell(MAJOR)).then()


@pytest.mark.parametrize("seen", [[], [ACKNOWLEDGED]])
def test_what_was_told_is_told_again_only_when_it_goes_further(seen: list[DomainEvent]) -> None:
    known = found("moderate", MODERATE)
    given(watched(known, *seen)).when(tell(MODERATE)).then()
    further = moved("y", "major")
    given(watched(known, *seen)).when(tell(further)).then(found("major", further))
    given(watched(known, *seen)).when(tell(MODERATE, MAJOR)).then(found("major", MAJOR))
    given(watched(found("major", further), *seen)).when(tell(MODERATE)).then()


def test_what_is_served_no_longer_has_no_drift() -> None:
    given(watched()).when(tell(MAJOR, number=2)).then()
    given(watched(DeploymentRetired())).when(tell(MAJOR)).then()
    other = DeploymentRolledOut(before=target(1), after=target(2))
    back = DeploymentRolledOut(before=target(2), after=target(1))
    given(watched(found("major", MAJOR), other, back)).when(tell(MAJOR)).then(found("major", MAJOR))


def test_drift_is_acknowledged_once() -> None:
    command = AcknowledgeDrift(id=ID)
    given(watched(found("major", MAJOR))).when(command).then(ACKNOWLEDGED)
    given(watched(found("major", MAJOR), ACKNOWLEDGED)).when(command).then()
    again: list[Any] = [found("moderate", MODERATE), ACKNOWLEDGED, found("major", MAJOR)]
    given(watched(*again)).when(command).then(ACKNOWLEDGED)
    given(watched()).when(command).refused(NotAllowed, "no drift was found in what shop serves")
    given({}).when(command).refused(NotFound, "no deployment shop")


def test_a_roll_out_leaves_nothing_to_acknowledge() -> None:
    history = {**watched(found("major", MAJOR)), "model-irises": [registered(1), registered(2)]}
    given(history).when(Deploy(id=ID, model="irises", model_version=2)).then(
        DeploymentRolledOut(before=target(1), after=target(2))
    )
    out = DeploymentRolledOut(before=target(1), after=target(2))
    given(watched(found("major", MAJOR), out)).when(AcknowledgeDrift(id=ID)).refused(NotAllowed, "no drift")
