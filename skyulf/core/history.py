"""What was before a row: values of earlier training rows of its group, after scikit-learn's conventions.

The past of a row is what the training rows hold of its group at a lesser moment, whether the row is one of them or
comes to be predicted years later. So nothing later reaches a row, rows that are predicted together do not sway each
other, and what is evaluated is what will be served.
"""

import math
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

from skyulf.core.cells import Array, CellTransformer, cells_of

MANY_CELLS = 4_000_000
"""So many cells of the past are looked at at once."""

FEW_ROWS = 50
"""So many rows are looked up one by one, more in one sorting of them and the past."""


class _History(CellTransformer):
    """Keeps the training rows in order: ``order`` is the position of the moment, ``groups`` of what tells groups."""

    values: Sequence[int]
    order: int
    groups: Sequence[int]

    def _learn(self, cells: Array, target: Any) -> None:
        """Keep training rows; those without a moment have no place in the past."""
        moments = cells[:, self.order].astype(np.float64)
        names = self._names(cells)
        known = np.flatnonzero(~np.isnan(moments))
        self.groups_ = sorted({names[at] for at in known})
        places = {name: at for at, name in enumerate(self.groups_)}
        codes = np.array([places[names[at]] for at in known], dtype=np.intp)
        ordered = np.lexsort((moments[known], codes))
        self.ends_ = np.searchsorted(codes[ordered], np.arange(len(self.groups_)), side="right")
        self.moments_ = moments[known][ordered]
        self.past_ = cells[known][ordered][:, list(self.values)].astype(np.float64)

    def _names(self, cells: Array) -> list[str]:
        parts = [[_word(cell) for cell in cells[:, at].tolist()] for at in self.groups]
        return ["\0".join(words) for words in zip(*parts, strict=True)] if parts else [""] * len(cells)

    def compute(self, cells: Array) -> Array:
        """Look up the past of rows."""
        cells = cells_of(cells)
        begin, end = self._spans(cells)
        wide = max(1, self._reach() * max(1, len(self.values)))
        parts = [self._of(begin[part], end[part]) for part in _parts(len(cells), MANY_CELLS // wide)]
        return np.concatenate(parts)

    def _spans(self, cells: Array) -> tuple[Array, Array]:
        """Return for each row where the past of its group begins, and where its own past ends."""
        moments = cells[:, self.order].astype(np.float64)
        codes = self._codes(self._names(cells))
        codes[np.isnan(moments)] = -1
        known = np.flatnonzero(codes >= 0)
        begin, end = np.zeros(len(cells), dtype=np.intp), np.zeros(len(cells), dtype=np.intp)
        if not len(known):
            return begin, end
        starts = np.concatenate([[0], self.ends_[:-1]])
        begin[known] = starts[codes[known]]
        end[known] = self._counted(codes[known], moments[known], starts)
        return begin, end

    def _codes(self, names: list[str]) -> Array:
        """Return the position of each row's group among those of the training rows, -1 where it has none."""
        found = {}
        for name in set(names):
            at = bisect_left(self.groups_, name)
            found[name] = at if at < len(self.groups_) and self.groups_[at] == name else -1
        return np.array([found[name] for name in names], dtype=np.intp)

    def _counted(self, codes: Array, moments: Array, starts: Array) -> Array:
        """Return how many of the training rows, in their order, are of a group before or of a lesser moment."""
        if len(codes) <= FEW_ROWS:
            spans = [(int(starts[code]), int(self.ends_[code])) for code in codes]
            return np.array(
                [first + np.searchsorted(self.moments_[first:last], moment, side="left")
                 for (first, last), moment in zip(spans, moments, strict=True)],
                dtype=np.intp,
            )  # fmt: skip
        sizes = self.ends_ - starts
        past = np.concatenate([np.zeros(len(codes), dtype=bool), np.ones(len(self.moments_), dtype=bool)])
        of_both = np.concatenate([codes, np.repeat(np.arange(len(sizes)), sizes)])
        ordered = np.lexsort((past, np.concatenate([moments, self.moments_]), of_both))
        counted = np.cumsum(past[ordered])
        ends = np.empty(len(ordered), dtype=np.intp)
        ends[ordered] = counted
        return ends[: len(codes)]

    def _before(self, begin: Array, end: Array, steps: Array) -> Array:
        """Return the values so many rows before each end, NaN beyond the beginning: rows by steps by values."""
        at = end[:, None] - steps[None, :]
        inside = at >= begin[:, None]
        if not len(self.past_):
            return np.full((len(end), len(steps), len(self.values)), np.nan)
        found: Array = np.where(inside[:, :, None], self.past_[np.where(inside, at, 0)], np.nan)
        return found

    @abstractmethod
    def _reach(self) -> int:
        """How many rows of the past are looked at."""

    @abstractmethod
    def _of(self, begin: Array, end: Array) -> Array: ...


class Lags(_History):
    """Gives the values of so many rows before."""

    def __init__(
        self, values: Sequence[int] = (0,), order: int = 1, groups: Sequence[int] = (), lags: Sequence[int] = (1,)
    ) -> None:
        self.values = values
        self.order = order
        self.groups = groups
        self.lags = lags

    def _reach(self) -> int:
        return len(self.lags)

    def _of(self, begin: Array, end: Array) -> Array:
        found = self._before(begin, end, np.asarray(self.lags))
        return found.transpose(0, 2, 1).reshape(len(end), -1)


class Rolling(_History):
    """Gives statistics of the values of the last ``window`` rows before; missing ones do not count."""

    def __init__(
        self,
        values: Sequence[int] = (0,),
        order: int = 1,
        groups: Sequence[int] = (),
        window: int = 3,
        statistics: Sequence[str] = ("mean",),
    ) -> None:
        self.values = values
        self.order = order
        self.groups = groups
        self.window = window
        self.statistics = statistics

    def _reach(self) -> int:
        return self.window

    def _of(self, begin: Array, end: Array) -> Array:
        found = self._before(begin, end, np.arange(self.window, 0, -1))
        present = ~np.isnan(found)
        count = present.sum(axis=1)
        some = count > 0
        total = np.where(present, found, 0.0).sum(axis=1)
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=some)
        apart = np.where(present, (found - mean[:, None]) ** 2, 0.0).sum(axis=1)
        made = {
            "mean": mean,
            "sum": np.where(some, total, np.nan),
            "min": np.where(some, np.where(present, found, math.inf).min(axis=1), np.nan),
            "max": np.where(some, np.where(present, found, -math.inf).max(axis=1), np.nan),
            "std": np.sqrt(np.divide(apart, count, out=np.full(total.shape, np.nan), where=some)),
        }
        columns = [made[name][:, at] for at in range(len(self.values)) for name in self.statistics]
        return np.column_stack(columns)


def _parts(rows: int, most: int) -> list[slice]:
    step = max(1, most)
    return [slice(at, at + step) for at in range(0, max(rows, 1), step)]


def _word(cell: Any) -> str:
    """Text and numbers as words that are never alike, and nothing for what is missing."""
    if isinstance(cell, str):
        return f"{len(cell)}={cell}"
    return "" if cell != cell else repr(float(cell) + 0.0)
