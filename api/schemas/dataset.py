"""Datasets over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.schemas.base import CommandAnswer, Request, Response
from skyulf.events.dataset import ColumnType, Unfit


class HowToRead(Request):
    """What an upload may say of its file besides; what is left out is inferred."""

    types: dict[str, ColumnType] = Field(
        default_factory=dict, description="A JSON object: types by column's name, in place of what would be inferred."
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(default=None, description="Of CSV; found by itself.")
    decimal: Literal[",", "."] | None = Field(default=None, description="The decimal mark of CSV; found by itself.")
    header: bool = Field(default=True, description="Without one, the columns of CSV are column_1 and on.")
    unfit: Unfit = Field(
        default="refuse",
        description="What becomes of cells that are not of the types asked for: missing takes them so.",
    )


class VersionFromUri(HowToRead):
    """A dataset's version to be read from where it lies."""

    uri: str = Field(
        min_length=1,
        max_length=2000,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="s3://bucket/table.csv or file:///folder/table.csv, below what SKYULF_URI_ROOTS allows.",
    )


class DatasetFromUri(VersionFromUri):
    """A dataset to be read from where it lies."""

    name: str = Field(min_length=1, max_length=200)


class ColumnOut(Response):
    """Facts about a column; counts only.

    ``unfit`` counts, of a text column of which most cells are numbers, those that are none; of one whose type was asked
    for, those that are missing because they are not of it.
    """

    name: str
    type: str
    nulls: int
    distinct: int
    commonest: int
    rarest: int
    skewness: float | None
    mean_words: float | None = None
    unfit: int = 0


class DatasetAnswer(CommandAnswer):
    """A dataset version was added; ``warnings`` say what in it was perhaps not meant so, and the way out."""

    dataset_version: int
    digest: str
    rows: int
    columns: list[ColumnOut]
    warnings: list[str]


class TrainedOut(Response):
    """A version of a model."""

    model: str
    model_version: int


class Erasure(Response):
    """What was given up with a dataset: how many artifacts, and what was trained on it or served such a model."""

    artifacts: int
    models: list[TrainedOut]
    deployments: list[str]


class DatasetErasedAnswer(CommandAnswer, Erasure):
    """A dataset is erased."""


class ErasureOut(Erasure):
    """When, by whom and why a dataset was erased; ``finished_at`` is null until its key and files are destroyed."""

    at: datetime
    by: str
    reason: str | None
    finished_at: datetime | None


class DatasetListed(Response):
    """A dataset in a list, with the size of its newest version; ``erased`` is null while its data is there."""

    id: str
    version: int
    name: str
    dataset_version: int
    digest: str
    rows: int
    column_count: int
    created_at: datetime
    erased: ErasureOut | None = None


class DatasetOut(DatasetListed):
    """A dataset with the columns of its newest version; ``warnings`` as when it was added."""

    filename: str
    size: int
    columns: list[ColumnOut]
    warnings: list[str]


class SourceOut(Response):
    """How a file was read, as it was found or asked for; null where its format has no such thing.

    ``uri`` is where it lay; null when it was uploaded.
    """

    encoding: str | None
    delimiter: str | None
    decimal: str | None
    header: bool
    types: dict[str, str]
    unfit: str = "refuse"
    uri: str | None


class DatasetVersionOut(Response):
    """A version of a dataset; ``artifact`` is the digest of its typed table, ``digest`` that of the file sent."""

    dataset_id: str
    dataset_version: int
    digest: str
    artifact: str
    rows: int
    filename: str
    size: int
    source: SourceOut
    columns: list[ColumnOut]
    created_at: datetime


class DatasetRows(Response):
    """The first rows of a dataset version, each an object of column names and values; ``rows`` is how many it has."""

    dataset_version: int
    rows: int
    items: list[dict[str, str | float | int | bool | None]]
