"""Columns by which a good score means little: the target under another name, and names of rows."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.columns import ColumnFacts
from skyulf.core.suspicions import identifies

Array = np.ndarray[Any, Any]

LOOK = 1_000
"""Rows that are looked at first: nearly every column is done with after them."""

FEWEST = 20
"""Rows below which chance makes copies."""

ALL_BUT = 1e-6
"""Share of a target's variance that a straight line may leave: what rounding to other units does."""

WORDS = 1.5
"""Words in a cell, on average, from which on text is no name of a row."""

MOST = 10
"""Columns that are named."""


def warnings_of(
    used: Sequence[str],
    facts: Sequence[ColumnFacts],
    rows: int,
    features: pd.DataFrame,
    target: Array,
    classes: bool,
    train: Array,
) -> list[str]:
    """What to warn of among the columns that are ``used``, by name, without values.

    ``train`` are the positions of training rows in ``features`` and ``target``; ``facts`` are those of the dataset, of
    so many ``rows``.
    """
    told = []
    if copies := copies_of(target[train], classes, features[list(used)], train):
        told.append(
            f"{_listed(copies)} the target of all {len(train):,} training rows that were looked at; is that known when"
            " a prediction is asked for?"
        )
    named = {fact.name for fact in facts if _names_rows(fact, rows)}
    told += [
        f"nearly every row has a value of its own in column {name}, as an identifier would; drop it, or a model learns"
        " rows by heart"
        for name in used
        if name in named
    ]
    return told[:MOST]


def copies_of(target: Array, classes: bool, features: pd.DataFrame, rows: Array) -> list[str]:
    """Columns that tell the target of each of the ``rows``: classes by a value for each, numbers by a straight line.

    ``target`` is that of those rows alone.
    """
    if len(rows) < FEWEST:
        return []
    tells = _renames if classes else _on_a_line
    head, first = features.iloc[rows[:LOOK]], tells(target[:LOOK])
    suspects = [str(name) for name in head if first(head[name])]
    whole = tells(target) if suspects else first
    return [name for name in suspects if whole(features[name].iloc[rows])]


def _renames(target: Array) -> "Callable[[pd.Series[Any]], bool]":
    codes, classes = pd.factorize(target)
    return partial(_is_renamed, codes, len(classes))


def _is_renamed(codes: Array, classes: int, values: "pd.Series[Any]") -> bool:
    found, different = pd.factorize(values, use_na_sentinel=False)
    return len(different) == classes == len(np.unique(found.astype(np.int64) * classes + codes))


def _on_a_line(target: Array) -> "Callable[[pd.Series[Any]], bool]":
    return partial(_lies_on_a_line, target - target.mean())


def _lies_on_a_line(away: Array, values: "pd.Series[Any]") -> bool:
    if values.dtype != np.float64:
        return False
    with np.errstate(all="ignore"):  # what overflows, or has gaps, is not finite, and no line
        apart = values.to_numpy() - values.to_numpy().mean()
        spread = (apart @ apart) * (away @ away)
        return bool(spread > 0 and (apart @ away) ** 2 >= (1 - ALL_BUT) * spread)


def _names_rows(fact: ColumnFacts, rows: int) -> bool:
    one_word = fact.type == "string" and (fact.mean_words or 1.0) < WORDS
    return one_word and identifies(fact.model_dump(), rows - fact.nulls)


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"column {names[0]} tells"
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"columns {', '.join(names[:MOST])}{more} each tell"
