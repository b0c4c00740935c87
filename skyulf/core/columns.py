"""What is known of a dataset's columns: their types and counts, never a value of the data."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ColumnType = Literal["integer", "number", "boolean", "string", "date", "datetime"]
Kind = Literal["numeric", "categorical", "datetime", "text"]

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL")
"""Fields of CSV that stand for a missing value, quoted or not."""

TEXT_MIN_DISTINCT = 20
TEXT_MIN_SHARE = 0.5
FREE_TEXT_MIN_WORDS = 5.0


class ColumnFacts(BaseModel):
    """Facts of one column of a dataset, as its event records them.

    ``nulls`` counts missing cells; ``distinct`` counts the different values that are not missing;
    ``commonest`` and ``rarest`` are how often the commonest and the rarest of those occur (0 if there
    is none); ``skewness`` is that of a numeric column, where it can be computed; ``mean_words`` is how many words
    a filled cell of text has on average, where they were counted. ``unfit`` counts the cells that keep a column from
    being of another type: see `skyulf.ingest.ColumnFacts`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    type: ColumnType
    nulls: int = Field(default=0, ge=0)
    distinct: int = Field(default=0, ge=0)
    commonest: int = Field(default=0, ge=0)
    rarest: int = Field(default=0, ge=0)
    skewness: float | None = None
    mean_words: float | None = Field(default=None, ge=0)
    unfit: int = Field(default=0, ge=0)


def kind_of(facts: ColumnFacts, rows: int) -> Kind:
    """Tell how a column of a dataset of ``rows`` rows is treated.

    Integers, numbers and booleans are numeric (a boolean is 0 or 1); dates and times are datetime. A string
    column is text when it has more than 20 different values and at least half of its filled cells differ
    (names, addresses, comments, identifiers); any other is categorical.
    """
    if facts.type in ("integer", "number", "boolean"):
        return "numeric"
    if facts.type in ("date", "datetime"):
        return "datetime"
    filled = max(rows - facts.nulls, 0)
    near_unique = facts.distinct > TEXT_MIN_DISTINCT and facts.distinct >= TEXT_MIN_SHARE * filled
    return "text" if near_unique else "categorical"


def is_free_text(facts: ColumnFacts, rows: int) -> bool:
    """Tell whether a column holds sentences, whose words say something: names and identifiers have few words."""
    return kind_of(facts, rows) == "text" and (facts.mean_words or 0.0) >= FREE_TEXT_MIN_WORDS
