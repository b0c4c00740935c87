"""What would keep training rows from being parted into folds, by the columns' facts alone. Pure."""

import math
from collections.abc import Iterator, Sequence

from skyulf.core.columns import ColumnFacts
from skyulf.core.made import some
from skyulf.core.spec import PipelineSpec
from skyulf.core.tuning_spec import FoldsSpec
from skyulf.errors import Fault


def parted(spec: PipelineSpec, filled: int) -> tuple[int, int]:
    """Of rows with a target, how many a pipeline is fitted on before all, and how many measure intervals."""
    train = filled - math.ceil(spec.split.test_size * filled)
    share = spec.intervals.set_aside if spec.intervals else None
    measuring = 0 if share is None else math.ceil(share * train)
    return train - measuring, measuring


def fold_faults(
    spec: PipelineSpec, cv: FoldsSpec, place: str, columns: Sequence[ColumnFacts], rows: int
) -> Iterator[Fault]:
    """Find them in the folds that stand at a place of the spec."""
    target = next(column for column in columns if column.name == spec.target)
    train, _ = parted(spec, rows - target.nulls)
    kind = cv.kind_for(spec.task)
    if cv.folds > train - (kind == "time_series"):
        yield Fault(f"{place}.folds", f"{train} training rows do not make {cv.folds} folds; lower it, or add rows")
    elif kind == "stratified":
        share = spec.split.test_size if spec.split.stratifies(spec.task) else 0.0
        rarest = math.ceil((1 - share) * target.rarest)
        if cv.folds > rarest:
            yield Fault(
                f"{place}.folds",
                f"the rarest class has {rarest} training rows at most, fewer than {cv.folds} folds;"
                " lower it, merge classes, or use k_fold",
            )
    if cv.column is None:
        return
    column = next((column for column in columns if column.name == cv.column), None)
    if column is None:
        names = some([column.name for column in columns], 20)
        yield Fault(f"{place}.column", f"the dataset has no such column; it has {names}")
    elif column.name == spec.target:
        yield Fault(f"{place}.column", "this is the target; name another column")
    elif kind == "group" and column.distinct + (column.nulls > 0) < cv.folds:
        yield Fault(f"{place}.column", f"this column has {column.distinct} values, fewer than {cv.folds} folds")
    elif kind == "time_series" and column.type in ("string", "boolean"):
        yield Fault(f"{place}.column", f"rows are not put in order by a {column.type}; name a date, time or number")
    elif kind == "time_series" and column.nulls:
        yield Fault(f"{place}.column", f"{column.nulls} of its cells are missing, so that rows have no order")
