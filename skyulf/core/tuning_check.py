"""What would keep a tuning from being done on a dataset, by its columns' facts alone. Pure."""

from collections.abc import Callable, Iterator, Sequence

from pydantic import ValidationError

from skyulf.core.columns import ColumnFacts
from skyulf.core.folds_check import fold_faults
from skyulf.core.spec import PipelineSpec
from skyulf.core.tuning_space import LOOKED_AT, parameters_of, with_parameters
from skyulf.core.tuning_spec import TuningSpec
from skyulf.errors import Fault


def tuning_faults(
    spec: PipelineSpec,
    columns: Sequence[ColumnFacts],
    rows: int,
    check: Callable[[PipelineSpec], tuple[Fault, ...]],
) -> tuple[Fault, ...]:
    """Find them in a spec that could be trained without its tuning; ``check`` finds those of one without."""
    assert spec.tuning is not None
    return (*_fold_faults(spec, spec.tuning, columns, rows), *_choice_faults(spec, check))


def _fold_faults(spec: PipelineSpec, tuning: TuningSpec, columns: Sequence[ColumnFacts], rows: int) -> Iterator[Fault]:
    """Look at the outer folds first, and then at the inner ones in what these leave."""
    outer = tuning.outer_folds
    faults = list(fold_faults(spec, outer, "tuning.outer", columns, rows)) if outer is not None else []
    yield from faults
    if not faults:
        yield from fold_faults(spec, tuning.cv, "tuning.cv", columns, rows, outer)


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
