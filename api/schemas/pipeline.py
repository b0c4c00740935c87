"""Pipelines over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schemas.base import FaultOut, Request, Response
from api.schemas.job import SampleOut


class PipelineIn(Request):
    """A pipeline's name and spec."""

    name: str = Field(min_length=1, max_length=200)
    spec: dict[str, Any]


class CheckIn(Request):
    """A spec to be looked at, by itself or against a version of a dataset (the newest, unless one is named)."""

    spec: dict[str, Any]
    dataset_id: str | None = Field(default=None, min_length=1, max_length=200)
    dataset_version: int | None = Field(default=None, ge=1, lt=2**31)


class ColumnAfterOut(Response):
    """A column as it is after a step, or several that a step makes ``of`` others.

    Several have no name but a ``description``; ``count`` is how many they are and ``most`` how many at most, null where
    only fitting tells.
    """

    name: str | None
    kind: str
    nullable: bool
    of: list[str]
    description: str | None
    count: int | None
    most: int | None


class StepAfterOut(Response):
    """A step with every parameter, the columns that it acts on, and all ``columns`` as they are after it.

    ``reads`` is what it reads: the dataset, or steps by their ids, or by their places where they have none.
    ``selected_by`` is what the spec gives as its columns; ``acts_on_made`` tells whether it acts on columns that
    earlier steps made, too; a ``note`` says that it does nothing.
    """

    id: str | None
    reads: list[str]
    node: str
    params: dict[str, Any]
    selected_by: str | list[str] | dict[str, Any]
    acts_on: list[str]
    acts_on_made: bool
    columns: list[ColumnAfterOut]
    note: str | None


class CandidateOut(Response):
    """A model with every parameter, the steps before it, what it ``reads``, and the ``columns`` of that.

    ``target_transform`` is what a regression learns in place of the target, none where it learns the target itself.
    """

    model: dict[str, Any]
    steps: list[StepAfterOut]
    reads: list[str]
    columns: list[ColumnAfterOut]
    target_transform: str | None = None


class SetAsideOut(Response):
    """A column that would be left out, and why."""

    name: str
    reason: str


class CheckOut(Response):
    """What would keep a spec from being trained, and what would be trained on a dataset.

    Without ``problems`` it can be trained, as far as can be told without running it. ``steps`` are those of the spec,
    or of the first of the ``candidates``, between which cross-validation would choose; ``set_aside`` are columns that
    would be left out. Without a dataset, or without its target, those are empty. ``sample`` is what would be trained on
    where the whole table needs more memory than a job may use here.
    """

    problems: list[FaultOut]
    sample: SampleOut | None = None
    steps: list[StepAfterOut] = []
    candidates: list[CandidateOut] = []
    set_aside: list[SetAsideOut] = []


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
