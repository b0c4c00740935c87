"""One table, one split: held back, sent, trained with task and target alone, deployed, asked over HTTP, and scored."""

import csv
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from bench.accuracy import peers
from bench.accuracy.sets import Metric, Table
from bench.servers import Server

HELD_BACK = 0.25
AT_ONCE = 1000
STRANGE_SHARE = 0.05
EMPTY = ("", "NA", "NaN", "nan")
"""What stands in a CSV file for a missing cell; a person sends null for it."""


@dataclass(frozen=True)
class Outcome:
    """The scores of one split, and what training chose of how many candidates; times are in seconds."""

    ours: float
    trees: float
    linear: float
    chosen: str
    candidates: int
    set_aside: int
    train_seconds: float
    peer_seconds: float


def judge(server: Server, table: Table, frame: pd.DataFrame, split: int) -> Outcome:
    """Hold a quarter of the rows back, and score ours and both peers on those of them that have a target."""
    kept, held = _split(table, frame, split)
    metric = table.metric(frame)
    with tempfile.TemporaryDirectory(prefix="skyulf-accuracy-") as folder:
        # Everyone reads what a person would have on the disk.
        for part, name in ((kept, "kept"), (held, "held")):
            part.to_csv(Path(folder) / f"{name}.csv", index=False)
        train, test = (pd.read_csv(Path(folder) / f"{name}.csv", low_memory=False) for name in ("kept", "held"))
        served, job, seconds = _serve(server, table, Path(folder) / "kept.csv", split)
        answers = _ask(server, served, Path(folder) / "held.csv", table, job["types"])
    truth = test[table.target].to_numpy()
    ours = _score(metric, truth, *answers)
    train = train[train[table.target].notna()]
    known = train[table.target]
    target = (known if table.task == "regression" else known.map(_label)).to_numpy()
    columns, asked = peers.features(train, table), peers.features(test, table)
    begun = time.perf_counter()
    scores = []
    for make in (peers.trees, peers.linear):
        model = make(columns, target, table, split)
        classes = list(model.classes_) if table.task == "classification" else None
        scores.append(_score(metric, truth, classes, peers.answers(model, asked, table)))
    spent = time.perf_counter() - begun
    chosen = job["spec"]["model"]["node"]
    trees, linear = scores
    return Outcome(ours, trees, linear, chosen, job["candidates"], job["set_aside"], seconds, spent)


def _split(table: Table, frame: pd.DataFrame, split: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    shares = None
    if table.task == "classification":
        counts = frame[table.target].value_counts()
        rare = frame[table.target].isna() | frame[table.target].map(counts).lt(4)
        shares = frame[table.target].astype(str).mask(rare, "rare") if rare.sum() != 1 else None
    kept, held = train_test_split(frame, test_size=HELD_BACK, random_state=split, stratify=shares)
    if table.task == "classification":  # who has a single row of a class is told to take it out
        kept = kept[kept[table.target].isna() | kept[table.target].map(kept[table.target].value_counts()).gt(1)]
    held = held[held[table.target].notna()].copy()
    draw = np.random.default_rng(split)
    for name in table.strange:
        held[name] = held[name].mask(draw.random(len(held)) < STRANGE_SHARE, "never seen before")
    return kept, held


def _serve(server: Server, table: Table, path: Path, split: int) -> tuple[str, dict[str, Any], float]:
    """Train with nothing but task and target, and deploy; the deployment's name, what the job tells, and seconds."""
    name = f"{''.join(c if c.isalnum() else '-' for c in table.name)}-{split}"
    dataset = server.upload(path)
    spec = {"task": table.task, "target": table.target}
    seconds, job_id = server.train(dataset["id"], spec, model_name=name, seed=split)
    job = server.call("GET", f"/v1/jobs/{job_id}")
    asked = {"model": name, "model_version": job["model_version"], "reason": "to be judged"}
    server.call("PUT", f"/v1/deployments/{name}", asked)
    told = {
        "spec": job["spec"],
        "candidates": max(len(job["candidate_scores"]), 1),
        "set_aside": len(job["set_aside"]),
        "types": {column["name"]: column["type"] for column in dataset["columns"]},
    }
    return name, told, seconds


def _ask(server: Server, name: str, path: Path, table: Table, types: dict[str, str]) -> tuple[list[Any] | None, Any]:
    """Send the held-back rows as they stand in the file; the classes, if any, and numbers or probabilities."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            {column: _cell(text, types[column]) for column, text in row.items() if column != table.target}
            for row in csv.DictReader(file)
        ]
    answers = [
        server.call("POST", f"/v1/deployments/{name}/predict", {"rows": rows[at : at + AT_ONCE]})
        for at in range(0, len(rows), AT_ONCE)
    ]
    if table.task == "regression":
        return None, np.array([one for answer in answers for one in answer["predictions"]], dtype=float)
    chances = [one for answer in answers for one in answer["probabilities"]]
    classes = list(chances[0])
    return classes, np.array([[one[label] for label in classes] for one in chances])


def _cell(text: str, kind: str) -> Any:
    if text in EMPTY:
        return None
    if kind in ("integer", "number"):
        return float(text)
    return text.lower() == "true" if kind == "boolean" else text


def _label(value: Any) -> str:
    """A class as the server names it: 1.0 of a column that has gaps is 1, True is true."""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _score(metric: Metric, truth: Any, classes: list[Any] | None, answer: Any) -> float:
    if classes is None:
        return math.sqrt(float(np.mean((truth.astype(float) - answer) ** 2)))
    labels = np.array([_label(value) for value in truth])
    named = [_label(value) for value in classes]
    if metric == "accuracy":
        return float((np.array(named)[answer.argmax(axis=1)] == labels).mean())
    second = sorted(named)[1]
    return float(roc_auc_score(labels == second, answer[:, named.index(second)]))
