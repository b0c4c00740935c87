"""Facts of a column gathered batch by batch in bounded memory: counts per value, and moments.

Values are counted by 64-bit keys. Of numbers, booleans and times the key is the value itself, mixed; of text it is
a hash, whose collisions (about n²/2⁶⁵ for n values) are ignored.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Keys = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]

_ALL_COLUMNS = 4_000_000
_MOST, _FEWEST = 200_000, 1_000
_HEAVY = 256
_BYTES_AT_ONCE = 1 << 20


def limit_for(columns: int) -> int:
    """Tell how many different values of each column are counted exactly, in a table of so many columns."""
    return max(_FEWEST, min(_MOST, _ALL_COLUMNS // columns))


class ValueCounts:
    """How often each value occurs: exactly up to ``limit`` different ones, then of a sample of the values.

    The sample is of values, not of rows (P. Gibbons, "Distinct sampling", VLDB 2001): those whose key begins with
    ``level`` zero bits, all of whose rows are counted. Beside it the commonest ones so far are kept on.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._level = 0
        self._keys: Keys = np.empty(0, np.uint64)
        self._counts: Counts = np.empty(0, np.int64)
        self._heavy: Keys = np.empty(0, np.uint64)
        self._pending: list[tuple[Keys, Counts]] = []
        self._pending_size = 0

    def add(self, values: Any) -> None:
        """Count the values of an Arrow array that are not null."""
        counted = pc.value_counts(values.drop_null())
        keys, counts = _keys(counted.field(0)), counted.field(1).to_numpy(zero_copy_only=False)
        if self._level:
            kept = self._in_sample(keys) | np.isin(keys, self._heavy)
            keys, counts = keys[kept], counts[kept]
        self._pending.append((keys, counts))
        self._pending_size += len(keys)
        if self._pending_size > max(self._limit, len(self._keys)):
            self._merge()

    def result(self) -> tuple[int, int, int]:
        """Answer the number of different values, and the rows of the commonest and of the rarest."""
        self._merge()
        sampled = self._in_sample(self._keys)
        if not sampled.any():
            return 0, int(self._counts.max(initial=0)), int(self._counts.min(initial=0))
        distinct = int(np.count_nonzero(sampled)) << self._level
        return distinct, int(self._counts.max()), int(self._counts[sampled].min())

    def _in_sample(self, keys: Keys) -> npt.NDArray[np.bool_]:
        if not self._level:
            return np.ones(len(keys), np.bool_)
        sampled: npt.NDArray[np.bool_] = (keys >> np.uint64(64 - self._level)) == 0
        return sampled

    def _merge(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._pending)])
        counts = np.concatenate([self._counts, *(counts for _, counts in self._pending)])
        self._pending, self._pending_size = [], 0
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        if len(keys):
            starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            keys, counts = keys[starts], np.add.reduceat(counts, starts)
        self._keys, self._counts = keys, counts
        self._shrink()

    def _shrink(self) -> None:
        sampled = self._in_sample(self._keys)
        if np.count_nonzero(sampled) <= self._limit:
            return
        while np.count_nonzero(sampled) > self._limit:
            self._level += 1
            sampled = self._in_sample(self._keys)
        commonest = np.argsort(-self._counts, kind="stable")[:_HEAVY]
        self._heavy = self._keys[commonest]
        sampled[commonest] = True
        self._keys, self._counts = self._keys[sampled], self._counts[sampled]


class Moments:
    """Mean and second and third central moments, merged batch by batch.

    Formulas: P. Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
    statistical moments", Sandia report SAND2008-6212 (2008).
    """

    def __init__(self) -> None:
        self._n = 0
        self._mean = self._m2 = self._m3 = 0.0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Take finite numbers into account."""
        n = len(values)
        if not n:
            return
        with np.errstate(all="ignore"):
            mean = float(values.mean())
            apart = values - mean
            m2, m3 = float((apart**2).sum()), float((apart**3).sum())
            before, total = self._n, self._n + n
            delta = np.float64(mean - self._mean)
            self._m3 += float(
                m3 + delta**3 * before * n * (before - n) / total**2 + 3 * delta * (before * m2 - n * self._m2) / total
            )
            self._m2 += float(m2 + delta**2 * before * n / total)
            self._mean += float(delta * n / total)
        self._n = total

    @property
    def skewness(self) -> float | None:
        """The third standardised moment; None where there is no spread, or it is beyond a float."""
        # Spread within rounding of the mean is none.
        with np.errstate(all="ignore"):
            if not self._m2 > self._n * (1e-12 * np.float64(self._mean)) ** 2:
                return None
            skewness = float(math.sqrt(self._n) * np.float64(self._m3) / np.float64(self._m2) ** 1.5)
        return skewness if math.isfinite(skewness) else None


def _keys(values: Any) -> Keys:
    if pa.types.is_string(values.type):
        return _text_keys(values)
    if pa.types.is_floating(values.type):
        bits = (values.to_numpy() + 0.0).view(np.uint64)  # + 0.0 makes one of the two zeros
    elif pa.types.is_boolean(values.type):
        bits = values.to_numpy(zero_copy_only=False).astype(np.uint64)
    else:
        width = values.type.bit_width
        bits = values.view(f"int{width}").to_numpy().astype(np.int64).view(np.uint64)
    return _mixed(bits)


def _text_keys(values: Any) -> Keys:
    if not len(values):
        return np.empty(0, np.uint64)
    _, offset_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[values.offset : values.offset + len(values) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    keys = np.empty(len(values), np.uint64)
    first = 0
    while first < len(values):
        after = int(np.searchsorted(offsets, offsets[first] + _BYTES_AT_ONCE, side="right")) - 1
        last = min(len(values), max(first + 1, after))
        keys[first:last] = _polynomial(data, offsets[first : last + 1].astype(np.int64))
        first = last
    return keys


def _polynomial(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Keys:
    """Hash each text by a sum of its bytes, weighted by pseudo-random numbers of their places."""
    lengths = np.diff(offsets)
    piece = data[offsets[0] : offsets[-1]]
    places = np.arange(len(piece)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    weights = _mixed(np.arange(1, int(lengths.max(initial=0)) + 2, dtype=np.uint64))
    sums = np.concatenate([[np.uint64(0)], np.cumsum(weights[places] * (piece + np.uint64(1)))])
    ends = offsets - offsets[0]
    return _mixed(sums[ends[1:]] - sums[ends[:-1]] + lengths.astype(np.uint64))


def _mixed(keys: Keys) -> Keys:
    """Spread keys over all 64 bits, one to one (splitmix64: Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
