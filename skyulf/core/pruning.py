"""Hyperband: gives trials up after few folds, some sooner than others, as nobody knows which of both finds more.

Li et al. 2018, where the resource that is spent on a trial is its folds; a trial is judged when it gets to a rung and
not when all of its rung have (Li et al. 2020). Optuna has both, but compares with trials that are still under way, so
that what is given up depends on how many cores there are; here trials are compared with those of earlier batches alone.
"""

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Sequence

from skyulf.core.trial import Trial

ETA = 3
"""Of three trials that get to a rung one goes on, here and where halving ranks them on some of the rows."""

WORSE = "the best third of the trials before it in its bracket"


class Hyperband:
    """Which trials go on, by their brackets: the first looks at one after a fold, the next after three, and so on.

    The last one may look at none: its trials are tried on every fold, in case the first folds mislead.
    """

    def __init__(self, folds: int, higher_is_better: bool) -> None:
        self._sign = -1 if higher_is_better else 1
        self._folds = folds
        count = math.floor(math.log(folds, ETA) + 1e-9) + 1
        self._shares = [math.ceil(count * ETA**left / (left + 1)) for left in reversed(range(count))]
        self._reached: defaultdict[tuple[int, int], list[float]] = defaultdict(list)

    def bracket(self, number: int) -> int:
        """The bracket of a trial, by its number: those that give up sooner have more trials."""
        place = number % sum(self._shares)
        return next(at for at in range(len(self._shares)) if place < sum(self._shares[: at + 1]))

    def prunes(self, number: int, scores: Sequence[float]) -> bool:
        """Whether a trial is given up after these folds: it is at a rung, and not among the best third there."""
        bracket, folds = self.bracket(number), len(scores)
        if folds not in self._rungs(bracket):
            return False
        before = self._reached[bracket, folds]
        last = max(1, (len(before) + 1) // ETA) - 1
        return last < len(before) and self._worth(scores) > before[last]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take what a batch of trials came to, for the trials of later ones."""
        for trial in trials:
            bracket = self.bracket(trial.number)
            for folds in self._rungs(bracket):
                if len(trial.scores) >= folds:
                    insort(self._reached[bracket, folds], self._worth(trial.scores[:folds]))

    def _rungs(self, bracket: int) -> list[int]:
        """After how many folds trials of a bracket are looked at."""
        return [ETA**at for at in range(bracket, len(self._shares)) if ETA**at < self._folds]

    def _worth(self, scores: Sequence[float]) -> float:
        """The mean of the scores, less for better."""
        return self._sign * math.fsum(scores) / len(scores)
