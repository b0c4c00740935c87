"""What a profile warns of, by rules: names of rules and of columns, never a value of the data."""

from collections.abc import Mapping
from typing import Any

from skyulf.errors import Fault, Invalid

RULES: Mapping[str, str] = {
    "all_missing": "no cell is filled",
    "constant": "every filled cell is the same",
    "nearly_constant": "at least 99 of 100 filled cells are the same",
    "mostly_missing": "at least half of the cells are missing",
    "identifier": "nearly every row has a value of its own, as an identifier would; a model learns nothing from it",
    "duplicate": "the columns are equal in every row",
    "related": "one of the two tells nearly all of the other",
    "many_categories": "text with more than 100 different values, many of which recur",
    "skewed": "few rows are very far from the others (skewness above 5); a logarithm may help",
    "leakage": "it tells nearly all of the target: is it known when a prediction is asked for?",
}
"""Every rule, and what it says of its columns."""

NEARLY = 0.99
HALF = 0.5
OWN = 0.98
FEWEST = 50
"""Filled cells below which a column is not called an identifier."""

SENTENCE = 5.0
"""Words from which on text is sentences, which are seldom twice the same, and no identifier."""

MANY = 100
FAR = 5.0
RELATED = 0.98
LEAKING = 0.98
MOST = 100
"""Warnings of one rule that are kept."""


def suspicions(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The warnings of a profile, as ``{"rule", "columns"}``."""
    rows = profile["rows"]
    told = [
        {"rule": rule, "columns": [column["name"]]}
        for column in profile["columns"]
        if (rule := _of_column(column, rows)) is not None
    ]
    told += [{"rule": "duplicate", "columns": list(group)} for group in profile["equal_columns"]]
    return told + _related(profile)


def _of_column(column: Mapping[str, Any], rows: int) -> str | None:
    """The first rule that a column falls under."""
    present = rows - column["nulls"]
    if not rows:
        return None
    rules = {
        "all_missing": not present,
        "constant": present > 1 and column["distinct"] == 1,
        "mostly_missing": column["nulls"] >= HALF * rows,
        "nearly_constant": present >= FEWEST and column["commonest"] >= NEARLY * present,
        "identifier": identifies(column, present),
        "many_categories": column["kind"] == "categorical" and column["distinct"] > MANY,
        "skewed": abs(column["skewness"] or 0.0) > FAR,
    }
    return next((rule for rule, holds in rules.items() if holds), None)


def identifies(column: Mapping[str, Any], present: int) -> bool:
    """Whether nearly every one of the ``present`` cells differs from the others, as names of rows do.

    Numbers with a fraction, and moments, differ in every row without being names of anything.
    """
    if column["type"] not in ("integer", "string") or (column["mean_words"] or 0.0) >= SENTENCE:
        return False
    return present >= FEWEST and column["distinct"] >= OWN * present


def _related(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    equal = [set(group) for group in profile["equal_columns"]]
    names, strength = profile["pairs"]["columns"], profile["pairs"]["strength"]
    pairs = [
        [names[j], names[i]]
        for i in range(len(names))
        for j in range(i)
        if (strength[i][j] or 0.0) >= RELATED and not any({names[i], names[j]} <= group for group in equal)
    ]
    return [{"rule": "related", "columns": pair} for pair in pairs[:MOST]]


def leakage(profile: Mapping[str, Any], target: str) -> list[dict[str, Any]]:
    """Which columns tell nearly all of a target; raises `Invalid` for one that is not there.

    Nothing is said of columns beyond those of which every pair was looked at.
    """
    if target not in {column["name"] for column in profile["columns"]}:
        raise Invalid("the target is not a column", [Fault("target", "the name of a column of the dataset")])
    names, strength = profile["pairs"]["columns"], profile["pairs"]["strength"]
    suspects = [name for group in profile["equal_columns"] if target in group for name in group if name != target]
    if target in names:
        row = strength[names.index(target)]
        suspects += [name for name, found in zip(names, row, strict=True) if (found or 0.0) >= LEAKING]
    return [{"rule": "leakage", "columns": [name]} for name in dict.fromkeys(suspects) if name != target]
