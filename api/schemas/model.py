"""Models over HTTP."""

from datetime import datetime

from pydantic import Field

from api.schemas.base import CommandAnswer, Reason, Request, Response


class AliasIn(Request):
    """What an alias is to mean, and why."""

    model_version: int = Field(ge=1, lt=2**31)
    reason: Reason


class AliasAnswer(CommandAnswer):
    """An alias means a version."""

    alias: str
    model_version: int


class ModelVersionOut(Response):
    """A version of a model; ``target`` is empty where its task has none (clustering)."""

    model: str
    model_version: int
    job_id: str
    artifact: str
    fingerprint: str
    metrics: dict[str, float | None]
    task: str
    target: str
    estimator: str
    retired: bool
    created_at: datetime


class ModelOut(Response):
    """A model, its newest version's number and its aliases."""

    id: str
    version: int
    name: str
    model_version: int
    aliases: dict[str, int]
    retired: list[int]
    created_at: datetime
