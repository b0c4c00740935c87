"""Pipelines over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import Request, Response


class PipelineIn(Request):
    """A pipeline's name and spec."""

    name: str = Field(min_length=1, max_length=200)
    spec: dict[str, Any]


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
