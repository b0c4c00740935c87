"""What ``skyulf train`` shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from skyulf.cli.screen import Screen, counted, number, table
from skyulf.cli.summaries import short_id
from skyulf.settings import Settings

STAGES = {
    "load": "reading the table",
    "score": "predicting",
    "split": "holding rows out",
    "choose": "comparing candidates",
    "tune": "tuning",
    "fit": "fitting",
    "measure": "measuring on rows to learn from",
    "evaluate": "evaluating on held-out rows",
    "refit": "fitting on all rows",
    "fingerprint": "taking the fingerprint",
    "compare": "comparing with the recorded model",
    "repeat": "training once more, to see whether it always comes out so",
}


def stage(name: str | None) -> str:
    """A stage of a job in words."""
    return "waiting for a worker" if name is None else STAGES.get(name, name)


def labelled(label: str, *text: str | tuple[str, str]) -> Text:
    """A line that begins with what it is about."""
    return Text.assemble((f"{label:<9}", "dim"), *text)


def dataset(screen: Screen, file: Path, answer: dict[str, Any]) -> None:
    """Tell what was read."""
    gaps = sum(1 for column in answer["columns"] if column["nulls"])
    missing = f", {gaps} with missing values" if gaps else ""
    size = f"{counted(answer['rows'], 'row')}, {counted(len(answer['columns']), 'column')}{missing}"
    screen.show(labelled("dataset", (file.name, "bold"), f"  {size}"))
    cautions(screen, answer)
    if any(column["type"] == "string" and column["unfit"] for column in answer["columns"]) and answer["warnings"]:
        screen.show(labelled("try", ("--type COLUMN=number --unfit missing", "bold")))


def cautions(screen: Screen, answer: dict[str, Any]) -> None:
    """Tell what in a dataset was perhaps not meant so."""
    for warning in answer["warnings"]:
        screen.show(Text(f"warning  {warning}", style="yellow"))


def guess(screen: Screen, task: str, because: str) -> None:
    """Tell which task was taken, and why."""
    screen.show(labelled("task", (task, "bold"), f"  guessed: {because}; --task overrides"))


def result(screen: Screen, job: dict[str, Any]) -> None:
    """Show how good the model is, what it was chosen from, and what there is to know about it."""
    model = job["spec"]["model"]["node"]
    screen.show(
        labelled("model", (f"{job['model_name']} version {job['model_version']}", "bold green"), f"  {model}"),
        rows(job["rows"]),
        "",
    )
    screen.show(metrics(job["metrics"]))
    if len(job["candidate_scores"]) > 1:
        screen.show("", candidates(job["candidate_scores"]))
    remarks(screen, job)


def rows(counts: Mapping[str, int]) -> Text:
    """The line that tells what the rows of a training were for."""
    measuring = f", {counts['measuring']:,} to measure intervals by" if counts.get("measuring") else ""
    dropped = f", {counts['dropped']:,} without a target left out" if counts.get("dropped") else ""
    words = f"{counts['train']:,} to learn from{measuring}, {counts['test']:,} held out to be judged by{dropped}"
    return labelled("rows", words)


def remarks(screen: Screen, job: dict[str, Any]) -> None:
    """Tell what was left out of a training, and what it warned of."""
    for name, reason in job["set_aside"]:
        screen.show(labelled("left out", (name, "bold"), f"  {reason}"))
    for warning in job["warnings"]:
        screen.show(Text(f"warning  {warning}", style="yellow"))


def metrics(values: Mapping[str, float | None]) -> Table:
    """The table of metrics."""
    made = table("metric", "held-out rows", right=("held-out rows",), title="Metrics")
    for name, value in values.items():
        made.add_row(name, number(value))
    return made


def headline(values: Mapping[str, float | None] | None) -> str:
    """The one metric that says most, of those there are."""
    known = {name: value for name, value in (values or {}).items() if value is not None}
    name = next((name for name in ("accuracy", "r2", *known) if name in known), None)
    return "–" if name is None else f"{name} {number(known[name])}"


def candidates(scores: list[dict[str, Any]]) -> Table:
    """The table of what could have been chosen."""
    made = table("", "candidate", "score", "mean", "lowest", "highest", right=("mean", "lowest", "highest"))
    made.title = "Candidates, by cross-validation on the rows to learn from"
    for score in scores:
        known = [value for value in score["scores"] if value is not None]
        made.add_row(
            "●" if score["chosen"] else "",
            f"{score['model']}  chosen" if score["chosen"] else score["model"],
            score["metric"],
            number(score["mean"]),
            number(min(known, default=None)),
            number(max(known, default=None)),
            style="green" if score["chosen"] else "",
        )
    return made


def ending(
    screen: Screen, settings: Settings, job: dict[str, Any], served: dict[str, Any] | None, asked: bool | None
) -> None:
    """Say what is served now, and what to do next; ``served`` is given when this version was not rolled out."""
    name, version = job["model_name"], job["model_version"]
    option = (
        "" if settings.data_dir == Settings.model_fields["data_dir"].default else f" --data-dir {settings.data_dir}"
    )
    rolled_out = served is None and asked is not False
    screen.show("")
    if rolled_out:
        why = ", being the first version" if asked is None else ""
        screen.show(labelled("served", f"as deployment {name}{why}"))
    elif served is None:
        screen.show(labelled("served", f"not yet; train again with --deploy, or PUT /v1/deployments/{name}"))
    else:
        now = f"{served['model']} version {served['model_version']}" if served["model"] else "nothing"
        screen.show(labelled("served", f"deployment {name} still serves {now}, not version {version}: --deploy does"))
    follow = f"skyulf predict {name} FILE.csv{option}" if rolled_out or served else f"skyulf events tail{option}"
    screen.show(labelled("look", (f"skyulf plot {short_id(job['id'])}{option}", "bold")))
    screen.show(labelled("next", (follow, "bold")))
