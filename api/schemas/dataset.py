"""Datasets over HTTP."""

from datetime import datetime

from pydantic import Field

from api.schemas.base import CommandAnswer, Request, Response


class DatasetFromUri(Request):
    """A dataset to be read from where it lies."""

    name: str = Field(min_length=1, max_length=200)
    uri: str = Field(min_length=1, max_length=2000)


class ColumnOut(Response):
    """Facts about a column; counts only."""

    name: str
    type: str
    nulls: int
    distinct: int
    commonest: int
    rarest: int
    skewness: float | None


class DatasetAnswer(CommandAnswer):
    """A dataset version was added."""

    dataset_version: int
    digest: str
    rows: int
    columns: list[ColumnOut]


class DatasetListed(Response):
    """A dataset in a list, with the size of its newest version."""

    id: str
    version: int
    name: str
    dataset_version: int
    digest: str
    rows: int
    column_count: int
    created_at: datetime


class DatasetOut(DatasetListed):
    """A dataset with the columns of its newest version."""

    filename: str
    size: int
    columns: list[ColumnOut]
