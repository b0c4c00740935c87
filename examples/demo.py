"""A tour of Skyulf on real data, over plain HTTP: read it from top to bottom, or run it with ``make demo``.

A server is started on a free port with an empty directory, and stopped at the end.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

PENGUINS = Path(__file__).with_name("penguins.csv")

PATIENCE = 120
"""Seconds within which a server must be ready, and the jobs done."""

LINEAR: dict[str, Any] = {
    "task": "classification",
    "target": "species",
    "steps": [
        {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
        {"node": "scale", "columns": "numeric"},
        {"node": "impute", "columns": "categorical", "params": {"strategy": "most_frequent"}},
        {"node": "one_hot", "columns": "categorical"},
    ],
    "model": {"node": "logistic_regression", "params": {"C": 1.0}},
}

FOREST: dict[str, Any] = {
    "task": "classification",
    "target": "species",
    "steps": [
        {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
        {"node": "ordinal", "columns": "categorical"},
    ],
    "model": {"node": "random_forest", "params": {"n_estimators": 200}},
}

console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)


def tour() -> None:
    """Everything, in order."""
    with tempfile.TemporaryDirectory(prefix="skyulf-demo-") as folder, server(Path(folder)) as skyulf:
        dataset = ingest(skyulf)
        pipelines = describe(skyulf)
        jobs = train(skyulf, dataset, pipelines)
        best = compare(jobs)
        deploy(skyulf, best)
        predict(skyulf)
        audit(skyulf)
    chapter("The server was asked to stop, and has ended with 0.")


@contextmanager
def server(folder: Path) -> Iterator[httpx.Client]:
    """Start ``skyulf serve`` on a free port; give a client of it; stop it."""
    chapter("A server, in one process, with an empty directory")
    command = ["skyulf", "serve", "--port", "0", "--json", "--data-dir", "DIR"]
    console.print(Text(f"  $ {' '.join(command)}", style="cyan"))
    arguments = [sys.executable, "-m", *command[:-1], str(folder / "data")]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        announced = process.stdout.readline()
        if not announced:
            sys.exit(f"the server did not start:\n{(folder / 'server.log').read_text()}")
        url = json.loads(announced)["url"]
        with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            until = time.monotonic() + PATIENCE
            while client.get("/health/ready").status_code != 200 and time.monotonic() < until:
                time.sleep(0.05)
            console.print(Text.assemble("  ready at ", (url, "bold green")))
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            ended = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            ended = process.wait()
    if ended != 0:
        sys.exit(f"the server ended with {ended}:\n{(folder / 'server.log').read_text()}")


def ingest(skyulf: httpx.Client) -> dict[str, Any]:
    """Upload the file as it is; every column's type and facts come back, and no value of it goes into an event."""
    chapter("A CSV with missing values and categories becomes a dataset")
    with PENGUINS.open("rb") as file:
        dataset: dict[str, Any] = ask(skyulf, "POST", "/v1/datasets", files={"file": file}, data={"name": "penguins"})
    table = listing("column", "type", "missing", "different values", right=(2, 3))
    for column in dataset["columns"]:
        table.add_row(column["name"], column["type"], str(column["nulls"] or ""), str(column["distinct"]))
    console.print(table)
    console.print(f"  {dataset['rows']} rows, kept under their digest {dataset['digest'][:23]}…")
    return dataset


def describe(skyulf: httpx.Client) -> dict[str, str]:
    """Two pipelines, as data: what is done to columns of a kind, and the model at the end."""
    chapter("Two different pipelines to predict the species")
    pipelines = {}
    for name, spec in (("linear", LINEAR), ("forest", FOREST)):
        pipelines[name] = ask(skyulf, "POST", "/v1/pipelines", json={"name": name, "spec": spec})["id"]
        steps = [f"{step['node']} {step.get('columns', '')}" for step in spec["steps"]]
        console.print(Text(f"  {'  →  '.join([*steps, spec['model']['node']])}", style="cyan"))
    return pipelines


def train(skyulf: httpx.Client, dataset: dict[str, Any], pipelines: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Ask for both trainings at once; watch them until they have ended."""
    chapter("Both are trained, each in a process of its own")
    jobs = {}
    for name, pipeline in pipelines.items():
        body = {"dataset_id": dataset["id"], "pipeline_id": pipeline, "model_name": "penguins", "seed": 7}
        jobs[name] = ask(skyulf, "POST", "/v1/jobs", json=body)["id"]
    bars = (TextColumn("  {task.fields[job]:<7}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*bars, console=console) as progress:
        shown = {name: progress.add_task(name, total=1.0, job=name, now="") for name in jobs}
        until = time.monotonic() + PATIENCE
        while True:
            seen = {name: skyulf.get(f"/v1/jobs/{job}").json() for name, job in jobs.items()}
            for name, job in seen.items():
                now = job["progress"]["stage"] if job["status"] == "running" else job["status"]
                progress.update(shown[name], completed=job["progress"]["fraction"], now=now or "")
            if all(job["status"] in ("succeeded", "failed", "cancelled") for job in seen.values()):
                break
            if time.monotonic() > until:
                sys.exit("the jobs took too long")
            time.sleep(0.1)
    for name, job in seen.items():
        if job["status"] != "succeeded":
            sys.exit(f"the job {name} {job['status']}: {job['error']}")
    return seen


def compare(jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Both models on the same held-out rows; the one with the lower log loss is the better."""
    chapter("Compared on rows that neither has seen")
    best = min(jobs.values(), key=lambda job: job["metrics"]["log_loss"])
    table = listing("", "model", "version", "accuracy", "f1", "roc_auc", "log_loss", "trained in", right=range(2, 8))
    for name, job in jobs.items():
        metrics = [f"{job['metrics'][metric]:.4f}" for metric in ("accuracy", "f1", "roc_auc", "log_loss")]
        table.add_row(
            "●" if job is best else "",
            f"{name} ({job['spec']['model']['node']})",
            str(job["model_version"]),
            *metrics,
            f"{sum(job['timings'].values()):.2f} s",
            style="bold green" if job is best else "",
        )
    console.print(table)
    rows = best["rows"]
    console.print(f"  {rows['train']} rows to learn from, {rows['test']} held out; then fitted again on all of them")
    return best


def deploy(skyulf: httpx.Client, job: dict[str, Any]) -> None:
    """Serve the better one under a name, and say why: the reason stands in the log for ever."""
    chapter("The better one is deployed")
    reason = f"the lower log loss on held-out rows: {job['metrics']['log_loss']:.4f}"
    body = {"model": "penguins", "model_version": job["model_version"], "reason": reason}
    answer = ask(skyulf, "PUT", "/v1/deployments/species", json=body)
    console.print(f"  species now serves penguins version {answer['model_version']}: {reason}")


def predict(skyulf: httpx.Client) -> None:
    """Raw rows, as they come: one as usual, one with missing cells, one from an island that was never seen."""
    chapter("Raw rows are predicted")
    usual = {
        "island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181,
        "body_mass_g": 3750, "sex": "male", "year": 2007,
    }  # fmt: skip
    heavy = {**usual, "island": "Biscoe", "bill_length_mm": 47.6, "bill_depth_mm": 14.5, "flipper_length_mm": 215}
    rows = {
        "as usual": usual,
        "missing cells": {**heavy, "body_mass_g": None, "sex": None},
        "unseen category": {**usual, "island": "Atlantis", "bill_length_mm": 50.2, "flipper_length_mm": 200},
    }
    answer = ask(skyulf, "POST", "/v1/deployments/species/predict", json={"rows": list(rows.values())})
    table = listing("row", "island", "bill mm", "flipper mm", "mass g", "sex", "prediction", "sure", right=(2, 3, 4, 7))
    for (name, row), prediction, chances in zip(
        rows.items(), answer["predictions"], answer["probabilities"], strict=True
    ):
        cells = [row[column] for column in ("island", "bill_length_mm", "flipper_length_mm", "body_mass_g", "sex")]
        shown = ["–" if cell is None else str(cell) for cell in cells]
        table.add_row(name, *shown, Text(prediction, style="bold green"), f"{max(chances.values()):.1%}")
    console.print(table)
    wrong = skyulf.post("/v1/deployments/species/predict", json={"rows": [{**usual, "body_mass_g": "heavy"}]})
    fault = wrong.json()["errors"][0]
    console.print(f"  a wrong row is refused: {wrong.status_code}, {fault['place']}: {fault['message']}")


def audit(skyulf: httpx.Client) -> None:
    """Everything that was just done, as the log has it: what you have seen so far was made from these events."""
    chapter("The audit trail of what you have just seen")
    trail = ask(skyulf, "GET", "/v1/events", params={"limit": 1000})
    table = listing("position", "time (UTC)", "who", "what", "of", "why", right=(0,))
    for event in trail:
        if event["type"] == "skyulf.JobProgressed":
            continue
        table.add_row(
            str(event["position"]),
            event["time"][11:19],
            event["actorkind"] if event["actorkind"] == "worker" else event["actor"],
            event["type"].removeprefix("skyulf."),
            shortened(event["subject"]),
            event.get("reason", ""),
        )
    console.print(table)
    progressed = sum(event["type"] == "skyulf.JobProgressed" for event in trail)
    console.print(f"  {len(trail)} events, {progressed} of them progress (left out here); none is ever changed")


def ask(skyulf: httpx.Client, method: str, path: str, **content: Any) -> Any:
    """Send a request, shown to the reader; end the tour where it is refused."""
    console.print(Text(f"  {method} {path}", style="cyan"))
    response = skyulf.request(method, path, **content)
    if not response.is_success:
        sys.exit(f"{method} {path}: {response.status_code} {response.text}")
    return response.json()


def chapter(title: str) -> None:
    """Begin the next part of the tour."""
    console.print()
    console.print(Text(title, style="bold"))


def listing(*headers: str, right: Any = ()) -> Table:
    """An empty table; ``right`` are the columns of numbers."""
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", border_style="dim")
    for at, header in enumerate(headers):
        table.add_column(header, justify="right" if at in right else "left")
    return table


def shortened(subject: str) -> str:
    """An id with the middle of its number left out."""
    noun, _, number = subject.partition("-")
    return f"{noun}-…{number[-8:]}" if len(number) == 36 else subject


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    tour()
