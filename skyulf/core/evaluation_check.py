"""What would keep thresholds, intervals or slices from being found on a dataset, by its columns' facts alone. Pure."""

import math
from collections.abc import Iterator, Sequence

from skyulf.core.columns import ColumnFacts
from skyulf.core.folds_check import fold_faults, parted
from skyulf.core.made import some
from skyulf.core.spec import PipelineSpec
from skyulf.errors import Fault

MOST_CLASSES = 100
"""Classes that thresholds are chosen for, at most."""


def rank_of(coverage: float, residuals: int) -> int | None:
    """Which of the residuals in ascending order, counted from 1, bounds an interval; None where they are too few.

    The (n + 1) × coverage-th, rounded up, of n (Lei et al. 2018, section 2.2).
    """
    # 0.9 × 100 is 90 here, and not the number a hair above or below it that computers make of such products.
    rank = math.ceil(round((residuals + 1) * coverage, 9))
    return rank if rank <= residuals else None


def evaluation_faults(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Iterator[Fault]:
    """Find them in a spec that could be trained without."""
    target = next(column for column in columns if column.name == spec.target)
    if spec.thresholds is not None:
        yield from fold_faults(spec, spec.thresholds.cv, "thresholds.cv", columns, rows)
        if target.distinct > MOST_CLASSES:
            yield Fault("thresholds", f"{target.distinct} classes are more than {MOST_CLASSES}; leave it out")
        elif target.distinct > 2 and spec.thresholds.criterion == "cost":
            yield Fault("thresholds.criterion", "a cost is that of mistaking two classes; choose another for more")
    if spec.intervals is not None:
        train, measuring = parted(spec, rows - target.nulls)
        if spec.intervals.method == "cross":
            yield from fold_faults(spec, spec.intervals.cv, "intervals.cv", columns, rows)
        elif train < 2:
            yield Fault("intervals.calibration_size", f"it leaves {train} rows to be fitted on; lower it, or add rows")
        residuals = measuring or train
        if rank_of(spec.intervals.coverage, residuals) is None:
            message = f"{residuals} residuals are too few for a coverage of {spec.intervals.coverage}"
            yield Fault("intervals.coverage", f"{message}; lower it, or add rows")
    names = {column.name for column in columns}
    for at, name in enumerate(spec.evaluation.slices):
        if name not in names:
            known = some([column.name for column in columns], 20)
            yield Fault(f"evaluation.slices.{at}", f"the dataset has no such column; it has {known}")
