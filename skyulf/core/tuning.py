"""Tuning: searches for the parameters of a spec that do best in cross-validation on the training rows alone.

Of every trial the whole pipeline is fitted anew on each fold. A trial that fails is a result. Nothing depends on how
many cores there are: trials come in batches whose proposals follow from earlier batches alone, and the folds of one
trial are scored one after the other.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.cluster import Cluster
from skyulf.core.columns import ColumnFacts
from skyulf.core.folds import make_folds, nested_order
from skyulf.core.proposing import Proposal, Proposer, make_proposer
from skyulf.core.registry import BuildContext
from skyulf.core.spec import PipelineSpec
from skyulf.core.trial import Bench, FoldScore, Trial
from skyulf.core.trial_runners import Order, Runners, runners
from skyulf.core.tuning_space import parameters_of, with_parameters
from skyulf.core.tuning_spec import HIGHER_IS_BETTER
from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]

PRUNED = "after {folds} of {all} folds it did worse than {than}"


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of a search: those that are known from before, who hears of new ones, and of how many there may be.

    Trials that were ``recorded`` are not tried again, if they would be the same. With ``only``, the search consists of
    the trials of these numbers, however long they take: it is one that ended before, made again. With a ``cluster``
    they are scored there.
    """

    recorded: Mapping[int, Trial] = field(default_factory=dict)
    finished: Callable[[Trial, "Search"], None] = lambda trial, search: None  # noqa: ARG005
    only: frozenset[int] | None = None
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What the trials of a search have in common: how many there are at most, and what is compared."""

    planned: int
    metric: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Tuned:
    """The spec with the best parameters, what to tell of the search, and what to warn of."""

    spec: PipelineSpec
    summary: dict[str, Any]
    search: Search
    warnings: tuple[str, ...] = ()


def tune(
    spec: PipelineSpec,
    columns: Sequence[ColumnFacts],
    rows: int,
    features: pd.DataFrame,
    target: Array,
    context: BuildContext,
    trials: Trials,
    done: Callable[[float], None],
) -> Tuned:
    """Search as ``spec.tuning`` says; ``features`` and ``target`` hold the training rows, of a dataset of ``rows``.

    ``done`` hears of how much of the search is done, from 0 to 1. Raises TrainingFailed when no trial could be scored.
    """
    tuning = spec.tuning
    assert tuning is not None
    metric = tuning.metric_for(spec.task)
    folds = make_folds(tuning.cv, spec.task, features, target, context.seed)
    if tuning.strategy == "halving":
        folds = [(nested_order(train, target, spec.task, context.seed), test) for train, test in folds]
    bench = Bench(spec, tuple(columns), rows, features, target, folds, metric, context.seed)
    proposer = make_proposer(tuning, spec.task, parameters_of(spec), context.seed)
    search = Search(proposer.planned, metric, HIGHER_IS_BETTER[spec.task][metric])
    with runners(bench, context.threads, trials.cluster) as workers:
        run = _Run(proposer, workers, len(folds), tuning.seconds, workers.width, trials, search, done)
        found = run.run()
    return _chosen(spec, search, found)


def _chosen(spec: PipelineSpec, search: Search, found: Sequence[Trial]) -> Tuned:
    sign = 1 if search.higher_is_better else -1
    best: Trial | None = None
    for trial in found:
        if trial.state == "finished" and trial.share == 1.0 and trial.mean is not None:
            better = best is None or best.mean is None or sign * trial.mean > sign * best.mean
            best = trial if better else best
    if best is None:
        reason = next((trial.reason for trial in found if trial.reason is not None), "no trial was finished")
        raise TrainingFailed(f"none of {len(found)} trials could be scored; the first: {reason}")
    states = [trial.state for trial in found]
    summary = {
        "metric": search.metric,
        "trial": best.number,
        "parameters": best.parameters,
        "mean": best.mean,
        "scores": list(best.scores),
        "trials": {state: states.count(state) for state in ("finished", "pruned", "failed")},
    }
    return Tuned(with_parameters(spec, best.parameters), summary, search)


@dataclass
class _Running:
    """A trial on its way through the folds."""

    proposal: Proposal
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0


class _Run:
    """One search from its first batch to its last, or to the end of its time."""

    def __init__(
        self,
        proposer: Proposer,
        workers: Runners,
        folds: int,
        seconds: float | None,
        width: int,
        trials: Trials,
        search: Search,
        done: Callable[[float], None],
    ) -> None:
        self._proposer = proposer
        self._search = search
        self._workers = workers
        self._folds = folds
        self._trials = trials
        self._done = done
        self._found: list[Trial] = []
        spent = sum(trial.seconds for trial in trials.recorded.values()) / width
        if trials.only is not None:
            seconds = None
        self._until = None if seconds is None else time.monotonic() + seconds - spent

    def run(self) -> list[Trial]:
        """Every trial that ended, in the order of their numbers; the last ones may be missing when time is up."""
        while not self._over() and (batch := self._proposer.ask()):
            ended = self._batch(batch)
            if len(ended) < len(batch):
                break
            self._proposer.tell(ended)
        return sorted(self._found, key=lambda trial: trial.number)

    def _over(self) -> bool:
        """Whether the time is up, or all is found that there is to be; a search comes to one whole trial at least."""
        if self._trials.only is not None:
            return self._trials.only <= {trial.number for trial in self._found}
        if len(self._found) < len(self._trials.recorded):
            return False  # what was tried in time counts, also when the time is up that was left after a crash
        found_one = any(trial.state == "finished" and trial.share == 1.0 for trial in self._found)
        return found_one and self._until is not None and time.monotonic() >= self._until

    def _batch(self, batch: Sequence[Proposal]) -> list[Trial]:
        """Try a batch; its trials in order, without those that time did not suffice for."""
        ended: dict[int, Trial] = {}
        running: dict[int, _Running] = {}
        for proposal in batch:
            if self._trials.only is not None and proposal.number not in self._trials.only:
                continue
            known = self._trials.recorded.get(proposal.number)
            if known and (known.parameters, known.share) == (proposal.parameters, proposal.share):
                ended[known.number] = known
                self._found.append(known)
            else:
                running[proposal.number] = _Running(proposal)
                self._order(running[proposal.number])
        while self._workers.ordered and not self._over():
            order, score = self._workers.next(self._left())
            trial = self._after(running[order.trial], score)
            if trial is None:
                self._order(running[order.trial])
            else:
                ended[trial.number] = trial
                self._found.append(trial)
                self._trials.finished(trial, self._search)
                self._done(len(self._found) / self._proposer.planned)
        return [ended[number] for number in sorted(ended)]

    def _left(self) -> int:
        return (self._proposer.planned - len(self._found)) * self._folds

    def _order(self, one: _Running) -> None:
        proposal = one.proposal
        self._workers.order(Order(proposal.number, proposal.parameters, proposal.share, len(one.scores)))

    def _after(self, one: _Running, score: FoldScore) -> Trial | None:
        """The trial if it is over by this score; None if another fold is to come."""
        one.seconds += score.seconds
        if score.score is None:
            return self._ended(one, "failed", score.reason)
        one.scores.append(score.score)
        if len(one.scores) == self._folds:
            return self._ended(one, "finished", None)
        if than := self._proposer.prunes(one.proposal.number, one.scores):
            return self._ended(one, "pruned", PRUNED.format(folds=len(one.scores), all=self._folds, than=than))
        return None

    def _ended(self, one: _Running, state: Any, reason: str | None) -> Trial:
        mean = statistics.fmean(one.scores) if state != "failed" else None
        proposal = one.proposal
        return Trial(
            number=proposal.number, parameters=proposal.parameters, state=state, scores=tuple(one.scores), mean=mean,
            seconds=one.seconds, share=proposal.share, reason=reason,
        )  # fmt: skip
