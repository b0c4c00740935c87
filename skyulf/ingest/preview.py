"""The first rows of a table as JSON text; read in a sandbox child, since pyarrow is not for the server's process."""

from collections.abc import Callable
from typing import Any

LARGEST = 8 << 20
"""Bytes of JSON; fewer rows than were asked for are given where they would take more."""


def first_rows(send: Callable[[Any], None], path: str, limit: int) -> bytes:  # noqa: ARG001 - a task's signature
    """A JSON list of up to ``limit`` rows of the Parquet file, each an object; dates and times in their ISO forms."""
    import orjson
    import pyarrow.parquet as pq

    lines: list[bytes] = []
    size = 0
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(min(limit, 64), use_threads=False):
            for row in batch.to_pylist():
                line = orjson.dumps(row)
                size += len(line) + 1
                if len(lines) == limit or size > LARGEST:
                    return _listed(lines)
                lines.append(line)
    return _listed(lines)


def _listed(lines: list[bytes]) -> bytes:
    return b"[" + b",".join(lines) + b"]"
