"""What is chosen for a person who left it out."""

import re
from typing import Any

import pytest

from skyulf.cli.naming import guess_task, valid_name


def column(kind: str, distinct: int, nulls: int = 0) -> dict[str, Any]:
    return {"name": "y", "type": kind, "distinct": distinct, "nulls": nulls}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("penguins", "penguins"),
        ("My data (final)", "My-data-final"),
        ("größe.2024", "gr-e.2024"),
        ("...", "model"),
        ("数据", "model"),
        ("a" * 200, "a" * 100),
        ("v1.2_x-y", "v1.2_x-y"),
    ],
)
def test_a_file_name_becomes_a_valid_name(text: str, name: str) -> None:
    assert valid_name(text) == name
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", valid_name(text))


@pytest.mark.parametrize(
    ("facts", "rows", "task"),
    [
        (column("string", 3), 300, "classification"),
        (column("boolean", 2), 300, "classification"),
        (column("integer", 2), 4, "classification"),
        (column("integer", 10), 300, "classification"),
        (column("integer", 10), 40, "regression"),
        (column("integer", 10, nulls=260), 300, "regression"),
        (column("integer", 21), 10_000, "regression"),
        (column("number", 2), 300, "regression"),
    ],
)
def test_the_task_follows_from_the_columns_facts(facts: dict[str, Any], rows: int, task: str) -> None:
    guessed, because = guess_task(facts, rows)
    assert guessed == task
    assert because
