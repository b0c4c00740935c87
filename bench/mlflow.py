"""Beside MLflow: a run created and described, and a page of runs, on the same Postgres; MLflow from its own package.

MLflow is no dependency of ours: it is installed into a virtual environment of its own under the user's cache, once.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.data import make, spec_of
from bench.events import History
from bench.jobs import api
from bench.measure import Line, Report, interleaved, ratio_of, scratch, seconds_of
from bench.postgres import migrated
from bench.servers import Server, free_port, serving
from skyulf.adapters.postgres_log import PostgresEventLog
from skyulf.adapters.read_store import SqlReadStore
from skyulf.adapters.system import new_id
from skyulf.projections import PROJECTIONS
from skyulf.projections.projector import Projector
from tests.services.postgres import databases

PACKAGES = ("mlflow>=3.17,<4", "psycopg2-binary")
RUNS = 200
"""Runs and jobs that have ended when lists are asked for; MLflow takes a quarter of a minute to make them."""

ROUNDS = 5
EACH = 8
"""Requests of each kind in a round."""

STARTING = 180.0
"""Seconds that MLflow is given to make its tables and start."""

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONPATH": ""}
"""The environment of MLflow's processes."""

METRICS = {"accuracy": 0.91, "f1": 0.9, "log_loss": 0.23, "roc_auc": 0.96, "mcc": 0.82, "precision": 0.91}
PARAMS = {"task": "classification", "target": "target", "test_size": "0.2", "model": "logistic_regression", "C": "1.0"}


def run() -> Report:
    """Start both on one Postgres server and ask them in turn; without MLflow, say why."""
    title = "Beside MLflow, on the same Postgres, p50"
    program, why = installed()
    if program is None:
        return Report(title, [], [f"Skipped: MLflow could not be installed ({why})."])
    with ExitStack() as stack:
        folder, made = stack.enter_context(scratch()), stack.enter_context(databases())
        theirs = stack.enter_context(mlflow(program, folder, made.database()))
        runs = Runs(theirs)
        for _ in range(RUNS):
            runs.ended(runs.described(runs.created()))
        url = migrated(made)
        fill(url)
        ours = stack.enter_context(api(folder, url))
        dataset = ours.upload(make(folder, 500))["id"]
        job = {"dataset_id": dataset, "spec": spec_of("logistic_regression", {})}
        sides = interleaved(
            [
                partial(p50, partial(ours.call, "POST", "/v1/jobs", job)),
                partial(p50, runs.created),
                partial(p50, lambda: runs.described(runs.created())),
                partial(p50, partial(ours.call, "GET", "/v1/jobs?status=succeeded&order=-created_at&limit=100")),
                partial(p50, runs.search),
            ],
            ROUNDS,
        )
    jobs, created, described, listed, searched = sides
    return Report(
        title,
        [
            line("POST /v1/jobs", jobs, "runs/create", created),
            line("POST /v1/jobs", jobs, "runs/create and runs/log-batch", described),
            line("GET /v1/jobs, 100 succeeded, newest first", listed, "runs/search, 100 finished", searched),
        ],
        [
            "POST /v1/jobs checks the spec against the dataset and records all that is needed to train it, in one "
            "event. runs/create makes an empty run, and runs/log-batch describes it: "
            f"{len(PARAMS)} parameters, {len(METRICS)} metrics.",
            f"About {RUNS} runs and jobs each. Ours is skyulf serve --role api; MLflow has one worker, and stands in "
            f"{program.parent.parent}.",
            "A page of ours has the specs and metrics of each job, one of MLflow's the parameters and metrics of each.",
        ],
    )


def fill(url: str) -> None:
    """Leave behind what a system that has trained so many jobs would."""
    with closing(PostgresEventLog(url, new_id)) as log, closing(SqlReadStore(url)) as store:
        log.restore(History().records(RUNS))
        projector = Projector(log, store, PROJECTIONS)
        projector.prepare()
        projector.catch_up()


def line(what: str, ours: list[float], beside: str, theirs: list[float]) -> Line:
    """A line in milliseconds."""
    return Line(what, median(ours), "ms", f"MLflow: {beside}", median(theirs), ratio_of(ours, theirs))


def p50(work: Any) -> float:
    """Milliseconds of the middle one of some calls."""
    return median(seconds_of(work) for _ in range(EACH)) * 1e3


def installed() -> tuple[Path | None, str]:
    """MLflow's program in an environment of its own, made where there is none; or else why there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "skyulf-bench" / "mlflow"
    program, whole = place / "bin" / "mlflow", place / ".whole"
    if whole.exists():
        return program, ""
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True, capture_output=True)
        command = [place / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES]
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        return None, said[-1] if said else type(error).__name__
    whole.touch()
    return program, ""


def mlflow(program: Path, folder: Path, url: str) -> AbstractContextManager[Server]:
    """MLflow's tracking server on a database of its own."""
    port = free_port()
    (folder / "mlflow").mkdir()
    command = [
        str(program), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", url, "--default-artifact-root", str(folder / "mlflow"),
    ]  # fmt: skip
    return serving(command, "/health", folder / "mlflow.log", port, QUIET, STARTING)


class Runs:
    """MLflow's runs, over its REST interface."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def created(self) -> str:
        """A new run's id."""
        document = {"experiment_id": "0", "start_time": now()}
        return str(self._ask("create", document)["run"]["info"]["run_id"])

    def described(self, run: str) -> str:
        """The run, once it has parameters and metrics."""
        metrics = [{"key": key, "value": value, "timestamp": now(), "step": 0} for key, value in METRICS.items()]
        params = [{"key": key, "value": value} for key, value in PARAMS.items()]
        self._ask("log-batch", {"run_id": run, "metrics": metrics, "params": params})
        return run

    def ended(self, run: str) -> None:
        """Let the run have ended well."""
        self._ask("update", {"run_id": run, "status": "FINISHED", "end_time": now()})

    def search(self) -> Any:
        """A page of runs that ended well, newest first."""
        found = self._ask(
            "search",
            {
                "experiment_ids": ["0"],
                "filter": "attributes.status = 'FINISHED'",
                "order_by": ["attributes.start_time DESC"],
                "max_results": 100,
            },
        )
        assert len(found["runs"]) == 100, json.dumps(found)[:500]
        return found

    def _ask(self, what: str, document: Any) -> Any:
        return self._server.call("POST", f"/api/2.0/mlflow/runs/{what}", document)


def now() -> int:
    """The time as MLflow wants it, in milliseconds."""
    return int(time.time() * 1e3)
