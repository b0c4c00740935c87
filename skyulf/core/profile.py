"""What a table looks like, told in one pass over its batches in bounded memory.

Exact, whatever the batches are: missing cells, smallest and largest, zeros and negatives, lengths of text, histograms,
the commonest values of a column with few different ones, and which columns are equal; mean and deviation but for
rounding. Quantiles, correlations and the commonest values of other columns are those of a random sample of rows
(`row_sample`), and exact where the table is no larger than that. How many different values there are is taken from the
column's facts, which were counted when the table was made (`skyulf.ingest.counting`).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skyulf.core.association import associations, codes_of, numbers_of
from skyulf.core.columns import ColumnFacts, kind_of
from skyulf.core.equal_columns import EqualColumns
from skyulf.core.histogram import Floats, Histogram
from skyulf.core.row_sample import RowSample, rank_error, sample_size
from skyulf.core.suspicions import suspicions

FORMAT = 1

TOP = 20
"""The commonest values that are told of a column."""

FEW = 1_000
"""Different values up to which those of a column are all counted."""

PAIRED = 50
"""Columns of which every pair is looked at."""

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MICROSECOND = timedelta(microseconds=1)


def profile(batches: Iterable[Any], facts: Sequence[ColumnFacts], rows: int, seed: int = 0) -> dict[str, Any]:
    """Profile a table of ``rows`` rows, given as Arrow record batches with the columns that ``facts`` tell of.

    Text may come dictionary-encoded. The result is plain values, fit for JSON; it holds values of the data.
    """
    columns = [_Column(one, rows) for one in facts]
    sample = RowSample(rows, sample_size(len(facts), rows), seed)
    equal = EqualColumns(facts)
    for batch in batches:
        sample.add(batch)
        equal.add(batch)
        for column, values in zip(columns, batch.columns, strict=True):
            column.add(values)
    sampled = sample.columns([one.name for one in facts])
    taken = len(next(iter(sampled.values()))) if sampled else 0
    document: dict[str, Any] = {
        "format": FORMAT,
        "rows": rows,
        "sample": {"rows": taken, "rank_error": rank_error(taken, rows)},
        "columns": [column.told(sampled[column.facts.name]) for column in columns],
        "equal_columns": equal.groups(),
        "pairs": _pairs(facts, rows, sampled),
    }
    return {**document, "warnings": suspicions(document)}


def _pairs(facts: Sequence[ColumnFacts], rows: int, sampled: dict[str, Any]) -> dict[str, Any]:
    """Correlations and associations of the first `PAIRED` columns that vary and have no text of their own."""
    paired = [one for one in facts if one.distinct > 1 and kind_of(one, rows) != "text"][:PAIRED]
    categorical = {one.name: codes_of(sampled[one.name]) for one in paired if one.type == "string"}
    numeric = {one.name: numbers_of(sampled[one.name]) for one in paired if one.type != "string"}
    found = associations(numeric, categorical)
    return {
        "numeric": found.numeric,
        "pearson": found.pearson,
        "spearman": found.spearman,
        "columns": found.columns,
        "strength": found.strength,
    }


class _Column:
    """What is gathered of one column."""

    def __init__(self, facts: ColumnFacts, rows: int) -> None:
        self.facts = facts
        self._rows = rows
        self._seen = self._nulls = 0
        self._low: Any = None
        self._high: Any = None
        self._zeros = self._negatives = 0
        self._letters = 0
        self._moments = _Moments()
        self._histogram = Histogram(whole=facts.type != "number")
        self._counts = _Counts() if facts.distinct <= FEW else None

    def add(self, values: Any) -> None:
        self._seen += len(values)
        self._nulls += values.null_count
        values = values.drop_null()
        if not len(values):
            return
        if self._counts is not None:
            self._counts.add(values)
        if self.facts.type == "string":
            lengths = pc.utf8_length(values.cast(pa.string()))
            self._reach(lengths)
            self._letters += pc.sum(lengths).as_py()
        elif self.facts.type != "boolean":
            self._reach(values)
            numbers = _finite(numbers_of(values))
            self._histogram.add(numbers)
            if self.facts.type in ("integer", "number"):
                self._moments.add(numbers)
                self._zeros += len(numbers) - int(np.count_nonzero(numbers))
                self._negatives += int(np.count_nonzero(numbers < 0))

    def _reach(self, values: Any) -> None:
        reach = pc.min_max(values)
        low, high = reach["min"].as_py(), reach["max"].as_py()
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)

    def told(self, sampled: Any) -> dict[str, Any]:
        """The column's part of the document; ``sampled`` are its cells of the sample."""
        facts = self.facts
        told: dict[str, Any] = {
            "name": facts.name,
            "type": facts.type,
            "kind": kind_of(facts, self._rows),
            "nulls": self._nulls,
            "distinct": facts.distinct,
            "commonest": facts.commonest,
            "skewness": facts.skewness,
            "mean_words": facts.mean_words,
            **self._top(sampled),
        }
        present = self._seen - self._nulls
        if facts.type == "string":
            mean = self._letters / present if present else None
            return {**told, "letters": {"fewest": self._low, "most": self._high, "mean": mean}}
        if facts.type == "boolean":
            return told
        told |= {
            "minimum": _plain(self._low),
            "maximum": _plain(self._high),
            "quantiles": _quantiles(sampled),
            "histogram": self._bins(),
        }
        if facts.type in ("integer", "number"):
            told |= {
                "mean": self._moments.mean,
                "deviation": self._moments.deviation,
                "zeros": self._zeros,
                "negatives": self._negatives,
            }
        return told

    def _top(self, sampled: Any) -> dict[str, Any]:
        if self._counts is not None:
            return {"top": self._counts.top(), "top_of": "rows"}
        counts = _Counts()
        counts.add(sampled.drop_null())
        return {"top": [one for one in counts.top() if one["count"] > 1], "top_of": "sample"}

    def _bins(self) -> dict[str, Any]:
        edges: list[Any] = self._histogram.edges()
        if self.facts.type in ("date", "datetime"):
            edges = [_moment(edge, self.facts.type) for edge in edges]
        return {"edges": edges, "counts": self._histogram.counts()}


class _Moments:
    """Mean and deviation, merged batch by batch (Chan, Golub, LeVeque, 1983)."""

    def __init__(self) -> None:
        self._n = 0
        self._mean = np.float64(0)
        self._m2 = np.float64(0)

    def add(self, values: Floats) -> None:
        n = len(values)
        if not n:
            return
        with np.errstate(all="ignore"):
            mean = values.mean()
            apart = values - mean
            delta, total = mean - self._mean, self._n + n
            self._m2 += np.dot(apart, apart) + delta**2 * self._n * n / total
            self._mean += delta * n / total
        self._n = total

    @property
    def mean(self) -> float | None:
        """None where there is none, or it is beyond a float."""
        return float(self._mean) if self._n and np.isfinite(self._mean) else None

    @property
    def deviation(self) -> float | None:
        """That of a sample (n - 1); None of fewer than two numbers, or where it is beyond a float."""
        return float(np.sqrt(self._m2 / (self._n - 1))) if self._n > 1 and np.isfinite(self._m2) else None


class _Counts:
    """How often each value occurs; values are merged in whole batches."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._waiting = 0

    def add(self, values: Any) -> None:
        counted = pc.value_counts(values)
        found = counted.field(0)
        if pa.types.is_dictionary(found.type):
            found = found.cast(pa.string())
        self._parts.append(pa.table({"value": found, "count": counted.field(1)}))
        self._waiting += len(found)
        if self._waiting > 64 * FEW:
            self._merge()

    def _merge(self) -> None:
        together = pa.concat_tables(self._parts)
        merged = together.group_by("value", use_threads=False).aggregate([("count", "sum")])
        self._parts = [merged.rename_columns({"count_sum": "count"}).select(["value", "count"])]
        self._waiting = merged.num_rows

    def top(self) -> list[dict[str, Any]]:
        """The commonest, of equally common ones the smaller first."""
        if not self._parts:
            return []
        self._merge()
        order = [("count", "descending"), ("value", "ascending")]
        rows = self._parts[0].sort_by(order).slice(0, TOP).to_pylist()
        return [{"value": _cut(_plain(row["value"])), "count": row["count"]} for row in rows]


def _finite(numbers: Floats) -> Floats:
    kept = np.isfinite(numbers)
    return numbers if kept.all() else numbers[kept]


def _quantiles(sampled: Any) -> dict[str, Any]:
    """Values of the sample, none between two of them, so that whole numbers and days stay what they are."""
    values = sampled.drop_null()
    if not len(values):
        return {}
    ordered = values.take(pc.array_sort_indices(values))
    last = len(ordered) - 1
    return {str(q): _plain(ordered[round(q * last)].as_py()) for q in QUANTILES}


LONGEST = 200


def _cut(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _moment(distance: float, kind: str) -> str:
    """Days or microseconds since 1970 as text; where a bin reaches beyond the calendar, its end."""
    try:
        whole = round(distance)
        moment = EPOCH + (timedelta(days=whole) if kind == "date" else whole * MICROSECOND)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC) if distance > 0 else datetime.min.replace(tzinfo=UTC)
    return moment.date().isoformat() if kind == "date" else moment.isoformat()
