"""Tables of rows that were predicted and what was said of them, as they are compared with what was trained on."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from skyulf.core.drift import Sample
from skyulf.core.row_sample import sampled

INPUTS = b"skyulf.inputs"
"""In the metadata of such a table's schema: how many columns, the first ones, are the model's; then come the time and
the prediction."""

BATCH = 1 << 14

_TYPES = {
    pa.string(): "string",
    pa.bool_(): "boolean",
    pa.int64(): "integer",
    pa.float64(): "number",
    pa.timestamp("us", "UTC"): "datetime",
}


def served_sample(paths: Sequence[str], target: str) -> Sample:
    """A sample of tables of one version of a model; the predictions stand under the name of their ``target``.

    Where there is none ('', as of a clustering), they are left out.
    """
    schema = pq.read_schema(paths[0])
    inputs = int(schema.metadata[INPUTS])
    chosen = {name: name for name in schema.names[:inputs]}
    if target and target not in chosen:
        chosen[schema.names[inputs + 1]] = target
    types = {called: _TYPES.get(schema.field(name).type, "string") for name, called in chosen.items()}
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    return Sample(sampled(_batches(paths, chosen), list(chosen.values()), rows), types, rows)


def _batches(paths: Sequence[str], chosen: dict[str, str]) -> Iterator[Any]:
    names = list(chosen.values())
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=list(chosen), use_threads=False):
                yield pa.RecordBatch.from_arrays([batch.column(name) for name in chosen], names=names)
