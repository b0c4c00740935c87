"""Which combinations are tried next: a grid, halving, and Optuna's samplers, each a Proposer.

What is proposed follows from the seed and from the results of earlier batches, never from the order in which the trials
of a batch end: so a tuning comes out the same on one core and on many, and goes on after a crash as it would have.
"""

import itertools
import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from skyulf.core.pruning import ETA, WORSE, Hyperband
from skyulf.core.trial import Trial
from skyulf.core.tuning_space import Parameter, combinations
from skyulf.core.tuning_spec import DEFAULT_TRIALS, HIGHER_IS_BETTER, TuningSpec

BATCH = {"random": 16, "tpe": 4, "cma_es": 4}
"""Trials that are proposed at once. Those that learn from results learn after each batch; so many cores are used."""

LEAST_SHARE = 1 / ETA**3
BEFORE_PRUNING = 5
"""Trials that must have finished before one is given up."""

MEDIAN = "the median of the trials before it"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A combination to be tried, on a share of each fold's rows."""

    number: int
    parameters: dict[str, Any]
    share: float = 1.0


class Proposer(Protocol):
    """Decides what is tried."""

    @property
    def planned(self) -> int:
        """How many trials there will be, at most."""
        ...

    def ask(self) -> list[Proposal]:
        """The next batch, in the order of its numbers; empty at the end. Each is told before the next is asked for."""
        ...

    def prunes(self, number: int, scores: Sequence[float]) -> str | None:
        """What a trial that is given up did worse than, by its scores so far; asked after each fold but the last."""
        ...

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take the results of a batch, in the order of their numbers."""
        ...


def make_proposer(tuning: TuningSpec, task: Any, parameters: Sequence[Parameter], seed: int) -> Proposer:
    """The proposer of a spec's strategy."""
    better = HIGHER_IS_BETTER[task][tuning.metric_for(task)]
    trials = tuning.trials or DEFAULT_TRIALS
    if tuning.strategy == "grid":
        return Grid(parameters)
    if tuning.strategy == "halving":
        return Halving(parameters, trials, seed, better)
    hyperband = Hyperband(tuning.cv.folds, better) if tuning.pruner == "hyperband" else None
    prune = tuning.prune and hyperband is None
    return Sampled(tuning.strategy, parameters, trials, seed, better, prune=prune, hyperband=hyperband)


class Grid:
    """Every combination, the last parameter changing fastest."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.planned = combinations(tuple(parameters)) or 0
        names = [parameter.path for parameter in parameters]
        values = [parameter.values() or () for parameter in parameters]
        self._left = enumerate(dict(zip(names, each, strict=True)) for each in itertools.product(*values))

    def ask(self) -> list[Proposal]:
        """The next sixteen."""
        return [Proposal(number, made) for number, made in itertools.islice(self._left, BATCH["random"])]

    def prunes(self, number: int, scores: Sequence[float]) -> None:
        """A grid is asked for to see all of it."""

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn nothing."""


@dataclass
class Halving:
    """Successive halving: all on few rows, the best third of them on three times as many, and so on to all rows."""

    parameters: Sequence[Parameter]
    trials: int
    seed: int
    higher_is_better: bool
    planned: int = field(init=False)
    _rungs: list[tuple[float, int]] = field(init=False)
    _numbers: Any = field(init=False, default_factory=itertools.count)
    _survivors: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        """Draw the combinations, and count how many are tried on which share of the rows."""
        steps = min(math.floor(math.log(self.trials, ETA) + 1e-9), round(math.log(1 / LEAST_SHARE, ETA)))
        sizes = [max(1, self.trials // ETA**at) for at in range(steps + 1)]
        self._rungs = [(1 / ETA ** (steps - at), size) for at, size in enumerate(sizes)]
        self.planned = sum(sizes)
        drawn = Sampled("random", self.parameters, self.trials, self.seed, self.higher_is_better, prune=False)
        self._survivors = []
        while batch := drawn.ask():
            self._survivors += [proposal.parameters for proposal in batch]

    def ask(self) -> list[Proposal]:
        """The next rung."""
        if not self._rungs or not self._survivors:
            return []
        share, size = self._rungs.pop(0)
        return [Proposal(next(self._numbers), one, share) for one in self._survivors[:size]]

    def prunes(self, number: int, scores: Sequence[float]) -> None:
        """Who drops out is decided between rungs."""

    def tell(self, trials: Sequence[Trial]) -> None:
        """Rank those that have a score, the best first; of equals the earlier one."""
        sign = -1 if self.higher_is_better else 1
        scored = [(sign * trial.mean, trial.number, trial) for trial in trials if trial.mean is not None]
        self._survivors = [trial.parameters for _, _, trial in sorted(scored, key=lambda each: each[:2])]


class Sampled:
    """Optuna's samplers, and its rule by which a trial is given up with ``prune``: worse than the median at that fold.

    With ``hyperband`` that is the rule.
    """

    def __init__(
        self,
        strategy: str,
        parameters: Sequence[Parameter],
        trials: int,
        seed: int,
        higher_is_better: bool,
        *,
        prune: bool,
        hyperband: Hyperband | None = None,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.planned = trials
        self._optuna = optuna
        self._batch = BATCH[strategy]
        self._choices = {parameter.path: parameter.choices for parameter in parameters}
        self._space = {parameter.path: _distribution(parameter) for parameter in parameters}
        pruner = optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING) if prune else optuna.pruners.NopPruner()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of features that Optuna calls experimental
            self._study = optuna.create_study(
                direction="maximize" if higher_is_better else "minimize",
                sampler=_sampler(strategy, seed),
                pruner=pruner,
            )
        self._hyperband = hyperband
        self._asked: dict[int, Any] = {}
        self._reported: dict[int, int] = {}

    def ask(self) -> list[Proposal]:
        """The next batch."""
        left = self.planned - len(self._study.get_trials(deepcopy=False))
        proposals = []
        for _ in range(min(self._batch, left)):
            trial = self._study.ask(self._space)
            self._asked[trial.number] = trial
            self._reported[trial.number] = 0
            proposals.append(
                Proposal(trial.number, {path: self._value(path, trial.params[path]) for path in self._space})
            )
        return proposals

    def _value(self, path: str, drawn: Any) -> Any:
        choices = self._choices[path]
        return drawn if choices is None else choices[drawn]

    def prunes(self, number: int, scores: Sequence[float]) -> str | None:
        """Judge the mean of the scores so far beside that of earlier batches' trials after as many folds."""
        self._report(number, scores)
        if self._hyperband is not None:
            return WORSE if self._hyperband.prunes(number, scores) else None
        return MEDIAN if self._asked[number].should_prune() else None

    def _report(self, number: int, scores: Sequence[float]) -> None:
        for at in range(self._reported[number], len(scores)):
            self._asked[number].report(statistics.fmean(scores[: at + 1]), at)
        self._reported[number] = len(scores)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the sampler learn; of a trial that failed it learns nothing."""
        if self._hyperband is not None:
            self._hyperband.tell(trials)
        states = self._optuna.trial.TrialState
        for trial in trials:
            self._report(trial.number, trial.scores)
            asked = self._asked.pop(trial.number)
            if trial.state == "finished":
                self._study.tell(asked, trial.mean)
            else:
                self._study.tell(asked, state=states.PRUNED if trial.state == "pruned" else states.FAIL)


def _sampler(strategy: str, seed: int) -> Any:
    import optuna

    if strategy == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    if strategy == "cma_es":
        return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return optuna.samplers.RandomSampler(seed=seed)


def _distribution(parameter: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.choices is not None:  # by their places: values may be alike in Python (1 and true), or lists
        return CategoricalDistribution(range(len(parameter.choices)))
    if parameter.whole:
        first, last, by = int(parameter.low), int(parameter.high), int(parameter.step or 1)
        return IntDistribution(first, last - (last - first) % by, log=parameter.log, step=by)
    low, high = parameter.low, parameter.high
    if parameter.step is not None:
        high = low + parameter.step * math.floor((high - low) / parameter.step + 1e-9)
    return FloatDistribution(low, high, log=parameter.log, step=parameter.step)
