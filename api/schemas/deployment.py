"""Deployments over HTTP."""

from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from api.schemas.base import CommandAnswer, Reason, Request, Response
from skyulf.commands.base import Name
from skyulf.commands.prediction_log import MOST_ROWS
from skyulf.events.deployment import DriftLevel


class DeployIn(Request):
    """What a deployment is to serve, by number or by alias (resolved now, and not followed), and why."""

    model: Name
    model_version: int | None = Field(default=None, ge=1, lt=2**31)
    alias: Name | None = None
    reason: Reason

    @model_validator(mode="after")
    def one_of_two(self) -> Self:
        """See that the version is named in one way."""
        if (self.model_version is None) == (self.alias is None):
            raise ValueError("give either model_version or alias")
        return self


class DeploymentAnswer(CommandAnswer):
    """What a deployment serves once the command is done; null when it is retired."""

    model: str | None
    model_version: int | None


class ChangeOut(Response):
    """One change of what a deployment serves."""

    at: datetime
    position: int
    action: str
    actor: str
    reason: str | None
    before: int | None
    model: str | None
    model_version: int | None


class LogIn(Request):
    """Which share of the requests is to be logged (0 for none), how many of the newest rows kept, and why.

    A column that has moved as far as ``alert`` from what was trained on is told of by an event.
    """

    share: float = Field(ge=0, le=1, strict=False)
    keep_rows: int = Field(default=1_000_000, ge=1, le=MOST_ROWS)
    alert: DriftLevel = "major"
    reason: Reason


class LogPartOut(Response):
    """A part of a deployment's log: a table of rows and what was said of them, kept under the digest ``artifact``.

    ``requests`` are in it, and ``lost`` more were drawn and could not be kept.
    """

    artifact: str
    position: int
    model: str
    model_version: int
    requests: int
    rows: int
    lost: int
    since: datetime
    until: datetime


class ColumnAlert(Response):
    """A column that has moved, how far, and its population stability index then."""

    name: str
    level: DriftLevel
    psi: float | None


class AlertOut(Response):
    """The drift that was told of what a deployment serves: when last, and who has acknowledged it when, and why."""

    at: datetime
    position: int
    rows: int
    level: DriftLevel
    columns: list[ColumnAlert]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    reason: str | None


class DeploymentOut(Response):
    """A deployment, its one active version (null when retired), and its history, the latest last.

    ``log_share`` of its requests are logged, and the newest ``log_keep_rows`` rows of them kept. Drift from what the
    active version was trained on is told from the level ``drift_alert`` on; ``drift`` is what was told of it.
    """

    id: str
    version: int
    name: str
    status: str
    model: str | None
    model_version: int | None
    created_at: datetime
    log_share: float
    log_keep_rows: int
    drift_alert: DriftLevel
    drift: AlertOut | None
    history: list[ChangeOut]


class PredictIn(Request):
    """Rows to predict: objects of columns and values."""

    rows: list[dict[str, Any]] = Field(min_length=1)


class IntervalOut(Response):
    """The ends of the interval around a prediction, in the target's units."""

    lower: float | None
    upper: float | None


class PredictOut(Response):
    """One prediction a row, of the target's type; ``probabilities`` of a classifier, by class.

    A clustering's prediction is a cluster, a number from 0, and where it has no probabilities, ``distances`` are there:
    how far the row is from each cluster.

    ``intervals`` and their ``coverage`` are there where they are asked for: such a share of them holds the true value.
    """

    model: str
    model_version: int
    predictions: list[str | int | float | bool | None]
    probabilities: list[dict[str, float]] | None
    distances: list[dict[str, float]] | None = None
    coverage: float | None = None
    intervals: list[IntervalOut] | None = None
