"""What a sandbox does for a model that was trained: make its ONNX copy, find out which columns matter, or move it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from skyulf.core.spec import PipelineSpec
from skyulf.errors import NotAllowed
from skyulf.reactions.trainer import read

COPY = "model.onnx"
EXPLANATION = "explanation.json"

PROBE_ROWS = 1_000

LEAST_URGENT = 19

AWAITED = 10
"""Predictions and jobs come first."""


@dataclass(frozen=True, slots=True)
class Finish:
    """A model and the table it was trained on, as plain values, and where the results go.

    ``columns`` are the facts of the whole table, which has ``rows`` rows; ``sampled`` of them were trained on.
    """

    model: str
    digest: str
    table: str
    folder: str
    columns: tuple[dict[str, Any], ...]
    seed: int
    rows: int
    sampled: int | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of the ONNX copy; its file is `COPY` in the folder, unless there is a reason why there is none."""

    reason: str | None
    probe_rows: int
    largest_difference: float | None


@dataclass(frozen=True, slots=True)
class Explained:
    """How columns were judged; `EXPLANATION` in the folder holds what came of it."""

    metric: str
    rows: int
    repeats: int


def make_copy(_: Callable[[Any], None], task: Finish) -> Copied:
    """Make the ONNX copy, compare it with the model on rows of the table, and write it if it agrees."""
    os.nice(LEAST_URGENT)
    from skyulf.core.applier import Applier
    from skyulf.core.formats import load_model
    from skyulf.core.frame import Sample, read_frame
    from skyulf.core.packaging import NotPackaged, package

    model = load_model(task.model)
    if model.spec.streaming is None:
        frame = read(task, [model.spec])[0]
    else:
        frame = read_frame(task.table, model.spec.target, Sample(min(task.rows, PROBE_ROWS), task.seed))
    rows = Applier(model).columns_of_frame(frame.iloc[:: max(1, len(frame) // PROBE_ROWS)])
    outcome = package(model, task.digest, rows)
    if isinstance(outcome, NotPackaged):
        return Copied(outcome.reason, outcome.probe_rows, outcome.largest_difference)
    (Path(task.folder) / COPY).write_bytes(outcome.content)
    return Copied(None, outcome.probe_rows, outcome.largest_difference)


def explain_model(_: Callable[[Any], None], task: Finish) -> Explained:
    """Find out how much each column matters, and write it down."""
    os.nice(LEAST_URGENT)
    from skyulf.core.formats import load_model
    from skyulf.core.importance import explain

    model = load_model(task.model)
    _all_at_once(model.spec)
    frame, columns = read(task, [model.spec])
    document = explain(model, frame, columns, task.seed, threads=1)
    (Path(task.folder) / EXPLANATION).write_bytes(orjson.dumps(document))
    return Explained(document["metric"], document["rows"], document["repeats"])


def attribute_model(_: Callable[[Any], None], task: Finish) -> bytes:
    """How much each column moves what a model says, as JSON; somebody waits for it."""
    os.nice(AWAITED)
    from skyulf.core.attribution import attribute
    from skyulf.core.formats import load_model

    model = load_model(task.model)
    _all_at_once(model.spec)
    frame, columns = read(task, [model.spec])
    return orjson.dumps(attribute(model, frame, columns, task.seed, threads=1))


def _all_at_once(spec: PipelineSpec) -> None:
    """Refuse what takes the whole table, of a model that was trained in pieces because there may be no room for it."""
    if spec.streaming is not None:
        raise NotAllowed("it was trained in pieces, and this takes all rows at once")


def audit_copy(_: Callable[[Any], None], path: str) -> None:
    """Refuse an ONNX copy of others that is none of ours, and load it here first; raises `Damaged`."""
    from skyulf.core.packaging import audit
    from skyulf.core.scorer import Scorer

    content = Path(path).read_bytes()
    audit(content)
    Scorer(content)
