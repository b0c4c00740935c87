"""Counts of numbers in equal bins whose range need not be known before: exact, and the same however they are cut."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 64
"""The most bins; there are more than half as many unless the numbers differ by less than so many whole ones."""

_EXACT_BITS = 52
"""Quotients below 2⁵² have an exact whole part."""

_FINEST = -1074
"""No two floats are closer than 2 to the power of this."""


class Histogram:
    """A histogram whose bins are 2ᵏ wide and begin at multiples of that.

    When a number comes that no bin holds, k grows until `BINS` bins span all numbers so far; bins then merge in whole,
    as they nest. The last k follows from the smallest and the largest number alone, so neither the order of numbers
    nor the batches that they come in change anything. With ``whole``, bins are at least 1 wide.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._least = 0 if whole else _FINEST
        self._low = math.inf
        self._high = -math.inf
        self._k = 0
        self._first = 0
        self._counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def add(self, values: Floats) -> None:
        """Count finite numbers."""
        if not len(values):
            return
        self._widen(min(self._low, float(values.min())), max(self._high, float(values.max())))
        places = np.floor(np.ldexp(values, -self._k)).astype(np.int64)
        if self._k > 0 and self._low < 0 and not self._whole:
            places[(places == 0) & (values < 0)] = -1  # see `_place`
        places -= self._first
        self._counts += np.bincount(places, minlength=len(self._counts))

    def edges(self) -> list[float]:
        """The edges of the bins: each holds its lower one, and not its upper one."""
        if not len(self._counts):
            return []
        most = float(np.finfo(np.float64).max)
        edges = (_times(self._first + at, self._k) for at in range(len(self._counts) + 1))
        return [min(max(edge, -most), most) for edge in edges]

    def counts(self) -> list[int]:
        """How many numbers each bin holds."""
        return [int(count) for count in self._counts]

    def _widen(self, low: float, high: float) -> None:
        if low == self._low and high == self._high:
            return
        k = max(_width(low, high, self._least), self._k if len(self._counts) else _FINEST)
        first, last = _place(low, k), _place(high, k)
        counts = np.zeros(last - first + 1, np.int64)
        if len(self._counts):
            shift = k - self._k
            places = ((self._first + np.arange(len(self._counts), dtype=np.int64)) >> min(shift, 63)) - first
            np.add.at(counts, places, self._counts)
        self._low, self._high, self._k, self._first, self._counts = low, high, k, first, counts


def _width(low: float, high: float, least: int) -> int:
    """The smallest k for which `BINS` bins of 2ᵏ span both."""
    largest = max(abs(low), abs(high))
    k = max(least, math.frexp(largest)[1] - _EXACT_BITS) if largest else least
    half = high / 2 - low / 2
    if half > 0:
        k = max(k, math.frexp(half)[1] - BINS.bit_length())
    while _place(high, k) - _place(low, k) >= BINS:
        k += 1
    return k


def _place(value: float, k: int) -> int:
    """The bin; a negative number so small that its quotient is rounded to 0 is below 0 all the same."""
    place = math.floor(math.ldexp(value, -k))
    return -1 if place == 0 and value < 0 else place


def _times(whole: int, k: int) -> float:
    try:
        return math.ldexp(float(whole), k)
    except OverflowError:
        return math.copysign(math.inf, whole)
