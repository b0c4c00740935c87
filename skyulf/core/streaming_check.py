"""What keeps a spec from being trained on a table that comes in pieces, and the memory that this takes. Pure."""

from collections.abc import Sequence

from skyulf.core.columns import ColumnFacts
from skyulf.core.flow import follow
from skyulf.core.memory import cell_bytes, needed_columns, width_of
from skyulf.core.spec import PipelineSpec
from skyulf.errors import Fault

CELLS, MOST, FEWEST = 500_000, 65_536, 1_000
"""Cells of a piece, and the most and the fewest rows: it rules what is learnt, so it follows from the table alone."""

CELL = 96
"""Bytes of each number of a piece, while steps and model learn of it."""

COLUMN = (1 << 20) + (1 << 18)
"""Bytes that reading holds of each column beside the piece: a page of the file, and what is read ahead."""

ROW = 128
"""Bytes of a row beside its cells: its target, its places in the split, and what is said of it."""

CHANCE = 40
"""Bytes of each probability of a row that is tested on, while it is judged."""


def streaming_faults(spec: PipelineSpec) -> list[Fault]:
    """Find what a spec asks for that cannot be done in pieces; none where it does not ask for pieces."""
    if spec.streaming is None:
        return []
    faults: list[Fault] = []
    if spec.model is None:
        faults.append(Fault("model", "streaming chooses between no candidates, which takes all rows at once; name one"))
    elif reason := spec.model.use().unable_in_pieces(spec.task):
        faults.append(Fault("model.node", f"streaming: {reason}"))
    if spec.steps is None:
        faults.append(Fault("steps", "streaming chooses no steps; name them, or none of them: []"))
    for at, step in enumerate(spec.steps or ()):
        if step.inputs is not None:
            faults.append(Fault(f"steps.{at}.inputs", "streaming: steps stand in a list; leave this out"))
        if reason := step.use().unable_in_pieces():
            faults.append(Fault(f"steps.{at}.node", f"streaming: {reason}"))
    if spec.model is not None and spec.model.inputs is not None:
        faults.append(Fault("model.inputs", "streaming: steps stand in a list; leave this out"))
    asked = {
        "tuning": spec.tuning, "thresholds": spec.thresholds, "intervals": spec.intervals,
        "target_transform": spec.transform, "evaluation.slices": spec.evaluation.slices or None,
    }  # fmt: skip
    message = "streaming: this takes all rows at once; leave it out, or streaming"
    return faults + [Fault(place, message) for place, part in asked.items() if part is not None]


def piece_rows(columns: int) -> int:
    """How many rows a piece has of a table of which so many columns are read."""
    return max(FEWEST, min(MOST, CELLS // max(columns, 1)))


def streamed_bytes(spec: PipelineSpec, columns: Sequence[ColumnFacts], rows: int) -> int:
    """The bytes that training in pieces takes: a piece of the table, and of every row what the split needs of it."""
    flow = follow(spec, columns, rows)
    read = needed_columns(spec, flow)
    cells = sum(cell_bytes(column) for column in columns if column.name in read)
    piece = min(rows, piece_rows(len(read))) * (cells + CELL * width_of(flow))
    target = next(column for column in columns if column.name == spec.target)
    classes = target.distinct if spec.task == "classification" else 1
    reading = sum(min(COLUMN, rows * cell_bytes(column)) for column in columns if column.name in read)
    return int(piece + reading + rows * (cell_bytes(target) + ROW + spec.split.test_size * classes * CHANCE))
