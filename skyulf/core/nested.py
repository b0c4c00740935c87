"""Nested cross-validation: what a tuning is worth, told by searches that never saw the rows which judge them.

Each outer fold is a tuning of its own on the rows that are given to it and no others, so that its held-out rows cannot
reach what is tuned or fitted for it. The search through all training rows comes last, and is the same as without.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.cluster import Cluster
from skyulf.core.columns import ColumnFacts
from skyulf.core.folds import Fold, make_folds
from skyulf.core.registry import BuildContext
from skyulf.core.spec import PipelineSpec
from skyulf.core.trial import Bench, Key, Trial
from skyulf.core.tuning import Search, Trials, Tuned, tune
from skyulf.core.tuning_spec import TuningSpec
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]

NO_SCORE = "outer fold {fold} of {folds} has no score, so that nested cross-validation tells no mean: {reason}"


@dataclass(frozen=True, slots=True)
class JobTrials:
    """The trials of a job, of all its searches: those that are known from before, and who hears of new ones.

    With ``only``, its searches consist of these trials, however long they take.
    """

    recorded: Mapping[Key, Trial] = field(default_factory=dict)
    finished: Callable[[Trial, Search], None] = lambda trial, search: None  # noqa: ARG005
    only: frozenset[Key] | None = None
    cluster: Cluster | None = None
    """Where folds are scored; by default on the cores of this machine."""

    def of(self, outer_fold: int | None, searches: int) -> Trials:
        """Those of one search of so many, all of which plan as many trials."""
        mine = {
            number: trial for (fold, number, held_out), trial in self.recorded.items()
            if fold == outer_fold and not held_out
        }  # fmt: skip
        only = self.only
        if only is not None:
            only = frozenset(key for key in only if key[0] == outer_fold and not key[2])
        return Trials(
            mine,
            lambda trial, search: self.tell(replace(trial, outer_fold=outer_fold), search, searches),
            None if only is None else frozenset(number for _, number, _ in only),
            self.cluster,
        )

    def tell(self, trial: Trial, search: Search, searches: int) -> None:
        """Say that a trial is over, of one search of so many."""
        self.finished(trial, replace(search, planned=search.planned * searches))

    def judging(self, outer_fold: int) -> Trial | None:
        """What an outer fold came to, where that is known."""
        return next(
            (trial for trial in self.recorded.values() if trial.outer_fold == outer_fold and trial.held_out), None
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """What every search has in common; ``features`` and ``target`` hold all training rows."""

    columns: tuple[ColumnFacts, ...]
    rows: int
    features: pd.DataFrame
    target: Array


class _Time:
    """Shares the seconds that there are between searches: each gets an equal part of what those before it left."""

    def __init__(self, seconds: float | None, searches: int, threads: int) -> None:
        self._left = seconds
        self._searches = searches
        self._threads = threads
        self._begun = time.monotonic()

    def next(self) -> float | None:
        """Begin a search; the seconds that it may take, those that earlier attempts spent on it counted."""
        self._begun = time.monotonic()
        return None if self._left is None else max(0.0, self._left) / self._searches

    def over(self, recorded: Mapping[int, Trial], *others: Trial) -> None:
        """End a search; of what was recorded by earlier attempts it tells what they spent."""
        self._searches -= 1
        if self._left is not None:
            spent = sum(trial.seconds for trial in (*recorded.values(), *others)) / self._threads
            self._left -= time.monotonic() - self._begun + spent


def tune_job(
    spec: PipelineSpec,
    columns: Sequence[ColumnFacts],
    rows: int,
    features: pd.DataFrame,
    target: Array,
    context: BuildContext,
    trials: JobTrials,
    done: Callable[[float], None],
) -> Tuned:
    """Tune as `skyulf.core.tuning.tune` does, after a search in each outer fold where the spec asks for them.

    The summary of a nested one has ``outer``: the ``mean`` and the ``std`` of the scores of the outer folds, and of
    each of ``folds`` its score, the trial that was chosen and its parameters, and the counts of its rows. Raises
    TrainingFailed where the rows cannot be parted, before anything is tried, or where the last search has no result;
    an outer fold without a score is a result, and warned of.
    """
    tuning = spec.tuning
    assert tuning is not None
    table = _Table(tuple(columns), rows, features, target)
    outer = _outer_folds(spec, table, context)
    clock = _Time(tuning.seconds, tuning.searches, context.threads)

    def part(at: int) -> Callable[[float], None]:
        return lambda share: done((at + share) / tuning.searches)

    found = [_judged(spec, table, outer, at, context, trials, clock, part(at)) for at in range(len(outer))]
    of_all = trials.of(None, tuning.searches)
    tuned = tune(_one(spec, tuning, clock.next()), columns, rows, features, target, context, of_all, part(len(outer)))
    if not outer:
        return tuned
    told = [_told(at, one, outer[at]) for at, one in enumerate(found)]
    warnings = tuple(
        NO_SCORE.format(fold=each["fold"], folds=len(outer), reason=each["reason"])
        for each in told
        if each["score"] is None
    )
    return replace(tuned, summary={**tuned.summary, "outer": _estimate(told)}, warnings=warnings)


def outer_context(context: BuildContext, outer_fold: int) -> BuildContext:
    """The context of an outer fold's search: a seed of its own, that follows from the job's and the fold's number."""
    drawn = np.random.SeedSequence(context.seed, spawn_key=(outer_fold,)).generate_state(1)
    return replace(context, seed=int(drawn[0]))


def _one(spec: PipelineSpec, tuning: TuningSpec, seconds: float | None) -> PipelineSpec:
    """The spec of one search, with its part of the trials and of the time."""
    each = None if tuning.trials is None else tuning.trials // tuning.searches
    alone = tuning.model_copy(update={"trials": each, "seconds": seconds, "outer": None})
    return spec.model_copy(update={"tuning": alone})


def _outer_folds(spec: PipelineSpec, table: _Table, context: BuildContext) -> list[Fold]:
    """Part the training rows into outer folds, and see that each can be parted again."""
    assert spec.tuning is not None
    if spec.tuning.outer_folds is None:
        return []
    outer = make_folds(
        spec.tuning.outer_folds, spec.task, table.features, table.target, context.seed, place="tuning.outer"
    )
    for at, (train, _) in enumerate(outer):
        try:
            seed = outer_context(context, at).seed
            make_folds(spec.tuning.cv, spec.task, table.features.iloc[train], table.target[train], seed)
        except TrainingFailed as error:
            raise TrainingFailed(f"in outer fold {at} of {len(outer)}: {error.detail}") from error
    return outer


def _judged(
    spec: PipelineSpec,
    table: _Table,
    outer: list[Fold],
    at: int,
    context: BuildContext,
    trials: JobTrials,
    clock: _Time,
    done: Callable[[float], None],
) -> Trial | str:
    """Search by an outer fold's training rows, and judge what was found on the others; or say why nothing was."""
    tuning = spec.tuning
    assert tuning is not None
    mine, context = trials.of(at, tuning.searches), outer_context(context, at)
    seconds = clock.next()
    known = trials.judging(at)
    if known is not None:
        clock.over(mine.recorded, known)
        return known
    train, _ = outer[at]
    features, target = table.features.iloc[train], table.target[train]
    one = _one(spec, tuning, seconds)
    try:
        tuned = tune(one, table.columns, table.rows, features, target, context, mine, done)
    except TrainingFailed as error:
        clock.over(mine.recorded)
        return error.detail
    number, parameters = tuned.summary["trial"], tuned.summary["parameters"]
    bench = Bench(
        spec, table.columns, table.rows, table.features, table.target, outer, tuned.search.metric, context.seed
    )
    score = bench.score(parameters, 1.0, at)
    scores = () if score.score is None else (score.score,)
    trial = Trial(
        number=number, parameters=parameters, state="finished" if scores else "failed", scores=scores,
        mean=score.score, seconds=score.seconds, reason=score.reason, outer_fold=at, held_out=True,
    )  # fmt: skip
    trials.tell(trial, tuned.search, tuning.searches)
    clock.over(mine.recorded)
    return trial


def _told(at: int, found: Trial | str, fold: Fold) -> dict[str, Any]:
    """What is told of an outer fold."""
    trial = found if isinstance(found, Trial) else None
    return {
        "fold": at,
        "score": None if trial is None else trial.mean,
        "trial": None if trial is None else trial.number,
        "parameters": None if trial is None else trial.parameters,
        "reason": found if isinstance(found, str) else found.reason,
        "train": len(fold[0]),
        "test": len(fold[1]),
    }


def _estimate(told: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of the folds' scores and their standard deviation, both None where a fold has no score."""
    scores = [each["score"] for each in told if each["score"] is not None]
    whole = len(scores) == len(told)
    return {
        "mean": statistics.fmean(scores) if whole else None,
        "std": statistics.stdev(scores) if whole else None,
        "folds": told,
    }
