"""What a sandbox does for a job: read the table, fit, write the model and its evaluation beside."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from skyulf.core.cluster import Cluster
from skyulf.core.columns import ColumnFacts
from skyulf.core.frame import Sample
from skyulf.core.spec import PipelineSpec, parse_spec
from skyulf.errors import Unavailable
from skyulf.reactions.cores import Cores

if TYPE_CHECKING:
    import pandas as pd

    from skyulf.core.state import FittedState
    from skyulf.reactions.finisher import Finish

MODEL = "model.skops"
EVALUATION = "evaluation.json"

FULL = (errno.ENOSPC, errno.EDQUOT)

ROOM_SECONDS = 60
"""Seconds that a worker whose disk is full leaves jobs to others."""

FITTED = 0.97
"""How much of the whole is done once the model is fitted; writing a large one takes a while too."""


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at a job, as plain values: where the table is, and where the results go.

    ``columns`` are the facts of the whole table, which has ``rows`` rows; ``sampled`` of them are trained on.
    """

    table: str
    folder: str
    candidates: tuple[dict[str, Any], ...]
    columns: tuple[dict[str, Any], ...]
    seed: int
    threads: int
    rows: int
    sampled: int | None = None
    trials: tuple[dict[str, Any], ...] = ()
    """Trials of its tuning that earlier attempts have recorded."""
    only_trials: tuple[tuple[int | None, int, bool], ...] | None = None
    """The trials that its tuning is to consist of, by their keys, where that is known; else what there is time for."""
    openmp: int | None = None
    """Threads of OpenMP, where they are to be so many; else there are as many as cores are free, up to ``threads``."""
    cluster: Cluster | None = None
    """Where trials of its tuning are scored; by default on the cores of this machine."""


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


def read(task: "Task | Finish", specs: Sequence[PipelineSpec]) -> "tuple[pd.DataFrame, list[ColumnFacts]]":
    """Read what some complete specs are trained on: those rows, the columns that they look at, and the facts of it."""
    from skyulf.core.flow import follow
    from skyulf.core.frame import read_frame
    from skyulf.core.memory import needed_columns, scaled

    facts = [ColumnFacts(**column) for column in task.columns]
    rows, sample = task.rows, None
    if task.sampled is not None:
        facts, rows, sample = scaled(facts, rows, task.sampled), task.sampled, Sample(task.sampled, task.seed)
    only = frozenset[str]().union(*(needed_columns(spec, follow(spec, facts, rows)) for spec in specs))
    return read_frame(task.table, specs[0].target, sample, only), facts


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
    from skyulf.core.formats import save_model  # the libraries of learning are loaded in the sandbox only

    state, _ = fitted(send, task, FITTED)
    folder = Path(task.folder)
    send(Progress("save", FITTED, {name: value for name, value in state.metrics.items() if value is not None}))
    save_model(state, folder / MODEL)
    (folder / EVALUATION).write_bytes(orjson.dumps(state.evaluation, option=orjson.OPT_SERIALIZE_NUMPY))
    told, counts = state.warnings, dict(state.rows)
    if task.sampled is not None:
        counts["sampled_of"] = task.rows
        told = (
            f"trained on a sample of {task.sampled:,} of {task.rows:,} rows, drawn with the seed {task.seed}: "
            "all of them need more memory than the job may use",
            *told,
        )
    return Trained(
        metrics=state.metrics,
        spec=state.spec.model_dump(mode="json"),
        candidate_scores=state.candidate_scores,
        fingerprint=state.fingerprint,
        environment=state.environment,
        rows=counts,
        timings=state.timings,
        warnings=told,
    )


def fitted(send: Callable[[Progress | Tried], None], task: Task, share: float) -> "tuple[FittedState, pd.DataFrame]":
    """Read the table and fit, which is ``share`` of all that is to be done: the state, and what was read.

    Of a table that is read in pieces that is its first rows.
    """
    from skyulf.core.calculator import fit
    from skyulf.core.nested import JobTrials
    from skyulf.core.trial import Trial

    def report(stage: str, fraction: float, metrics: dict[str, float]) -> None:
        send(Progress(stage, fraction * share, metrics))

    cores = Cores()
    report("load", 0.0, {})
    candidates = [parse_spec(candidate) for candidate in task.candidates]
    if candidates[0].streaming is not None:
        from skyulf.core.streaming import first_rows, fit_in_pieces

        facts = [ColumnFacts(**column) for column in task.columns]
        state = fit_in_pieces(candidates[0], task.table, facts, task.rows, task.seed, report, task.threads)
        return state, first_rows(state.spec, task.table, facts, task.rows)
    frame, columns = read(task, candidates)
    recorded = [Trial(**{**trial, "scores": tuple(trial["scores"])}) for trial in task.trials]
    only = None if task.only_trials is None else frozenset(task.only_trials)
    known = {trial.key: trial for trial in recorded}
    trials = JobTrials(known, lambda trial, search: send(Tried(asdict(trial), asdict(search))), only, task.cluster)
    free = cores.free if task.openmp is None else lambda: task.openmp or 1
    return fit(candidates, frame, columns, task.seed, report, task.threads, trials, free), frame
