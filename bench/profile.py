"""The profile of a dataset version beside pyarrow reading the CSV that it was made from: time, and memory at most.

``python -m bench gigabyte`` measures the size that the limit is about; ``python -m bench profile`` a fifth of it, as
taking a gigabyte in first lasts minutes.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.measure import Line, Report, Target, compared, interleaved, scratch

GIGABYTES = 0.2

ROUNDS = 3

BATCH = 20_000


def run(gigabytes: float = GIGABYTES) -> Report:
    """Make the CSV, take it in, and measure both sides in processes of their own."""
    with scratch() as folder:
        source, table = folder / "table.csv", folder / "table.parquet"
        write_csv(source, gigabytes)
        taken = _side("take-in", source, table)
        facts = folder / "facts.json"
        facts.write_text(json.dumps(taken["task"]))
        memory: dict[str, list[float]] = {"profile": [], "read": [], "read-1": []}

        def side(name: str) -> float:
            told = _side(name, source, facts)
            memory[name].append(told["memory"])
            return float(told["seconds"])

        ours, peer, single = interleaved(
            [lambda: side("profile"), lambda: side("read"), lambda: side("read-1")], ROUNDS
        )
        size = source.stat().st_size
    mib = float(1 << 20)
    return Report(
        f"profile of a version, {size / 1e9:.2f} GB of CSV, {taken['task']['rows']:,} rows × 24 columns",
        [
            compared("profile", ours, "s", "pyarrow reads the CSV, all cores", peer, Target("at most", 1.5)),
            compared("profile", ours, "s", "pyarrow reads the CSV, one thread", single),
            Line(
                "memory at most", max(memory["profile"]) / mib, "MiB", "of pyarrow's table", max(memory["read"]) / mib
            ),
            Line("taking the CSV in, once", taken["seconds"], "s"),
        ],
        [
            "ours: profile_table on the typed table, one thread, in a new process, as in a sandbox: all imported",
            "pyarrow: csv.read_csv of the file, in a new process, all imported; memory is the most resident",
        ],
    )


def write_csv(path: Path, gigabytes: float) -> None:
    """Numbers, whole numbers, categories, names, dates and gaps, until the file is large enough."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pa_csv

    draw = np.random.default_rng(0)
    cities = np.array(["Rome", "Oslo", "Bern", "Kyiv", "Lima", "Accra"])
    rows = 0
    with path.open("wb") as file:
        while file.tell() < gigabytes * 1e9:
            columns: dict[str, Any] = {f"x{at}": draw.normal(size=BATCH) for at in range(12)}
            columns |= {f"n{at}": draw.integers(0, 10 ** (1 + at), BATCH) for at in range(6)}
            columns |= {f"c{at}": draw.choice(cities, BATCH) for at in range(3)}
            columns["key"] = pa.array(rows + np.arange(BATCH)).cast(pa.string())
            columns["key"] = pc.binary_join_element_wise("k", columns["key"], "-")
            columns["day"] = pa.array(draw.integers(10_000, 20_000, BATCH), pa.int32()).cast(pa.date32())
            columns["gaps"] = pa.array(draw.normal(size=BATCH), mask=draw.random(BATCH) < 0.3)
            pa_csv.write_csv(pa.table(columns), file, pa_csv.WriteOptions(include_header=rows == 0))
            rows += BATCH


def _side(name: str, source: Path, other: Path) -> dict[str, Any]:
    """What a process of its own tells of one side."""
    command = [sys.executable, "-m", "bench.profile", "--side", name, str(source), str(other)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as in a sandbox; pyarrow's are others
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **threads})
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def side(name: str, source: str, other: str) -> dict[str, Any]:
    """Do one side in this process."""
    import pyarrow.csv as pa_csv

    import skyulf.core.profile  # noqa: F401 - a sandbox has imported everything before its task comes
    from skyulf.ingest import ingest_file
    from skyulf.reactions.profiler import Table, profile_table

    begun = time.perf_counter()
    task: dict[str, Any] = {}
    if name == "take-in":
        ingested = ingest_file(lambda _: None, source, "table.csv", other)
        columns = [asdict(column) for column in ingested.columns]
        task = {"path": other, "rows": ingested.rows, "columns": columns}
    elif name == "profile":
        asked = json.loads(Path(other).read_text())
        table = Table(asked["path"], asked["rows"], tuple(asked["columns"]))
        profile_table(lambda _: None, table, os.devnull)
    else:
        pa_csv.read_csv(source, read_options=pa_csv.ReadOptions(use_threads=name == "read"))
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "task": task}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.profile")
    parser.add_argument("--gigabytes", type=float, default=GIGABYTES)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(side(*options.side)))
    else:
        run(options.gigabytes).show(Console())
