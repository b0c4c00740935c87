"""Deployments over HTTP."""

from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from api.schemas.base import CommandAnswer, Reason, Request, Response
from skyulf.commands.base import Name


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


class DeploymentOut(Response):
    """A deployment, its one active version (null when retired), and its history, the latest last."""

    id: str
    version: int
    name: str
    status: str
    model: str | None
    model_version: int | None
    created_at: datetime
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

    ``intervals`` and their ``coverage`` are there where they are asked for: such a share of them holds the true value.
    """

    model: str
    model_version: int
    predictions: list[str | int | float | bool | None]
    probabilities: list[dict[str, float]] | None
    coverage: float | None = None
    intervals: list[IntervalOut] | None = None
