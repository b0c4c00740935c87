from typing import Any

import pytest
from builders import predictions_logged, registered, target
from pydantic import ValidationError
from scenario import given

from skyulf.commands import prediction_log
from skyulf.commands.deployment import Deploy, RetireDeployment
from skyulf.commands.prediction_log import RecordPredictions, SetPredictionLog
from skyulf.errors import NotFound
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import (
    DeploymentCreated,
    DeploymentRetired,
    DeploymentRolledOut,
    DeploymentState,
    PredictionLogSet,
    PredictionsForgotten,
    evolve,
)

ID = "deployment-shop"
SERVED: list[DomainEvent] = [DeploymentCreated(), DeploymentRolledOut(before=None, after=target(1))]
LOGGING = PredictionLogSet(share=0.5, keep_rows=250, alert="major")


def set_log(share: float, keep_rows: int = 250) -> SetPredictionLog:
    return SetPredictionLog(id=ID, share=share, keep_rows=keep_rows)


def record(number: int, **changes: Any) -> RecordPredictions:
    return RecordPredictions(id=ID, **predictions_logged(number, **changes).model_dump())


def forgotten(number: int) -> PredictionsForgotten:
    return PredictionsForgotten(artifact=f"sha256:logged-{number}")


def test_logging_is_begun_changed_and_ended_and_said_again_it_is_left_as_it_is() -> None:
    given({ID: SERVED}).when(set_log(0.5)).then(LOGGING)
    given({ID: [*SERVED, LOGGING]}).when(set_log(0.5)).then()
    given({ID: [*SERVED, LOGGING]}).when(set_log(0.5, 9)).then(LOGGING.model_copy(update={"keep_rows": 9}))
    given({ID: [*SERVED, LOGGING]}).when(set_log(0)).then(LOGGING.model_copy(update={"share": 0}))
    given({ID: SERVED}).when(set_log(0)).then()
    given({}).when(set_log(0.5)).refused(NotFound, "no deployment shop")


@pytest.mark.parametrize("changes", [{"share": -0.1}, {"share": 1.1}, {"share": 0.5, "keep_rows": 0}])
def test_a_share_is_between_none_and_all(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SetPredictionLog(id=ID, **changes)


def test_a_part_is_recorded_once() -> None:
    given({ID: [*SERVED, LOGGING]}).when(record(1)).then(predictions_logged(1))
    given({ID: [*SERVED, LOGGING, predictions_logged(1)]}).when(record(1)).then()


def test_the_oldest_parts_are_forgotten_once_the_others_hold_enough_rows() -> None:
    parts = [predictions_logged(1), predictions_logged(2)]
    given({ID: [*SERVED, LOGGING, *parts]}).when(record(3, rows=49)).then(predictions_logged(3, rows=49))
    enough = predictions_logged(3, rows=150)
    given({ID: [*SERVED, LOGGING, *parts]}).when(record(3, rows=150)).then(enough, forgotten(1))
    many = predictions_logged(3, rows=250)
    given({ID: [*SERVED, LOGGING, *parts]}).when(record(3, rows=250)).then(many, forgotten(1), forgotten(2))


def test_a_log_has_no_more_parts_than_can_be_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_log, "MOST_PARTS", 2)
    parts = [predictions_logged(1, rows=1), predictions_logged(2, rows=1)]
    given({ID: [*SERVED, LOGGING, *parts]}).when(record(3, rows=1)).then(predictions_logged(3, rows=1), forgotten(1))


def test_what_is_logged_outlives_roll_outs_and_retirement() -> None:
    logged = [*SERVED, LOGGING, predictions_logged(1)]
    history = {ID: logged, "model-irises": [registered(1), registered(2)]}
    given(history).when(Deploy(id=ID, model="irises", model_version=2)).then(
        DeploymentRolledOut(before=target(1), after=target(2))
    )
    state: DeploymentState | None = None
    for event in (*logged, DeploymentRolledOut(before=target(1), after=target(2)), DeploymentRetired()):
        state = evolve(state, event)  # type: ignore[arg-type]
    assert state is not None
    assert (state.active, state.retired, state.share) == (None, True, 0.5)
    assert state.logged == (("sha256:logged-1", 100, target(1)),)
    given({ID: [*logged, DeploymentRetired()]}).when(RetireDeployment(id=ID)).then()
