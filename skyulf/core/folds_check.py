"""What would keep training rows from being parted into folds, by the columns' facts alone. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Left:
    """What an outer fold leaves to be parted again, of the one that leaves the least; without one all of it."""

    outer: FoldsSpec | None

    @property
    def in_time(self) -> bool:
        """Whether it holds what was before, of which there is least in the first fold."""
        return self.outer is not None and self.outer.kind == "time_series"

    def of(self, count: int) -> int:
        """Of so many rows, or groups, how many are left there at most: one of the folds takes its share or more."""
        if self.outer is None:
            return count
        if self.in_time:
            return count - self.outer.folds * (count // (self.outer.folds + 1))
        return count - math.ceil(count / self.outer.folds)

    @property
    def where(self) -> str:
        """Which rows are meant."""
        return "" if self.outer is None else " of the smallest outer fold"


def fold_faults(
    spec: PipelineSpec,
    cv: FoldsSpec,
    place: str,
    columns: Sequence[ColumnFacts],
    rows: int,
    outer: FoldsSpec | None = None,
) -> Iterator[Fault]:
    """Find them in the folds that stand at a place of the spec: of the training rows, or of those of an outer one."""
    target = next(column for column in columns if column.name == spec.target)
    left = _Left(outer)
    train = left.of(parted(spec, rows - target.nulls)[0])
    kind = cv.kind_for(spec.task)
    if cv.folds > train - (kind == "time_series"):
        yield Fault(
            f"{place}.folds",
            f"{train} training rows{left.where} do not make {cv.folds} folds; lower it, or add rows",
        )
    elif kind == "stratified":
        share = spec.split.test_size if spec.split.stratifies(spec.task) else 0.0
        rarest = math.ceil((1 - share) * target.rarest)
        rarest = rarest if left.in_time else left.of(rarest)
        if cv.folds > rarest:
            yield Fault(
                f"{place}.folds",
                f"the rarest class has {rarest} training rows{left.where} at most, fewer than {cv.folds} folds;"
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
    elif kind == "group" and (found := _groups(column, cv, outer)) < cv.folds:
        yield Fault(f"{place}.column", f"this column has {found} values{left.where}, fewer than {cv.folds} folds")
    elif kind == "time_series" and column.type in ("string", "boolean"):
        yield Fault(f"{place}.column", f"rows are not put in order by a {column.type}; name a date, time or number")
    elif kind == "time_series" and column.nulls:
        yield Fault(f"{place}.column", f"{column.nulls} of its cells are missing, so that rows have no order")


def _groups(column: ColumnFacts, cv: FoldsSpec, outer: FoldsSpec | None) -> int:
    """How many groups there are to be parted; outer folds by the same column take whole ones away."""
    count = column.distinct + (column.nulls > 0)
    together = outer is not None and outer.kind == "group" and outer.column == cv.column
    return _Left(outer).of(count) if together else count
