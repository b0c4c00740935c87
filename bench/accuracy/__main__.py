"""``python -m bench.accuracy [NAME…] [--write]``: every table, or those named; ``--write`` makes docs/accuracy.md."""

import argparse
import sys
import warnings

from rich.console import Console

from bench.accuracy.judge import judge
from bench.accuracy.report import Row, document, show
from bench.accuracy.sets import TABLES, Table
from bench.accuracy.spoilt import SPOILT
from bench.measure import scratch
from bench.servers import Server, skyulf

SMALL = 25_000
"""A table of fewer rows is split three ways, each judged, and the scores' means compared."""


def main() -> int:
    """Judge the tables that were asked for; 0 even where some are missed: the table says so."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a table's name; everything by default")
    parser.add_argument("--splits", type=int, help="splits of each table, by default 3 of small ones and else 1")
    parser.add_argument("--threads", type=int, default=2, help="threads that training may use")
    parser.add_argument("--write", action="store_true", help="write docs/accuracy.md")
    options = parser.parse_args()
    every = (*TABLES, *SPOILT)
    known = {table.name for table in every}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no table {unknown[0]}; there are {', '.join(sorted(known))}")
    warnings.simplefilter("ignore")  # what the peers' libraries have to say of odd columns
    console, progress = Console(), Console(stderr=True)
    rows = []
    with scratch() as folder, skyulf(folder / "data", training_threads=options.threads) as server:
        for table in every:
            if options.names and table.name not in options.names:
                continue
            rows.append(_judged(server, table, options.splits))
            progress.print(rows[-1].line(), highlight=False)
            if options.write:
                document(rows)
    show(console, rows)
    return 0


def _judged(server: Server, table: Table, splits: int | None) -> Row:
    frame = table.load()
    count = splits or (3 if len(frame) < SMALL else 1)
    return Row(table, frame, tuple(judge(server, table, frame, split) for split in range(count)))


if __name__ == "__main__":
    sys.exit(main())
