"""``python -m bench [NAME…] [--json]``: run the benchmarks named, all by default."""

import argparse
import importlib
import json
import os
import platform
import sys
import time

from rich.console import Console

from bench.measure import Report

BENCHES = {
    "append": "append on SQLite, durable, idempotency included",
    "postgres": "append on Postgres beside pgbench, durable, idempotency included",
    "jobs": "POST /v1/jobs, durable on Postgres, beside the same insert behind a bare route",
    "following": "what followers miss of 16 writers on Postgres, some of them killed",
    "rebuild": "read models from 10,000 and 1,000,000 events, SQLite",
    "catchup": "read models from 10,000 and 1,000,000 events, Postgres, beside the library's runner",
    "rebuilding": "jobs rebuilt from 10,000 and 1,000,000 events, Postgres, under 50 reads a second",
    "training": "training through the whole system",
    "tuning": "fifty trials beside Optuna driven by hand",
    "predict": "predictions over HTTP",
    "serve": "one model served, beside mlflow models serve",
    "profile": "the profile of a dataset version beside pyarrow reading its CSV",
    "start": "start to ready, and idle memory",
    "roles": "each role in a process of its own, and two API processes on one port",
    "wake": "from a job's creation to its training, through Kafka and through the log",
    "workers": "equal jobs on two workers beside one",
    "fresh": "from an append to the row that shows it",
    "listing": "lists of 100,000 jobs, SQLite and Postgres",
    "timetravel": "lists as of random positions of 1,000,000 events beside now's, SQLite and Postgres",
    "mlflow": "jobs and lists of them beside MLflow's runs, on Postgres",
    "sealing": "what sealing costs those who append, and how fast a log is sealed and verified",
    "chaos": "two of each role, Postgres and Kafka killed 200 times: what is lost or doubled",
    "gigabyte": "the profile of a gigabyte of CSV beside pyarrow reading it",
    "soak": "four of each role together for ten minutes",
}
"""Every benchmark: the module under bench/ whose ``run()`` answers a report, and what it measures."""

LONG = frozenset({"chaos", "gigabyte", "rebuilding", "soak"})
"""Those that take minutes each, and are run only when they are named."""

WIDTH = 150
"""Columns of a report that goes into a file or a pipe."""


def main() -> int:
    """Run what was asked for and print it."""
    listed = "\n".join(f"  {name:10}{what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=listed, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="what to measure; everything but " + " and ".join(sorted(LONG)) + " by default",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHES]:
        parser.error(f"there is no {unknown[0]}; there are {', '.join(BENCHES)}")
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    progress = Console(stderr=True)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"
    if not options.json:
        console.print(f"{machine}\n", style="dim", highlight=False)
    reports: dict[str, Report] = {}
    for name in options.names or (name for name in BENCHES if name not in LONG):
        begun = time.perf_counter()
        with progress.status(f"{name}: {BENCHES[name]} …"):
            reports[name] = importlib.import_module(f"bench.{name}").run()
        if not options.json:
            reports[name].show(console)
        if not progress.is_terminal:
            progress.print(f"{name}: {time.perf_counter() - begun:.0f} s", highlight=False)
    if options.json:
        document = {"machine": machine, "reports": {name: report.as_json() for name, report in reports.items()}}
        print(json.dumps(document, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
