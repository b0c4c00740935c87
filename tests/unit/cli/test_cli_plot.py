"""Pictures of evaluations: of every kind that there can be, of labels and numbers of any sort."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skyulf.cli.plot import _check, default_name, subtitle, title
from skyulf.cli.screen import UsageError
from skyulf.core.evaluation import evaluate_classes, evaluate_numbers
from skyulf.core.plots.figure import draw, save
from skyulf.core.plots.panels import COLOURS, QUIET, short, styled

PNG = b"\x89PNG\r\n"

JOB: dict[str, Any] = {
    "id": "job-1",
    "model_name": "irises",
    "model_version": 3,
    "dataset_version": 2,
    "spec": {"task": "classification", "target": "kind", "model": {"node": "ridge"}},
    "metrics": {"roc_auc": 0.98765, "f1": 0.5, "log_loss": None, "accuracy": 0.9},
    "rows": {"test": 1200},
}


def classes(labels: list[Any], rows: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    truth = np.arange(rows) % len(labels)
    chances = rng.dirichlet(np.ones(len(labels)), rows) + np.eye(len(labels))[truth] * 0.2
    chances /= chances.sum(axis=1, keepdims=True)
    _, document = evaluate_classes(truth, chances.argmax(axis=1), chances, labels)
    stored: dict[str, Any] = json.loads(json.dumps(document))
    return stored


def numbers(*truth: float) -> dict[str, Any]:
    _, document = evaluate_numbers(np.array(truth), np.array(truth) * 1.01)
    stored: dict[str, Any] = json.loads(json.dumps(document))
    return stored


def important(columns: int) -> dict[str, Any]:
    worth = [{"column": f"column ${at}_{{", "mean": 1 / (at + 1) - 0.2, "std": 0.05} for at in range(columns)]
    worth[0]["std"] = None
    return {"importance": worth, "importance_of": {"metric": "brier", "score": 0.1, "rows": 100, "repeats": 5}}


def sliced(metric: str) -> dict[str, Any]:
    parts = [{"value": "$a_{", "rows": 40, "small": False, "metrics": {metric: 0.5}}]
    parts += [{"range": [1.5, 2], "rows": 4, "small": True, "metrics": {metric: None}}]
    parts += [{"missing": True, "rows": 1, "small": True, "metrics": {metric: 1.0}}]
    return {"slices": [{"column": f"column $_{at}", "parts": parts} for at in range(6)]}


@pytest.mark.parametrize(
    "evaluation",
    [
        classes([False, True]),
        classes([1, 2, 3]),
        {**classes([1, 2]), **important(40)},
        {**numbers(*range(20)), **important(1)},
        {**numbers(*range(20)), **sliced("mae")},
        {**classes([1, 2]), **sliced("accuracy")},
        classes(["$a_b$", "鳥", "a very long label without an end", "\\frac{", "e"]),
        classes(list(range(12))),
        classes(list(range(26))),
        classes(list(range(40))),
        {"confusion_matrix": [[1, 0], [0, 0]], "labels": ["of", "old"]},
        numbers(1.0),
        numbers(0.0, 0.0, 0.0),
        numbers(*range(200)),
        numbers(1e300, -1e300),
        numbers(np.nan, 1.0),
        {"residuals": {"quantiles": {"0.5": None}, "mean": None, "std": None}},
    ],
)
def test_every_evaluation_becomes_a_picture(evaluation: dict[str, Any], tmp_path: Path) -> None:
    for file in (tmp_path / "a.png", tmp_path / "a.svg"):
        save(draw(evaluation, "title of $x_1" * 20, "subtitle"), file)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()[:1000]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_the_same_evaluation_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        save(draw(classes(["a", "b"]), "t", "s"), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_largest_classes_have_colours_and_the_rest_one_line_in_the_legend() -> None:
    curves = [{"label": n, "support": n, "roc": {"x": 1}, "roc_auc": 0.5} for n in range(10)]
    drawn = {curve["label"]: style for curve, style in styled(curves, "roc")}
    assert [label for label, style in drawn.items() if style["color"] == QUIET] == [0, 1, 2]
    assert [drawn[label]["label"] for label in (0, 1, 9)] == ["3 smaller classes", "_", "9  0.500"]
    assert {style["color"] for style in drawn.values()} == {QUIET, *COLOURS}
    assert short(True) == "true"


def test_a_picture_says_what_it_is_of() -> None:
    assert title(JOB) == "irises:3 · ridge · classification of kind"
    assert subtitle(JOB, "flowers") == "flowers, version 2 · 1,200 held-out rows · accuracy 0.9 · ROC AUC 0.9877"
    assert default_name(JOB) == "irises-3"
    assert default_name({**JOB, "model_version": None}) == "job-1"


@pytest.mark.parametrize("name", ["x.jpg", "x", "none/x.png"])
def test_where_a_picture_cannot_go_is_told_before_it_is_drawn(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--output"):
        _check(tmp_path / name)
    _check(tmp_path / "x.SVG")


DRAWING = """
import sys
from pathlib import Path

import matplotlib

before = matplotlib.rcParams.copy()
from skyulf.core.plots.figure import draw, save

save(draw({"confusion_matrix": [[1, 0], [0, 1]], "labels": ["a", "b"]}, "t", "s"), Path(sys.argv[1]))
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""


def test_drawing_leaves_no_state_behind(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DRAWING, tmp_path / "a.png"], check=True)
    assert (tmp_path / "a.png").exists()
