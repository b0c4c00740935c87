"""What a person reads of thresholds, intervals, clusters and slices."""

import io
from typing import Any

from rich.console import Console

from skyulf.cli.evaluation_view import shown
from skyulf.core.part_names import part_name

EVALUATION: dict[str, Any] = {
    "thresholds": {
        "criterion": "f1",
        "classes": [{"label": at, "threshold": 0.125 * at} for at in range(8)],
        "rows": 1200, "score": 0.75, "score_without": 0.5,
    },
    "intervals": {"coverage": 0.9, "half_width": 2.5, "observed": 0.875},
    "tuning": {"metric": "roc_auc", "outer": {"mean": 0.9625, "std": 0.0125, "folds": [
        {"fold": 0, "score": 0.75, "parameters": {"model.C": 1.5}, "test": 1021, "reason": None},
        {"fold": 1, "score": None, "parameters": None, "test": 1020, "reason": "none of 4 trials could be scored"},
    ]}},
    "clusters": [{"method": "birch", "metrics": {"silhouette": 0.25, "davies_bouldin": None}, "sizes": [3, 4]}],
    "slices": [
        {"column": "region", "parts": [
            {"value": "north", "rows": 1000, "small": False, "metrics": {"mae": 1.5, "r2": None, "mse": 9.0}},
            {"missing": True, "rows": 3, "small": True, "metrics": {"mae": 4.0, "r2": 0.5, "mse": 1.0}},
        ]},
    ],
}  # fmt: skip


def test_all_of_it_is_told() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(*shown(EVALUATION), sep="\n")
    text = console.export_text()
    for words in ("7", "3 more", "by f1 on 1,200 rows: 0.7500, without 0.5000", "± 2.5", "90.0%", "87.5%", "birch"):
        assert words in text
    (north,) = [line for line in text.splitlines() if "north" in line]
    (missing,) = [line for line in text.splitlines() if "missing" in line]
    assert "1,000" in north
    assert "1.5" in north
    assert "few rows" in missing
    assert "few rows" not in north
    assert "mse" not in text
    assert "roc_auc 0.9625 ± 0.0125" in text
    (judged,) = [line for line in text.splitlines() if "1,021" in line]
    (failed,) = [line for line in text.splitlines() if "1,020" in line]
    assert "0.7500" in judged
    assert "none of 4 trials" in failed


def test_of_others_nothing_is_told() -> None:
    assert (
        list(shown({})) == list(shown({"thresholds": None, "intervals": None, "clusters": None, "slices": None})) == []
    )


def test_parts_have_names() -> None:
    parts: list[dict[str, Any]] = [{"value": True}, {"value": 1.25}, {"range": ["2020-01-01", "2021-01-01"]}]
    parts += [{"other": 3}, {"missing": True}]
    names = ["true", "1.25", "2020-01-01 – 2021-01-01", "3 other values", "missing"]
    assert [part_name(part) for part in parts] == names
