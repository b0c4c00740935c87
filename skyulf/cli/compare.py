"""``skyulf jobs compare``: runs side by side, the best of them marked for each metric."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from rich.text import Text

from skyulf.cli.jobs import dataset_names, status_of
from skyulf.cli.pipelines import model_of
from skyulf.cli.reader import duration, looking, seconds, shown_id, version_of
from skyulf.cli.screen import Screen, UsageError, number, table
from skyulf.settings import Settings

Job = Mapping[str, Any]
Better = Literal["higher", "lower"]

BETTER: Mapping[str, Better] = {
    "accuracy": "higher",
    "balanced_accuracy": "higher",
    "precision": "higher",
    "recall": "higher",
    "f1": "higher",
    "roc_auc": "higher",
    "average_precision": "higher",
    "mcc": "higher",
    "log_loss": "lower",
    "brier": "lower",
    "mae": "lower",
    "rmse": "lower",
    "mse": "lower",
    "median_ae": "lower",
    "mape": "lower",
    "r2": "higher",
    "explained_variance": "higher",
    "silhouette": "higher",
    "calinski_harabasz": "higher",
    "davies_bouldin": "lower",
    "log_likelihood": "higher",
    "adjusted_rand": "higher",
    "normalized_mutual_information": "higher",
    "homogeneity": "higher",
    "completeness": "higher",
    "v_measure": "higher",
}
"""Which way each metric is better; of one that is not here no value is marked."""


def run(screen: Screen, settings: Settings, texts: Sequence[str]) -> None:
    """Compare jobs."""
    with looking(screen, settings) as reader:
        ids = list(dict.fromkeys(reader.id_of("jobs", text) for text in texts))
        if len(ids) < 2:
            raise UsageError("name two jobs or more to compare")
        jobs = [reader.get("jobs", id_) for id_ in ids]
        if others := [job["id"] for job in jobs if job["kind"] != "training"]:
            raise UsageError(f"{', '.join(others)}: only trainings can be compared")
        names = {} if screen.as_json else dataset_names(reader)
    found = best(jobs)
    remarks = differences(jobs)
    screen.document({"items": [summary(job) for job in jobs], "best": found, "remarks": remarks})
    _show(screen, jobs, found, names)
    for remark in remarks:
        screen.note(remark, style="yellow")


def summary(job: Job) -> dict[str, Any]:
    """What is compared of a job."""
    kept = ("id", "status", "dataset_id", "dataset_version", "model_name", "model_version", "metrics", "rows", "seed")
    spec = job["spec"]
    chosen = {"task": spec["task"], "target": spec["target"], "estimator": model_of(spec), "seconds": seconds(job)}
    return {**{name: job[name] for name in kept}, **chosen}


def best(jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """For each metric, which way is better, and the jobs that have the best value: none when all are alike."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for job in jobs for name in job["metrics"] or {}):
        values = {job["id"]: job["metrics"][name] for job in jobs if (job["metrics"] or {}).get(name) is not None}
        way = BETTER.get(name)
        winners: list[str] = []
        if way is not None and len(set(values.values())) > 1:
            top = max(values.values()) if way == "higher" else min(values.values())
            winners = [id_ for id_, value in values.items() if value == top]
        found[name] = {"better": way, "jobs": winners}
    return found


def differences(jobs: Sequence[Job]) -> list[str]:
    """Why metrics of these jobs may not mean the same."""
    kinds = (
        ("tasks", lambda job: job["spec"]["task"]),
        ("targets", lambda job: job["spec"]["target"]),
        ("datasets, or versions of one", lambda job: (job["dataset_id"], job["dataset_version"])),
        ("held-out rows", lambda job: (job["seed"], str(job["spec"].get("split")), job["rows"].get("test"))),
    )
    ended = [job for job in jobs if job["status"] == "succeeded"]
    told = [f"these jobs have different {what}" for what, value in kinds if len({value(job) for job in ended}) > 1]
    waiting = len(jobs) - len(ended)
    return told + ([f"{waiting} of them did not succeed, and cannot be compared"] if waiting else [])


def _show(
    screen: Screen, jobs: Sequence[Job], found: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]
) -> None:
    heads = [shown_id(screen, job["id"]) for job in jobs]
    made = table("", *heads, right=tuple(heads))
    facts: dict[str, Callable[[Job], str]] = {
        "status": status_of,
        "version": lambda job: version_of(job["model_name"], job["model_version"]),
        "model": lambda job: model_of(job["spec"]),
        "dataset": lambda job: f"{names.get(job['dataset_id'], job['dataset_id'])}:{job['dataset_version']}",
        "rows": lambda job: number(job["rows"].get("train")),
        "held out": lambda job: number(job["rows"].get("test")),
        "took": lambda job: duration(seconds(job)),
    }
    for name, fact in facts.items():
        made.add_row(Text(name, style="dim"), *(fact(job) for job in jobs))
    made.add_section()
    for name, of in found.items():
        arrow = {"higher": " ↑", "lower": " ↓"}.get(of["better"] or "", "")
        cells = [_cell(job, name, job["id"] in of["jobs"]) for job in jobs]
        made.add_row(Text.assemble(name, (arrow, "dim")), *cells)
    screen.show(made)
    if any(of["jobs"] for of in found.values()):
        screen.show(Text("● the best of them; ↑ more is better, ↓ less is", style="dim"))


def _cell(job: Job, name: str, wins: bool) -> Text:
    value = number((job["metrics"] or {}).get(name))
    return Text(f"● {value}", style="bold green") if wins else Text(value)
