"""What would keep a tuning from being done on a dataset, by its columns' facts alone. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence

from pydantic import ValidationError

from skyulf.core.columns import ColumnFacts
from skyulf.core.made import some
from skyulf.core.spec import PipelineSpec
from skyulf.core.tuning_space import LOOKED_AT, parameters_of, with_parameters
from skyulf.errors import Fault


def tuning_faults(
    spec: PipelineSpec,
    columns: Sequence[ColumnFacts],
    rows: int,
    check: Callable[[PipelineSpec], tuple[Fault, ...]],
) -> tuple[Fault, ...]:
    """Find them in a spec that could be trained without its tuning; ``check`` finds those of one without."""
    return (*_fold_faults(spec, columns, rows), *_choice_faults(spec, check))


def _fold_faults(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> Iterator[Fault]:
    assert spec.tuning is not None
    cv = spec.tuning.cv
    target = next(column for column in columns if column.name == spec.target)
    filled = rows - target.nulls
    train = filled - math.ceil(spec.split.test_size * filled)
    kind = cv.kind_for(spec.task)
    if cv.folds > train - (kind == "time_series"):
        yield Fault("tuning.cv.folds", f"{train} training rows do not make {cv.folds} folds; lower it, or add rows")
    elif kind == "stratified":
        share = spec.split.test_size if spec.split.stratifies(spec.task) else 0.0
        rarest = math.ceil((1 - share) * target.rarest)
        if cv.folds > rarest:
            yield Fault(
                "tuning.cv.folds",
                f"the rarest class has {rarest} training rows at most, fewer than {cv.folds} folds;"
                " lower it, merge classes, or use k_fold",
            )
    if cv.column is None:
        return
    column = next((column for column in columns if column.name == cv.column), None)
    if column is None:
        names = some([column.name for column in columns], 20)
        yield Fault("tuning.cv.column", f"the dataset has no such column; it has {names}")
    elif column.name == spec.target:
        yield Fault("tuning.cv.column", "this is the target; name another column")
    elif kind == "group" and column.distinct + (column.nulls > 0) < cv.folds:
        yield Fault("tuning.cv.column", f"this column has {column.distinct} values, fewer than {cv.folds} folds")
    elif kind == "time_series" and column.type in ("string", "boolean"):
        yield Fault("tuning.cv.column", f"rows are not put in order by a {column.type}; name a date, time or number")
    elif kind == "time_series" and column.nulls:
        yield Fault("tuning.cv.column", f"{column.nulls} of its cells are missing, so that rows have no order")


def _choice_faults(spec: PipelineSpec, check: Callable[[PipelineSpec], tuple[Fault, ...]]) -> Iterator[Fault]:
    """Follow each value of a step's list by itself through the columns: it can change what reaches the model."""
    for parameter in parameters_of(spec):
        if parameter.choices is None or not parameter.path.startswith("steps."):
            continue
        for at, value in enumerate(parameter.choices[:LOOKED_AT]):
            place = f"tuning.space.{parameter.path}.{at}"
            try:
                faults = check(with_parameters(spec, {parameter.path: value}))
            except ValidationError as error:
                yield Fault(place, str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, "))
                continue
            if faults:
                yield Fault(place, f"with it, {faults[0].place}: {faults[0].message}")
