"""What is shown of deployments."""

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from skyulf.events.base import Recorded
from skyulf.events.deployment import (
    LEVELS,
    DeploymentCreated,
    DeploymentEvent,
    DeploymentRetired,
    DeploymentRolledBack,
    DeploymentRolledOut,
    DriftAcknowledged,
    DriftFound,
    DriftLevel,
    PredictionLogSet,
    PredictionsForgotten,
    PredictionsLogged,
    Target,
)
from skyulf.projections.base import Projection, Row, by_stream

Action = Literal["rolled_out", "rolled_back", "retired"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what a deployment serves: when, who, why, and what was served before and after."""

    at: datetime
    position: int
    action: Action
    actor: str
    reason: str | None
    before: int | None
    model: str | None
    model_version: int | None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """The drift that was told of what a deployment serves: when last, and who has acknowledged it when, and why.

    ``columns`` have the highest level that was told of each, and the population stability index of it.
    """

    at: datetime
    position: int
    rows: int
    level: DriftLevel
    columns: list[dict[str, Any]]
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    reason: str | None = None


class DeploymentRow(Row, frozen=True, kw_only=True):
    """A deployment, the one version that it serves (or none, once retired), and its history, the latest last.

    ``log_share`` of its requests are logged, and the newest ``log_keep_rows`` rows of them kept; ``drift_alert`` is the
    level from which on drift is told, and ``drift`` what was told of the active version.
    """

    id: str
    version: int
    name: str
    created_at: datetime
    created_position: int
    status: Literal["active", "retired"] = "active"
    model: str | None = None
    model_version: int | None = None
    artifact: str | None = None
    history: list[Change] = []
    log_share: float = 0.0
    log_keep_rows: int = 0
    drift_alert: DriftLevel = "none"
    drift: Alert | None = None


class PredictionLogRow(Row, frozen=True, kw_only=True):
    """A part of a deployment's log of predictions: a table of rows and of what was said of them, under its digest."""

    deployment: str
    artifact: str
    position: int
    model: str
    model_version: int
    requests: int
    rows: int
    lost: int
    since: datetime
    until: datetime


def _changed(
    row: DeploymentRow, recorded: Recorded, action: Action, before: Target | None, after: Target | None
) -> Change:
    metadata = recorded.metadata
    return Change(
        at=metadata.recorded_at,
        position=recorded.position,
        action=action,
        actor=metadata.actor.id,
        reason=metadata.reason,
        before=before.model_version if before else row.model_version,
        model=after.model if after else None,
        model_version=after.model_version if after else None,
    )


def fold_deployment(row: DeploymentRow | None, event: DeploymentEvent, recorded: Recorded) -> DeploymentRow:
    """The deployment's row after the event."""
    if isinstance(event, DeploymentCreated):
        return DeploymentRow(
            id=recorded.stream,
            version=recorded.version,
            name=recorded.stream.removeprefix("deployment-"),
            created_at=recorded.metadata.recorded_at,
            created_position=recorded.position,
        )
    assert row is not None
    match event:
        case PredictionLogSet():
            log = {"log_share": event.share, "log_keep_rows": event.keep_rows, "drift_alert": event.alert}
            return msgspec.structs.replace(row, version=recorded.version, **log)
        case PredictionsLogged() | PredictionsForgotten():
            return msgspec.structs.replace(row, version=recorded.version)
        case DriftFound() | DriftAcknowledged():
            return msgspec.structs.replace(row, version=recorded.version, drift=_alert(row.drift, event, recorded))
        case DeploymentRolledOut():
            change = _changed(row, recorded, "rolled_out", event.before, event.after)
        case DeploymentRolledBack():
            change = _changed(row, recorded, "rolled_back", event.before, event.after)
        case DeploymentRetired():
            change = _changed(row, recorded, "retired", None, None)
    after = None if isinstance(event, DeploymentRetired) else event.after
    return msgspec.structs.replace(
        row,
        version=recorded.version,
        status="active" if after else "retired",
        model=after.model if after else None,
        model_version=after.model_version if after else None,
        artifact=after.artifact if after else None,
        history=[*row.history, change],
        drift=None,
    )


def _alert(known: Alert | None, event: DriftFound | DriftAcknowledged, recorded: Recorded) -> Alert:
    """What was told of drift, after the event."""
    metadata = recorded.metadata
    if isinstance(event, DriftAcknowledged):
        assert known is not None
        who = {"acknowledged_at": metadata.recorded_at, "acknowledged_by": metadata.actor.id}
        return msgspec.structs.replace(known, **who, reason=metadata.reason)
    columns = {column["name"]: column for column in known.columns} if known else {}
    columns |= {column.name: column.model_dump() for column in event.columns}
    levels = [column["level"] for column in columns.values()]
    return Alert(
        at=metadata.recorded_at,
        position=recorded.position,
        rows=event.rows,
        level=max(levels, key=LEVELS.index),
        columns=list(columns.values()),
    )


DEPLOYMENTS = Projection(
    name="deployments",
    version=2,
    row=DeploymentRow,
    folds=get_args(DeploymentEvent),
    key=by_stream,
    fold=fold_deployment,
    columns={"created_position": "position", "name": "text", "status": "text", "model": "text"},
    indexes=(("created_position",), ("name",), ("status", "created_position"), ("model", "created_position")),
)


def fold_log(
    row: PredictionLogRow | None, event: PredictionsLogged | PredictionsForgotten, recorded: Recorded
) -> PredictionLogRow | None:
    """The row of a part of a log; none once it is forgotten."""
    if isinstance(event, PredictionsForgotten):
        return None
    assert row is None
    return PredictionLogRow(
        deployment=recorded.stream.removeprefix("deployment-"),
        artifact=event.artifact,
        position=recorded.position,
        model=event.target.model,
        model_version=event.target.model_version,
        requests=event.requests,
        rows=event.rows,
        lost=event.lost,
        since=event.since,
        until=event.until,
    )


PREDICTION_LOGS = Projection(
    name="prediction_logs",
    version=1,
    row=PredictionLogRow,
    folds=(PredictionsLogged, PredictionsForgotten),
    key=lambda recorded, event: f"{recorded.stream}/{event.artifact}",
    fold=fold_log,
    columns={"deployment": "text", "position": "position"},
    indexes=(("deployment", "position"),),
)
