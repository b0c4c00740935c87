"""``skyulf plot``: an evaluation as one picture."""

from pathlib import Path
from typing import Any

from skyulf.cli.jobs import dataset_names, seen
from skyulf.cli.naming import aim_of
from skyulf.cli.pipelines import model_of
from skyulf.cli.reader import looking, version_of
from skyulf.cli.screen import Screen, UsageError
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings

FORMATS = (".png", ".svg")

TITLES = {
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "silhouette": "silhouette",
    "adjusted_rand": "adjusted Rand",
}
"""The metrics that stand above a picture, in order."""


def run(screen: Screen, settings: Settings, text: str, output: Path | None) -> None:
    """Draw a job's evaluation into a file."""
    if output is not None:
        _check(output)
    with looking(screen, settings) as reader:
        id_ = reader.id_of("jobs", text)
        evaluation = reader.get("jobs", id_, "evaluation") | seen(reader, id_, "slices")
        job = reader.get("jobs", id_)
        name = dataset_names(reader).get(job["dataset_id"], job["dataset_id"])
    file = output or Path(f"{default_name(job)}.png")
    with screen.busy(f"drawing {file.name}"):
        from skyulf.core.plots.figure import draw, save

        save(draw(evaluation, title(job), subtitle(job, name)), file)
    screen.document({"job_id": id_, "file": str(file)})
    screen.show(labelled("drawn", (str(file), "bold")))


def _check(output: Path) -> None:
    if output.suffix.lower() not in FORMATS:
        raise UsageError(f"--output: {output.name} must end with {' or '.join(FORMATS)}")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"--output: there is no folder {output.absolute().parent}")


def default_name(job: dict[str, Any]) -> str:
    """What a picture is called when nobody says."""
    return f"{job['model_name']}-{job['model_version']}" if job["model_version"] else str(job["id"])


def title(job: dict[str, Any]) -> str:
    """Which model it is."""
    spec = job["spec"]
    name = version_of(job["model_name"], job["model_version"]) if job["model_name"] else job["id"]
    return f"{name} · {model_of(spec)} · {aim_of(spec)}"


def subtitle(job: dict[str, Any], dataset: str) -> str:
    """What it was judged by, and how good it is."""
    known = {name: value for name, value in (job["metrics"] or {}).items() if value is not None}
    parts = [f"{dataset}, version {job['dataset_version']}", f"{job['rows']['test']:,} held-out rows"]
    return " · ".join(parts + [f"{words} {known[name]:.4g}" for name, words in TITLES.items() if name in known])
