"""What a child does while it waits for a job: it trains on a small made-up table, and throws the model away.

A process that was forked does everything for the first time: it copies the pages that it touches, starts the
threads that read files, fills the caches of libraries. A rehearsal does that before the job comes.
"""

import tempfile
from pathlib import Path

from skyulf.reactions.trainer import Task, train

ROWS = 240

COLUMNS = (
    {"name": "a", "type": "number", "nulls": 24, "distinct": 24, "commonest": 9, "rarest": 9},
    {"name": "b", "type": "number", "nulls": 0, "distinct": 30, "commonest": 8, "rarest": 8},
    {"name": "c", "type": "string", "nulls": 0, "distinct": 4, "commonest": 60, "rarest": 60},
    {"name": "y", "type": "integer", "nulls": 0, "distinct": 2, "commonest": 120, "rarest": 120},
)

SPEC = {
    "task": "classification",
    "target": "y",
    "steps": [
        {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
        {"node": "one_hot", "columns": "categorical"},
        {"node": "scale", "columns": "numeric"},
    ],
    "model": {"node": "logistic_regression"},
}


def rehearse(threads: int) -> None:
    """Train once in this process, with so many threads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "a": [None if row % 10 == 0 else float(row % 27) for row in range(ROWS)],
            "b": [float(row % 30) for row in range(ROWS)],
            "c": ["wxyz"[row % 4] for row in range(ROWS)],
            "y": [row // 2 % 2 for row in range(ROWS)],
        }
    )
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        path = Path(folder) / "table.parquet"
        pq.write_table(table, path)
        train(lambda _: None, Task(str(path), folder, (SPEC,), COLUMNS, 0, threads, ROWS))
