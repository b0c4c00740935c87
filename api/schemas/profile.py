"""What is said of a dataset's profile, and of the drift between two of its versions."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Response

Matrix = list[list[float | None]]

Level = Literal["none", "moderate", "major"]


class SampleOut(Response):
    """Rows drawn at random; quantiles of them are off by less than ``rank_error`` in rank, with probability 0.95."""

    rows: int
    rank_error: float


class TopValue(Response):
    """A value, and how many rows have it; of a sample, how many of its rows."""

    value: str | float | int | bool
    count: int


class HistogramOut(Response):
    """Bins between edges, which are one more than counts; a bin holds its lower edge and not its upper one."""

    edges: list[float | str]
    counts: list[int]


class ColumnProfile(Response):
    """What a column looks like; what does not apply to its type is left out. ``top_of`` is ``rows`` or ``sample``."""

    name: str
    type: str
    kind: str
    nulls: int
    distinct: int
    commonest: int
    skewness: float | None
    mean_words: float | None
    top: list[TopValue]
    top_of: Literal["rows", "sample"]
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    mean: float | None = None
    deviation: float | None = None
    zeros: int | None = None
    negatives: int | None = None
    quantiles: dict[str, float | int | str] | None = None
    histogram: HistogramOut | None = None
    letters: dict[str, float | None] | None = None


class PairsOut(Response):
    """Correlations of ``numeric`` columns, and the strength, from 0 to 1, of the association of all ``columns``."""

    numeric: list[str]
    pearson: Matrix
    spearman: Matrix
    columns: list[str]
    strength: Matrix


class WarningOut(Response):
    """A rule, and the columns that fall under it."""

    rule: str
    columns: list[str]


class DatasetProfile(Response):
    """What a version of a dataset looks like."""

    dataset_id: str
    dataset_version: int
    format: int
    rows: int
    sample: SampleOut
    columns: list[ColumnProfile]
    equal_columns: list[list[str]]
    pairs: PairsOut
    warnings: list[WarningOut]


class SideOut(Response):
    """One side of a comparison: its rows, and how many of them were drawn."""

    rows: int
    sampled: int


class ColumnDrift(Response):
    """How far a column has moved; what does not apply to its type is left out. ``missing`` are shares before, after.

    ``psi``: population stability index; ``js``: Jensen-Shannon distance; ``ks``: Kolmogorov and Smirnov's test;
    ``wasserstein``: in deviations of the reference; ``chi2``: the test of homogeneity; ``unseen``: the share of rows
    in categories that the reference has not.
    """

    name: str
    type: str
    level: Level
    missing: list[float]
    psi: float | None = None
    js: float | None = None
    ks: dict[str, float] | None = None
    wasserstein: float | None = None
    chi2: dict[str, Any] | None = None
    unseen: float | None = None


class Drift(Response):
    """How far a table has moved from another; ``level`` is the highest of its columns'."""

    format: int
    reference: SideOut
    current: SideOut
    level: Level
    drifted: int
    added: list[str]
    removed: list[str]
    retyped: list[str]
    columns: list[ColumnDrift]


class DatasetDrift(Drift):
    """How far a version of a dataset has moved from another."""

    dataset_id: str
    from_: int = Field(alias="from")
    to: int


class DeploymentDrift(Drift):
    """How far the newest logged predictions of a version have moved from the dataset that it was trained on.

    The column ``target`` compares what was predicted with what the dataset holds there.
    """

    deployment: str
    model: str
    model_version: int
    dataset_id: str
    dataset_version: int
    target: str
