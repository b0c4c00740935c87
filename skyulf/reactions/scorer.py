"""What a sandbox does for a job that scores a dataset: load the model, predict the table, write the file beside."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.core.columns import ColumnFacts
from skyulf.events.scoring import ScoreFormat
from skyulf.reactions.trainer import Progress, needing_room

OUTPUT = "predictions"

LOADED = 0.02
"""How much of the whole is done once the model is loaded."""


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """One attempt at a scoring, as plain values: the model and the table, and where the result goes."""

    model: str
    table: str
    folder: str
    columns: tuple[dict[str, Any], ...]
    format: ScoreFormat
    keep: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScoringResult:
    """What an attempt came to; the file `OUTPUT`, of ``size`` bytes, stands in its folder."""

    rows: int
    missing: int
    size: int
    timings: dict[str, float]


def score(send: Callable[[Progress], None], task: ScoringTask) -> ScoringResult:
    """Score in this process.

    Raises `ScoringFailed` where the table and the model do not fit, and `Unavailable` when the disk is full.
    """
    from skyulf.core.formats import load_model  # the libraries of learning are loaded in the sandbox only
    from skyulf.core.scoring import score_table

    def told(fraction: float) -> None:
        send(Progress("score", LOADED + (1 - LOADED) * fraction, {}))

    send(Progress("load", 0.0, {}))
    begun = time.perf_counter()
    model = load_model(task.model)
    loaded = time.perf_counter() - begun
    columns = [ColumnFacts(**column) for column in task.columns]
    target = Path(task.folder) / OUTPUT
    with needing_room():
        scored = score_table(model, task.table, columns, target, task.format, task.keep, told)
    return ScoringResult(scored.rows, scored.missing, target.stat().st_size, {"load": loaded, **scored.timings})
