"""Pipelines over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import FaultOut, Request, Response


class PipelineIn(Request):
    """A pipeline's name and spec."""

    name: str = Field(min_length=1, max_length=200)
    spec: dict[str, Any]


class CheckIn(Request):
    """A spec to be looked at, by itself or against a version of a dataset (the newest, unless one is named)."""

    spec: dict[str, Any]
    dataset_id: str | None = Field(default=None, min_length=1, max_length=200)
    dataset_version: int | None = Field(default=None, ge=1, lt=2**31)


class CheckOut(Response):
    """What would keep a spec from being trained; nothing, as far as can be told without running it, when empty."""

    problems: list[FaultOut]


class PipelineOut(Response):
    """A pipeline."""

    id: str
    version: int
    name: str
    spec: dict[str, Any]
    archived: bool
    created_at: datetime


class NodeOut(Response):
    """A step or a model that a spec can name, with the JSON schema of its parameters."""

    name: str
    kind: str
    tasks: list[str]
    doc: str
    params: dict[str, Any]
