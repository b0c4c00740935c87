"""What a sandbox does for a job that reproduces a model: train it again as recorded, and compare the two."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from skyulf.errors import Damaged
from skyulf.reactions.trainer import Progress, Task, Tried, fitted, needing_room

if TYPE_CHECKING:
    import pandas as pd

    from skyulf.core.reproduction import Cause, Comparison, Verdict
    from skyulf.core.state import FittedState

TRAINED = 0.9
"""How much of the whole is done once the model is trained again."""

COMPARED = 0.92

REPEATED = 2.5
"""Times as long as training and comparing took must the whole job be allowed to take, that it is trained once more."""


@dataclass(frozen=True, slots=True)
class ReproductionTask:
    """One attempt at a reproduction, as plain values.

    ``training`` is the task of the training that is done again, by another seed if that was asked for; ``seed``,
    ``fingerprint`` and ``environment`` are what was recorded of it. ``recorded`` is the digest of its table and
    ``found`` what that is now, both in hexadecimal: if it is another, nothing is trained. ``model`` is the file of the
    recorded model, or None, and then ``no_model`` says why it is not there. ``seconds`` is all the time that there is.
    """

    training: Task
    seed: int
    fingerprint: str
    environment: dict[str, Any]
    recorded: str
    found: str
    model: str | None
    seconds: float
    no_model: str | None = None


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What an attempt came to; ``facts`` and ``comparison`` are as in `skyulf.core.reproduction`, as plain values."""

    verdict: "Verdict"
    causes: "tuple[Cause, ...]"
    facts: tuple[dict[str, Any], ...]
    fingerprint: str | None = None
    comparison: dict[str, Any] | None = None
    not_compared: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


def reproduce(send: Callable[[Progress | Tried], None], task: ReproductionTask) -> Reproduced:
    """Reproduce in this process.

    Raises `TrainingFailed` where what could be trained once cannot be any more, and `Unavailable` when the disk is
    full.
    """
    from skyulf.core.reproduction import Fact, facts_between, judged  # they load the libraries of learning

    data = Fact("data", "table", task.recorded, task.found)
    if data.differs:
        verdict, causes = judged(False, None, [data], None)
        return Reproduced(verdict, causes, (asdict(data),), not_compared="nothing was trained on other data")
    begun = time.monotonic()
    with needing_room():
        again, frame = fitted(send, task.training, TRAINED)
    seed = Fact("seed", "seed", str(task.seed), str(task.training.seed))
    facts = [data, seed, *facts_between(task.environment, again.environment)]
    same = again.fingerprint == task.fingerprint
    comparison, why_not, repeatable = None, None, None
    if not same:
        send(Progress("compare", TRAINED, _known(again)))
        comparison, why_not = _compared(task, again, frame)
        del frame  # it is read once more
        if not any(fact.differs for fact in facts) and (time.monotonic() - begun) * REPEATED < task.seconds:
            repeatable = _again(send, task, again)
    verdict, causes = judged(same, comparison, facts, repeatable)
    return Reproduced(
        verdict=verdict,
        causes=causes,
        facts=tuple(asdict(fact) for fact in facts),
        fingerprint=again.fingerprint,
        comparison=None if comparison is None else asdict(comparison),
        not_compared=why_not,
        metrics=again.metrics,
        timings=again.timings,
    )


def _compared(
    task: ReproductionTask, again: "FittedState", frame: "pd.DataFrame"
) -> "tuple[Comparison | None, str | None]":
    """What both models say of rows, or why that is not known."""
    from skyulf.core.formats import load_model
    from skyulf.core.reproduction import compared

    if task.model is None:
        return None, task.no_model
    try:
        return compared(load_model(task.model), again, frame), None
    except Damaged as error:
        return None, f"the recorded model cannot be loaded: {error.detail}"


def _again(send: Callable[[Progress | Tried], None], task: ReproductionTask, first: "FittedState") -> bool:
    """Whether training once more gives the same: if not, the model depends on what nobody rules."""

    def said(message: Progress | Tried) -> None:
        if isinstance(message, Progress):
            send(Progress("repeat", COMPARED + message.fraction, _known(first)))

    with needing_room():
        second, _ = fitted(said, task.training, 1 - COMPARED)
    return second.fingerprint == first.fingerprint


def _known(state: "FittedState") -> dict[str, float]:
    return {name: value for name, value in state.metrics.items() if value is not None}
