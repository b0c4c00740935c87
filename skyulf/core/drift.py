"""How far the columns of one table have moved from those of another: measures, and what they amount to.

Both are given as samples of rows; a share that is estimated from n rows is off by up to 1/√n, and what is called drift
must stand out from that. Nothing here holds a value of the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from skyulf.core.association import numbers_of

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Level = Literal["none", "moderate", "major"]

FORMAT = 1

BINS = 10
"""Bins of a number: as many reference rows in each, but for numbers that recur."""

CATEGORIES = 50
"""Categories of the reference, the commonest ones, that are told apart."""

PSI_MODERATE = 0.1
PSI_MAJOR = 0.25
"""Below 0.1 a population is the same, from 0.25 on it has shifted: N. Siddiqi, Credit Risk Scorecards (Wiley 2006)."""

KS_MODERATE = 0.1
"""A tenth of the rows stand elsewhere."""

CHANCE = 0.001
"""What happens more often than so without any drift is none."""

LEVELS: tuple[Level, ...] = ("none", "moderate", "major")


@dataclass(frozen=True, slots=True)
class Sample:
    """Sampled cells of a table's columns by name, the columns' types, and the rows that the table has."""

    columns: Mapping[str, Any]
    types: Mapping[str, str]
    rows: int

    @property
    def taken(self) -> int:
        """Rows of the sample."""
        return len(next(iter(self.columns.values()))) if self.columns else 0


def drift(reference: Sample, current: Sample) -> dict[str, Any]:
    """Compare the columns that both have, and name those that only one has or that are of another type."""
    shared = [name for name in reference.types if name in current.types]
    alike = [name for name in shared if _comparable(reference.types[name]) == _comparable(current.types[name])]
    columns = [
        {"name": name, "type": reference.types[name], **_column(reference.columns[name], current.columns[name])}
        for name in alike
    ]
    levels = [column["level"] for column in columns]
    return {
        "format": FORMAT,
        "reference": {"rows": reference.rows, "sampled": reference.taken},
        "current": {"rows": current.rows, "sampled": current.taken},
        "level": max(levels, key=LEVELS.index, default="none"),
        "drifted": sum(level != "none" for level in levels),
        "added": [name for name in current.types if name not in reference.types],
        "removed": [name for name in reference.types if name not in current.types],
        "retyped": [name for name in shared if name not in alike],
        "columns": columns,
    }


def _comparable(kind: str) -> str:
    """Whole and other numbers are compared with one another, and so are days and moments."""
    return {"integer": "number", "date": "datetime"}.get(kind, kind)


def _column(reference: Any, current: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "level": "none",
        "missing": [_share(reference.null_count, len(reference)), _share(current.null_count, len(current))],
    }
    if not len(reference) or not len(current):
        return told
    if pa.types.is_string(reference.type) or pa.types.is_boolean(reference.type):
        return told | _categories(reference, current)
    return told | _numbers(numbers_of(_moments(reference)), numbers_of(_moments(current)))


def _moments(values: Any) -> Any:
    """Days as moments, for both sides to be on one scale."""
    return values.cast(pa.timestamp("us")) if pa.types.is_date(values.type) else values


def _numbers(reference: Floats, current: Floats) -> dict[str, Any]:
    edges = quantile_edges(reference[~np.isnan(reference)])
    before, after = (_binned(values, edges) for values in (reference, current))
    told = _measured(before, after)
    x, y = reference[~np.isnan(reference)], current[~np.isnan(current)]
    if len(x) and len(y):
        with np.errstate(all="ignore"):  # one row on each side is too few for its formula
            ks = stats.ks_2samp(x, y, method="asymp")
        told["ks"] = {"statistic": float(ks.statistic), "p": float(np.nan_to_num(ks.pvalue, nan=1.0))}
        told["wasserstein"] = wasserstein(x, y)
        if told["level"] == "none" and ks.statistic >= KS_MODERATE and ks.pvalue < CHANCE:
            told["level"] = "moderate"
    return told


def _categories(reference: Any, current: Any) -> dict[str, Any]:
    reference, current = reference.cast(pa.string()), current.cast(pa.string())
    counted = pa.table({"value": reference.drop_null()}).group_by("value").aggregate([([], "count_all")])
    order = counted.sort_by([("count_all", "descending"), ("value", "ascending")])
    known = order["value"].combine_chunks().slice(0, CATEGORIES)
    before, after = (_tallied(values, known) for values in (reference, current))
    told = _measured(before, after)
    unseen = pc.sum(pc.invert(pc.is_in(current.drop_null(), value_set=counted["value"].combine_chunks()))).as_py() or 0
    told["unseen"] = _share(unseen, len(current) - current.null_count)
    told["chi2"] = chi_squared(before, after)
    return told


def _tallied(values: Any, known: Any) -> Counts:
    """Rows of each known category, of all others, and of those that are missing."""
    places = pc.index_in(values, value_set=known).fill_null(len(known)).to_numpy(zero_copy_only=False)
    missing = values.is_null().to_numpy(zero_copy_only=False)
    return np.bincount(np.where(missing, len(known) + 1, places), minlength=len(known) + 2)


def quantile_edges(values: Floats) -> Floats:
    """Edges between `BINS` bins of equally many numbers; one that fills more than a bin has a bin to itself."""
    if not len(values):
        return np.empty(0)
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    edges, counts = np.unique(quantiles, return_counts=True)
    return np.unique(np.concatenate([edges, np.nextafter(edges[counts > 1], np.inf)]))


def _binned(values: Floats, edges: Floats) -> Counts:
    """Rows in each bin, and last of those that are missing."""
    places = np.searchsorted(edges, values, side="right")
    places[np.isnan(values)] = len(edges) + 1
    return np.bincount(places, minlength=len(edges) + 2)


def _measured(before: Counts, after: Counts) -> dict[str, Any]:
    used = (before + after) > 0
    before, after = before[used], after[used]
    psi = population_stability(before, after)
    return {"level": level_of(psi, before, after), "psi": psi, "js": jensen_shannon(before, after)}


def level_of(psi: float, before: Counts, after: Counts) -> Level:
    """What a population stability index amounts to, given what it comes to by chance alone.

    Without drift it is about (1/n + 1/m) times χ² with one degree less than there are bins: B. Yurdakul, Statistical
    Properties of Population Stability Index (Western Michigan University, 2018).
    """
    chance = stats.chi2.ppf(1 - CHANCE, max(len(before) - 1, 1)) * (1 / before.sum() + 1 / after.sum())
    if psi < max(PSI_MODERATE, chance):
        return "none"
    return "major" if psi >= PSI_MAJOR else "moderate"


def population_stability(before: Counts, after: Counts) -> float:
    """The population stability index: Σ (q - p) ln(q / p), the sum of both Kullback-Leibler divergences.

    Half a row is added to each bin, so that one that is empty on one side counts as rare and not as impossible.
    """
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (before, after))
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(before: Counts, after: Counts) -> float:
    """The Jensen-Shannon distance, from 0 (equal) to 1 (nothing in common): the root of the divergence in bits.

    J. Lin (IEEE Trans. Inf. Theory 37, 1991); D. Endres and J. Schindelin (ibid. 49, 2003), for its being a metric.
    """
    p, q = before / before.sum(), after / after.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [np.where(side > 0, side * np.log2(side / middle), 0.0).sum() / 2 for side in (p, q)]
    return float(np.sqrt(min(max(sum(halves), 0.0), 1.0)))


def wasserstein(before: Floats, after: Floats) -> float | None:
    """How far numbers had to be carried on average, in deviations of the reference; None where that is none."""
    largest = max(float(np.abs(before).max()), float(np.abs(after).max())) or 1.0
    x, y = before / largest, after / largest
    spread = float(x.std())
    return float(stats.wasserstein_distance(x, y) / spread) if spread > 1e-12 else None


def chi_squared(before: Counts, after: Counts) -> dict[str, Any] | None:
    """Pearson's test of homogeneity of the categories' counts; None where there is but one."""
    used = (before + after) > 0
    table = np.stack([before[used], after[used]])
    if table.shape[1] < 2:
        return None
    found = stats.chi2_contingency(table, correction=False)
    return {"statistic": float(found.statistic), "p": float(found.pvalue), "degrees": int(found.dof)}


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0
