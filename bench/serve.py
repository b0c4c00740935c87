"""One fitted model served by us and by ``mlflow models serve``: the time of one row, and rows a second of 8 clients.

MLflow's side is the very model: the script that we export of it is run in MLflow's environment, and what comes out is
saved as MLflow saves models. Both must say the same of every row that is asked.
"""

import json
import os
import subprocess
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench.data import make, rows_of
from bench.measure import Line, Report, Target, compared, interleaved, scratch
from bench.mlflow import QUIET, STARTING, installed
from bench.predict import MODELS, deploy
from bench.servers import Server, constant, free_port, latencies, rate, request_of, serving, skyulf

SERVED = ("logistic_regression", "random_forest")

ROUNDS = 5
CLIENTS = 8
EACH = 100
"""Requests of one client in a round, and a fifth of those of all clients."""

CHECKED = 20
"""Rows of which both must say the same."""

FASTER = Target("at most", 1 / 5)
MORE = Target("at least", 10)

SAVE = """
import runpy, sys
script, table, target = sys.argv[1:4]
sys.argv = [script, table]
names = runpy.run_path(script)
import mlflow.sklearn
known = ["numpy.dtype", "sklearn.tree._tree.Tree"]
mlflow.sklearn.save_model(
    names["served"], target, input_example=names["features"].head(3), skops_trusted_types=known
)
"""
"""A program that fits a model by its exported script, and saves it as MLflow saves models."""


def run() -> Report:
    """Train, hand the models over, and ask both in turn; without MLflow, say why."""
    title = "One model served, beside mlflow models serve, 20 numbers a row"
    program, why = installed()
    if program is None:
        return Report(title, [], [f"Skipped: MLflow could not be installed ({why})."])
    lines: list[Line] = []
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        table = make(folder, 10_000)
        server = stack.enter_context(skyulf(folder / "data"))
        bare = stack.enter_context(constant(folder / "constant"))
        dataset = server.upload(table)["id"]
        for model in SERVED:
            server.finished(deploy(server, dataset, model, MODELS[model]))
            with mlflow_serving(program, folder, model, saved(program, server, folder, model, table)) as theirs:
                lines += measure(server, theirs, bare, model, table)
    return Report(
        title,
        lines,
        [
            "The same pipeline on the same rows, fitted in MLflow's environment by the script that was exported of "
            f"ours; both say the same of the first {CHECKED} rows.",
            "mlflow models serve with its local environment, as it comes; ours is skyulf serve with all its roles, and "
            "answers probabilities besides.",
            "The constant route of bench/predict.py shows what HTTP alone takes of either.",
        ],
    )


def saved(program: Path, server: Server, folder: Path, model: str, table: Path) -> Path:
    """The folder of the same model as MLflow keeps it."""
    name = model.replace("_", "-")
    script, target = folder / f"{name}.py", folder / f"{name}.mlflow"
    script.write_text(server.text(f"/v1/models/{name}/versions/1/script"))
    command = [program.parent / "python", "-c", SAVE, script, table, target]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **QUIET}, cwd=folder, check=False)
    if done.returncode:
        raise RuntimeError(f"MLflow did not take the model: {done.stderr[-2000:]}")
    return target


def mlflow_serving(program: Path, folder: Path, model: str, place: Path) -> AbstractContextManager[Server]:
    """``mlflow models serve`` of a saved model."""
    port = free_port()
    command = [
        str(program), "models", "serve", "--model-uri", str(place), "--env-manager", "local",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    environment = {**QUIET, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    return serving(command, "/ping", folder / f"{model}.log", port, environment, STARTING)


def measure(ours: Server, theirs: Server, bare: Server, model: str, table: Path) -> list[Line]:
    """One model's lines."""
    path = f"/v1/deployments/{model.replace('_', '-')}/predict"
    rows = json.loads(rows_of(table, CHECKED))["rows"]
    said = ours.call("POST", path, {"rows": rows})["predictions"]
    if (other := theirs.call("POST", "/invocations", split_of(rows))["predictions"]) != said:
        raise RuntimeError(f"the two do not say the same: {said} and {other}")
    one = rows_of(table, 1)
    asked = request_of(ours.port, "POST", path, one)
    peer = request_of(theirs.port, "POST", "/invocations", json.dumps(split_of(rows[:1])).encode())
    plain = request_of(bare.port, "POST", "/one", one)
    p50, their_p50, bare_p50, burst, their_burst = interleaved(
        [
            lambda: median(latencies(ours.port, asked, EACH)),
            lambda: median(latencies(theirs.port, peer, EACH)),
            lambda: median(latencies(bare.port, plain, EACH)),
            lambda: rate(ours.port, asked, CLIENTS, 5 * EACH),
            lambda: rate(theirs.port, peer, CLIENTS, 5 * EACH),
        ],
        ROUNDS,
    )
    serve = "mlflow models serve"
    return [
        compared(f"{model}: 1 row, 1 client, p50", p50, "ms", serve, their_p50, FASTER),
        compared(f"{model}: 1 row, {CLIENTS} clients", burst, "/s", serve, their_burst, MORE),
        compared(f"{model}: 1 row, 1 client, p50", p50, "ms", "constant route", bare_p50),
    ]


def split_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows as MLflow takes them."""
    names = list(rows[0])
    return {"dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in rows]}}
