"""What may be asked of a deployment's log of predictions: how much it is to hold, and to take a part."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from skyulf.commands.base import Command, Decided, Handler, Streams, own_stream
from skyulf.events.base import DomainEvent
from skyulf.events.deployment import (
    DeploymentState,
    DriftLevel,
    PredictionLogSet,
    PredictionsForgotten,
    PredictionsLogged,
    Target,
)

MOST_ROWS = 100_000_000

MOST_PARTS = 1_000
"""Artifacts of a log, the newest, that are kept at most, however few rows they hold."""


class SetPredictionLog(Command):
    """Log a share of a deployment's requests, none with 0, keep the newest rows, and tell of drift from a level on."""

    share: float = Field(ge=0, le=1)
    keep_rows: int = Field(default=1_000_000, ge=1, le=MOST_ROWS)
    alert: DriftLevel = "major"


class RecordPredictions(Command):
    """Hand in a part of the log."""

    target: Target
    artifact: str
    requests: int
    rows: int
    lost: int
    since: datetime
    until: datetime


def set_prediction_log(command: SetPredictionLog, streams: Streams) -> Decided:
    """Decide `SetPredictionLog`; fewer rows are kept from the next part on."""
    state = streams.deployment(command.id)
    asked = (command.share, command.keep_rows, command.alert)
    if (state.share, state.keep_rows, state.alert) == asked or not (command.share or state.share):
        return []
    return [(command.id, PredictionLogSet(**command.model_dump(exclude={"id"})))]


def record_predictions(command: RecordPredictions, streams: Streams) -> Decided:
    """Decide `RecordPredictions`: once for each artifact; the oldest parts are forgotten where that is enough."""
    state = streams.deployment(command.id)
    if command.artifact in [artifact for artifact, _, _ in state.logged]:
        return []
    logged = PredictionsLogged(**command.model_dump(exclude={"id"}))
    events: list[DomainEvent] = [logged, *_forgotten(command, state)]
    return [(command.id, event) for event in events]


def _forgotten(command: RecordPredictions, state: DeploymentState) -> Iterator[PredictionsForgotten]:
    """The oldest parts without which there are as many rows as are to be kept; the new one always stays."""
    rows = sum(rows for _, rows, _ in state.logged) + command.rows
    parts = len(state.logged) + 1
    for artifact, held, _ in state.logged:
        if rows - held < state.keep_rows and parts <= MOST_PARTS:
            return
        rows, parts = rows - held, parts - 1
        yield PredictionsForgotten(artifact=artifact)


HANDLERS: dict[type[Command], Handler] = {
    SetPredictionLog: Handler(own_stream, set_prediction_log),
    RecordPredictions: Handler(own_stream, record_predictions),
}
