"""Tables to learn from: numbers, a target of two classes, and nothing that a benchmark would have to explain."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.measure import process

COLUMNS = 20

MODELS: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "random_forest": {"n_estimators": 50, "max_depth": 12},
    "hist_gradient_boosting": {},
    "extra_trees": {"n_estimators": 50, "max_depth": 12},
    "decision_tree": {"max_depth": 12},
    "naive_bayes": {},
}
"""Six models of unlike kinds, which ``bench.direct`` learns, too, and their parameters."""


def make(folder: Path, rows: int) -> Path:
    """Write ``rows`` of `COLUMNS` numbers and a target as Parquet; the classes overlap, and some depend on products."""
    draw = np.random.default_rng(rows)
    values = draw.normal(size=(rows, COLUMNS))
    score = values[:, :6] @ np.array([1.5, -1.0, 0.8, 0.5, -0.4, 0.3]) + values[:, 6] * values[:, 7]
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(COLUMNS)])
    frame["target"] = (score + draw.logistic(size=rows) > 0).astype(np.int64)
    path = folder / f"rows-{rows}.parquet"
    frame.to_parquet(path, index=False)
    return path


def rows_of(path: Path, count: int) -> bytes:
    """The first rows as the body of a prediction."""
    frame = pd.read_parquet(path).drop(columns="target").head(count)
    return json.dumps({"rows": frame.to_dict("records")}).encode()


def spec_of(model: str, params: dict[str, Any]) -> dict[str, Any]:
    """A spec: a linear model is given filled and scaled columns, trees take them as they are."""
    steps: list[dict[str, Any]] = []
    if model == "logistic_regression":
        steps = [
            {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
            {"node": "scale", "columns": "numeric"},
        ]
    split = {"test_size": 0.2, "stratify": True}
    return {
        "task": "classification",
        "target": "target",
        "split": split,
        "steps": steps,
        "model": {"node": model, "params": params},
    }


class Direct:
    """The process of ``bench/direct.py``."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child

    def seconds(self, **order: Any) -> float:
        """What an order took there."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(order).encode() + b"\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError("the process that learns directly ended")
        return float(json.loads(answer)["seconds"])


@contextlib.contextmanager
def direct(*frames: Path) -> Iterator[Direct]:
    """A process that learns with scikit-learn directly on these frames, which it has read; OpenMP waits as it comes."""
    command = [sys.executable, "-m", "bench.direct", *(str(frame) for frame in frames)]
    with process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield Direct(child)
