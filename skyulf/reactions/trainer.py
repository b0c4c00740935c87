"""What a sandbox does for a job: read the table, fit, write the model and its evaluation beside."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from skyulf.core.columns import ColumnFacts
from skyulf.core.spec import parse_spec
from skyulf.errors import Unavailable
from skyulf.reactions.cores import Cores

MODEL = "model.skops"
EVALUATION = "evaluation.json"

FULL = (errno.ENOSPC, errno.EDQUOT)

ROOM_SECONDS = 60
"""Seconds that a worker whose disk is full leaves jobs to others."""

FITTED = 0.97
"""How much of the whole is done once the model is fitted; writing a large one takes a while too."""


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a job, as plain values: where the table is, and where the results go."""

    table: str
    folder: str
    candidates: tuple[dict[str, Any], ...]
    columns: tuple[dict[str, Any], ...]
    seed: int
    threads: int
    trials: tuple[dict[str, Any], ...] = ()
    """Trials of its tuning that earlier attempts have recorded."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt has got; ``fraction`` of the whole, from 0 to 1."""

    stage: str
    fraction: float
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial of the tuning that is over, and what all have in common, as plain values."""

    trial: dict[str, Any]
    search: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trained:
    """What an attempt came to; the files `MODEL` and `EVALUATION` stand in its folder."""

    metrics: dict[str, float | None]
    spec: dict[str, Any]
    candidate_scores: list[dict[str, Any]]
    fingerprint: str
    environment: dict[str, Any]
    rows: dict[str, int]
    timings: dict[str, float]
    warnings: tuple[str, ...]


def train(send: Callable[[Progress | Tried], None], task: Task) -> Trained:
    """Train in this process.

    Raises `TrainingFailed` where the data or the spec is to blame, and `Unavailable` when the disk is full.
    """
    with needing_room():
        return _trained(send, task)


@contextmanager
def needing_room() -> Iterator[None]:
    """Work that writes files: where the disk is full, that is the worker's fault and not the job's (`Unavailable`)."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise Unavailable("the worker's disk is full", ROOM_SECONDS) from error


def _trained(send: Callable[[Progress | Tried], None], task: Task) -> Trained:
    from skyulf.core.calculator import fit  # the libraries of learning are loaded in the sandbox only
    from skyulf.core.formats import save_model
    from skyulf.core.frame import read_frame
    from skyulf.core.trial import Trial
    from skyulf.core.tuning import Trials

    def report(stage: str, fraction: float, metrics: dict[str, float]) -> None:
        send(Progress(stage, fraction * FITTED, metrics))

    cores = Cores()
    report("load", 0.0, {})
    candidates = [parse_spec(candidate) for candidate in task.candidates]
    columns = [ColumnFacts(**column) for column in task.columns]
    frame = read_frame(task.table, candidates[0].target)
    recorded = {trial["number"]: Trial(**{**trial, "scores": tuple(trial["scores"])}) for trial in task.trials}
    trials = Trials(recorded, lambda trial, search: send(Tried(asdict(trial), asdict(search))))
    state = fit(candidates, frame, columns, task.seed, report, task.threads, trials, cores.free)
    folder = Path(task.folder)
    send(Progress("save", FITTED, {name: value for name, value in state.metrics.items() if value is not None}))
    save_model(state, folder / MODEL)
    (folder / EVALUATION).write_bytes(orjson.dumps(state.evaluation, option=orjson.OPT_SERIALIZE_NUMPY))
    return Trained(
        metrics=state.metrics,
        spec=state.spec.model_dump(mode="json"),
        candidate_scores=state.candidate_scores,
        fingerprint=state.fingerprint,
        environment=state.environment,
        rows=dict(state.rows),
        timings=state.timings,
        warnings=state.warnings,
    )
