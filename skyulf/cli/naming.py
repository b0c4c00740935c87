"""What is chosen for a person who left it out: a model's name, and the kind of task; and what that is called."""

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 100

MANY_CLASSES = 20
"""Integers with more different values than this are taken for quantities."""

ROWS_A_CLASS = 5
"""Integers with fewer rows than this for each value, on average, are taken for quantities, but for two values."""


def valid_name(text: str) -> str:
    """The text with what no name may hold put as ``-``; ``model`` when nothing is left."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:LONGEST] or "model"


def aim_of(of: Mapping[str, Any]) -> str:
    """The task, and of what, where it has a target."""
    return f"{of['task']} of {of['target']}" if of["target"] else str(of["task"])


def guess_task(column: Mapping[str, Any], rows: int) -> tuple[str, str]:
    """The task that a column's facts suggest, and the reason in words."""
    kind, distinct = column["type"], column["distinct"]
    filled = rows - column["nulls"]
    if kind == "string":
        return "classification", f"text with {distinct:,} different values"
    if kind == "boolean":
        return "classification", "true or false"
    if kind == "integer":
        few = distinct <= 2 or (distinct <= MANY_CLASSES and distinct * ROWS_A_CLASS <= filled)
        words = f"whole numbers with {distinct:,} different values"
        return ("classification" if few else "regression"), words
    return "regression", "numbers" if kind == "number" else "dates or times"
