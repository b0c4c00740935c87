"""How much columns of a sample have to do with one another: Pearson, Spearman, Cramér, and runs of categories.

Cells that are missing in either column of a pair are left out of it. Ranks are among the filled cells of each column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Matrix = list[list[float | None]]

CATEGORIES = 50
"""Categories that are told apart; rarer ones are one together."""

FEWEST = 20
"""Rows in which both columns are filled, below which nothing is said of a pair."""


def numbers_of(values: Any) -> Floats:
    """Cells as floats, NaN where missing: booleans as 0 and 1, dates and times as their distance from 1970."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    elif pa.types.is_date(values.type):
        values = values.view(pa.int32())
    elif pa.types.is_timestamp(values.type):
        values = values.view(pa.int64())
    floats: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(floats), floats, np.nan)


def codes_of(values: Any) -> Codes:
    """Cells as the numbers of their categories, -1 where missing; the commonest come first, the rare ones share one."""
    encoded = values.dictionary_encode()
    codes: Codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(encoded.dictionary))
    places = np.empty(len(counts) + 1, np.int64)
    places[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(counts)), CATEGORIES)
    places[-1] = -1
    return places[codes]


def correlations(columns: Sequence[Floats]) -> Matrix:
    """Pearson's correlation of each pair; None where there are too few rows, or one of them does not vary."""
    if not columns:
        return []
    x = np.stack([_standardised(values) for values in columns], axis=1)
    filled = (~np.isnan(x)).astype(np.float64)
    x = np.nan_to_num(x)
    n = filled.T @ filled
    sums, squares, products = x.T @ filled, (x * x).T @ filled, x.T @ x
    with np.errstate(all="ignore"):
        spread = n * squares - sums**2
        r = (n * products - sums * sums.T) / np.sqrt(spread * spread.T)
        varies = spread > 1e-9 * n * n
    known = (n >= FEWEST) & varies & varies.T & np.isfinite(r)
    return [
        [float(np.clip(value, -1.0, 1.0)) if ok else None for value, ok in zip(row, oks, strict=True)]
        for row, oks in zip(r, known, strict=True)
    ]


def ranks_of(values: Floats) -> Floats:
    """Ranks among the filled cells, ties at their mean; NaN where missing."""
    ranks = np.full(len(values), np.nan)
    filled = ~np.isnan(values)
    ranks[filled] = rankdata(values[filled])
    return ranks


def _standardised(values: Floats) -> Floats:
    """About 0, and of a size whose squares are finite."""
    filled = values[~np.isnan(values)]
    largest = float(np.abs(filled).max(initial=0.0))
    if not len(filled) or not largest:
        return values * 1.0
    scaled = filled / largest
    mean, spread = float(scaled.mean()), float(scaled.std())
    return (values / largest - mean) / (spread if spread > 1e-14 * abs(mean) else np.inf)


def cramers_v(left: Codes, right: Codes) -> float | None:
    """Cramér's V with the correction for bias of W. Bergsma (J. Korean Stat. Soc. 42, 2013); None for one category."""
    left, right = _both(left, right)
    n = len(left)
    if n < FEWEST:
        return None
    table = np.bincount(left * (CATEGORIES + 1) + right, minlength=(CATEGORIES + 1) ** 2)
    table = table.reshape(CATEGORIES + 1, CATEGORIES + 1)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    r, k = table.shape
    if min(r, k) < 2:
        return None
    expected = np.outer(table.sum(1), table.sum(0)) / n
    phi2 = max(0.0, float(((table - expected) ** 2 / expected).sum()) / n - (k - 1) * (r - 1) / (n - 1))
    least = min(k - (k - 1) ** 2 / (n - 1), r - (r - 1) ** 2 / (n - 1)) - 1
    return float(min(1.0, np.sqrt(phi2 / least))) if least > 0 else None


def separation(numbers: Floats, codes: Codes) -> float | None:
    """How well a number, by any thresholds, tells categories apart: 0 by chance, near 1 where it tells all.

    In the order of the number, how often the category changes from one row to the next, against how often it would in
    any order: the count of runs of Wald and Wolfowitz (Ann. Math. Stat. 11, 1940). Equal numbers stand in random order.
    """
    shuffled = np.random.default_rng(0).permutation(len(numbers))
    numbers, codes = numbers[shuffled], codes[shuffled]
    filled = (codes >= 0) & ~np.isnan(numbers)
    codes = codes[filled][np.argsort(numbers[filled], kind="stable")]
    n = len(codes)
    if n < FEWEST:
        return None
    shares = np.bincount(codes) / n
    expected = (1 - float((shares**2).sum())) * n
    if expected <= 0:
        return None
    fewest = np.count_nonzero(shares) - 1
    changes = int(np.count_nonzero(codes[1:] != codes[:-1]))
    return float(max(0.0, 1 - (changes - fewest) / max(expected - fewest, 1.0)))


def _both(left: Codes, right: Codes) -> tuple[Codes, Codes]:
    filled = (left >= 0) & (right >= 0)
    return left[filled], right[filled]


@dataclass(frozen=True, slots=True)
class Associations:
    """Matrices over columns, in the order of ``columns``; ``numeric`` names those of the two correlations."""

    numeric: list[str]
    pearson: Matrix
    spearman: Matrix
    columns: list[str]
    strength: Matrix


def associations(numeric: Mapping[str, Floats], categorical: Mapping[str, Codes]) -> Associations:
    """Look at every pair: numbers by the stronger correlation, categories by `cramers_v`, both by `separation`."""
    names = [*numeric, *categorical]
    pearson = correlations(list(numeric.values()))
    spearman = correlations([ranks_of(values) for values in numeric.values()])
    strength: Matrix = [[None] * len(names) for _ in names]
    for i in range(len(names)):
        for j in range(i):
            if i < len(numeric):
                both = [abs(r) for r in (pearson[i][j], spearman[i][j]) if r is not None]
                found = max(both, default=None)
            elif j < len(numeric):
                found = separation(numeric[names[j]], categorical[names[i]])
            else:
                found = cramers_v(categorical[names[i]], categorical[names[j]])
            strength[i][j] = strength[j][i] = found
    return Associations(list(numeric), pearson, spearman, names, strength)
