"""What a training needs of memory, told by facts before anything is read, and the sample that fits instead.

The figures are of trainings that were measured (docs/performance.md, "Large tables"): reading takes four times the
numbers' own size, as Arrow's columns, the frame and its one block are there together, and a cell of text takes a Python
string besides; fitting takes the matrix that reaches the model three times. What a model itself grows to is not told
here: the limit of the sandbox ends a job that was judged too small.
"""

import math
from collections.abc import Sequence

from skyulf.core.columns import ColumnFacts
from skyulf.core.evaluation_spec import EvaluationSpec
from skyulf.core.flow import Flow, follow
from skyulf.core.spec import PipelineSpec

NUMBER = 32
"""Bytes of a cell that is a number, while it is read."""

TEXT, WORD = 90, 18
"""Bytes of a cell of text, and of each of its words."""

MATRIX = 24
"""Bytes of a cell of what steps make, while it is fitted on."""

UNKNOWN = 100
"""Columns that a step is taken to make where only fitting tells."""

FEWEST = 1_000
"""Rows of the smallest sample: of fewer a table that size says too little."""


def needed_columns(spec: PipelineSpec, flow: Flow) -> frozenset[str]:
    """The columns that a training looks at; the others are dropped before anything has used them.

    All of them where parameters are still searched for, as they may name columns, and where more is measured than is
    by default: slices and groups may be of columns that the model never sees.
    """
    withheld = {spec.withheld} if spec.withheld is not None else set[str]()
    plain = spec.thresholds is None and spec.intervals is None and spec.evaluation == EvaluationSpec()
    if spec.tuning is not None or not plain:
        return frozenset((*flow.inputs, *withheld))
    used = {name for stage in flow.stages if stage.step.output != "dropped" for name in stage.selected}
    used.update(name for stage in flow.stages for names in stage.step.names().values() for name in names)
    return frozenset(used | {column.name for column in flow.outcome} | withheld)


def bytes_needed(specs: Sequence[PipelineSpec], columns: Sequence[ColumnFacts], rows: int) -> int:
    """The bytes that training the neediest of some complete specs takes on a table of so many rows."""
    flows = [follow(spec, columns, rows) for spec in specs]
    read = frozenset[str]().union(*(needed_columns(spec, flow) for spec, flow in zip(specs, flows, strict=True)))
    cells = sum(cell_bytes(column) for column in columns if column.name in read)
    return int(rows * (cells + MATRIX * max(map(width_of, flows))))


def cell_bytes(column: ColumnFacts) -> float:
    """The bytes of a cell of a column, while it is read."""
    return NUMBER if column.type != "string" else TEXT + WORD * (column.mean_words or 1.0)


def width_of(flow: Flow) -> int:
    """The most columns that there are after any step."""
    return max(
        (
            len(passage.columns) + sum(made.count or made.most or UNKNOWN for made in passage.made)
            for passage in flow.passages
        ),
        default=len(flow.inputs),
    )


def rows_that_fit(rows: int, needed: int, memory_bytes: int) -> int:
    """How many of the rows fit, where all of them need so much; what is needed grows with the rows."""
    return min(rows, rows * memory_bytes // max(needed, 1))


def scaled(columns: Sequence[ColumnFacts], rows: int, sampled: int) -> list[ColumnFacts]:
    """The facts to be expected of a sample of so many of the rows, drawn at random.

    Where a value occurs equally often, a sample lacks it with the probability that none of its rows is drawn.
    """
    share = sampled / rows
    return [_scaled(column, rows, share) for column in columns]


def _scaled(column: ColumnFacts, rows: int, share: float) -> ColumnFacts:
    filled = rows - column.nulls
    each = filled / column.distinct if column.distinct else 0.0
    distinct = math.ceil(column.distinct * (1 - (1 - share) ** each))
    return column.model_copy(
        update={
            "nulls": math.ceil(column.nulls * share),
            "distinct": distinct,
            "commonest": math.ceil(column.commonest * share),
            "rarest": max(1, int(column.rarest * share)) if column.rarest else 0,
            "unfit": math.ceil(column.unfit * share),
        }
    )
