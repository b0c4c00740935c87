"""``skyulf jobs``: trainings, scorings and reproductions that wait, run or have ended."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rich.text import Text

from skyulf.cli.evaluation_view import shown
from skyulf.cli.naming import aim_of
from skyulf.cli.pipelines import model_of
from skyulf.cli.reader import (
    LOOKED_AT,
    Part,
    Reader,
    duration,
    looking,
    moment,
    seconds,
    show_page,
    shown_id,
    shown_moment,
    version_of,
)
from skyulf.cli.reproduce import reproduction
from skyulf.cli.score import scoring
from skyulf.cli.screen import Refused, Screen, counted, number, table
from skyulf.cli.train_view import candidates, headline, labelled, metrics, remarks, rows, stage
from skyulf.settings import Settings

TRIAL_STYLES = {"finished": "", "pruned": "", "failed": "red"}
STYLES = {"succeeded": "green", "failed": "red", "cancelled": "dim", "running": "cyan", "created": ""}


def show_all(
    screen: Screen,
    settings: Settings,
    part: Part,
    kind: str | None,
    status: str | None,
    model_name: str | None,
    dataset: str | None,
    pipeline: str | None,
) -> None:
    """List jobs."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get(
            "jobs",
            **part.params(),
            kind=kind,
            status=status,
            model_name=model_name,
            dataset_id=dataset and reader.id_of("datasets", dataset),
            pipeline_id=pipeline and reader.id_of("pipelines", pipeline),
        )
        names = {} if screen.as_json else dataset_names(reader)
    made = table("job", "status", "target", "dataset", "model", "held-out rows", "took", "created (UTC)")
    for column in (made.columns[0], made.columns[-1]):
        column.no_wrap = True
    for item in page["items"]:
        made.add_row(
            shown_id(screen, item["id"]),
            Text(status_of(item), style=STYLES.get(item["status"], "")),
            (item["spec"]["target"] or "–") if item["spec"] else Text(item["kind"], style="dim"),
            names.get(item["dataset_id"]) or shown_id(screen, item["dataset_id"]),
            _model(item),
            _came_to(item),
            duration(seconds(item)),
            shown_moment(screen, item["created_at"]),
        )
    show_page(screen, page, made, "There are no such jobs; skyulf train FILE --target COLUMN begins one.")


def _model(job: Mapping[str, Any]) -> str:
    """The model that a job trains, trains again, or predicts with."""
    of = job["scoring"] or job["reproduction"]
    return version_of(of["model"], of["model_version"]) if of else version_of(job["model_name"], job["model_version"])


def _came_to(job: Mapping[str, Any]) -> str:
    """What came of a job, in a word or two."""
    if job["status"] != "succeeded":
        return "–"
    if job["reproduction"] is not None:
        return str(job["reproduction"]["result"]["verdict"])
    return headline(job["metrics"]) if job["scoring"] is None else counted(job["scoring"]["output"]["rows"], "row")


def show_one(screen: Screen, settings: Settings, text: str, as_of: str | None) -> None:
    """Show a job: what was asked, how far it is, and what came of it."""
    with looking(screen, settings, as_of) as reader:
        job = reader.get("jobs", reader.id_of("jobs", text))
        name = None if screen.as_json else dataset_names(reader).get(job["dataset_id"])
        evaluation = {}
        if job["status"] == "succeeded" and not screen.as_json:
            evaluation = seen(reader, job["id"], "evaluation") | seen(reader, job["id"], "slices")
    screen.document(job)
    spec = job["spec"]
    screen.show(
        labelled("job", (job["id"], "bold"), "  ", (status_of(job), STYLES.get(job["status"], ""))),
        labelled(
            "created", f"{moment(job['created_at'])} UTC, took {duration(seconds(job))}, attempt {job['attempt']}"
        ),
        labelled("dataset", f"{name or job['dataset_id']} version {job['dataset_version']}"),
    )
    if spec is None:
        screen.show(*(scoring(job) if job["reproduction"] is None else reproduction(job)))
    else:
        screen.show(
            labelled("task", f"{aim_of(spec)}, seed {job['seed']}"),
            labelled("model", (version_of(job["model_name"], job["model_version"]), "bold"), f"  {model_of(spec)}"),
        )
    if job["error"]:
        screen.show(labelled("failed", (f"{job['error']['title']}: ", "bold red"), job["error"]["detail"]))
    if job["rows"]:
        screen.show(rows(job["rows"]))
    if job["status"] == "succeeded" and spec is not None:
        screen.show("", metrics(job["metrics"]))
        if len(job["candidate_scores"]) > 1:
            screen.show("", candidates(job["candidate_scores"]))
        screen.show(*shown(evaluation))
    remarks(screen, job)


def seen(reader: Reader, job_id: str, part: str) -> dict[str, Any]:
    """A part of what is known of a job's model, where it is there and may be seen."""
    with suppress(Refused):
        return reader.get("jobs", job_id, part)
    return {}


def trials(screen: Screen, settings: Settings, text: str, part: Part) -> None:
    """List the trials of a job's tuning, the best first unless another order is asked for."""
    with looking(screen, settings, part.as_of) as reader:
        asked = {**part.params(), "order": part.order or "best"}
        page = reader.get("jobs", reader.id_of("jobs", text), "trials", **asked)
    paths = sorted({path for item in page["items"] for path in item["parameters"]})
    metric = page["items"][0]["metric"] if page["items"] else "mean"
    nested = any(item["outer_fold"] is not None for item in page["items"])
    heads = (*(["outer fold"] if nested else []), "trial", metric, "folds", "rows", *paths)
    made = table(*heads, "took", "", right=heads)
    for item in page["items"]:
        outer = "–" if item["outer_fold"] is None else str(item["outer_fold"])
        made.add_row(
            *([outer] if nested else []),
            str(item["number"]),
            number(item["mean"]),
            "held out" if item["held_out"] else str(len(item["scores"])),
            f"{item['share']:.0%}",
            *(number(item["parameters"].get(path)) for path in paths),
            duration(item["seconds"]),
            Text(item["reason"] or "", style=TRIAL_STYLES[item["state"]]),
            style="" if item["state"] == "finished" else "dim",
        )
    show_page(screen, page, made, "No trial of this job is over; only a spec with tuning has any (docs/tuning.md).")


def cancel(screen: Screen, settings: Settings, text: str, reason: str | None) -> None:
    """Cancel a job."""
    with looking(screen, settings) as reader:
        id_ = reader.id_of("jobs", text)
        answer = reader.send("POST", "jobs", id_, "cancel", body={"reason": reason})
        job = reader.get("jobs", id_)
    _done(screen, answer, job)


def retry(screen: Screen, settings: Settings, text: str) -> None:
    """Let a failed or cancelled job wait again."""
    with looking(screen, settings) as reader:
        id_ = reader.id_of("jobs", text)
        answer = reader.send("POST", "jobs", id_, "retry")
        job = reader.get("jobs", id_)
    _done(screen, answer, job)
    if job["status"] == "created":
        screen.show("skyulf serve, once it runs, does what waits")


def _done(screen: Screen, answer: dict[str, Any], job: dict[str, Any]) -> None:
    screen.document({**answer, "status": job["status"]})
    screen.show(labelled("job", (job["id"], "bold"), "  ", (status_of(job), STYLES.get(job["status"], ""))))


def dataset_names(reader: Reader) -> dict[str, str]:
    """The names of the newest datasets by their ids."""
    return {item["id"]: item["name"] for item in reader.get("datasets", limit=LOOKED_AT)["items"]}


def status_of(job: Mapping[str, Any]) -> str:
    """Where a job stands, in words."""
    if job["status"] == "running":
        words = f"{stage(job['progress']['stage'])}, {job['progress']['fraction']:.0%}"
        if told := job["progress"].get("trials"):
            words += f", {told['over']} of {told['planned']} trials"
        return f"{words}, to be cancelled" if job["cancel_requested"] else words
    return "waiting" if job["status"] == "created" else str(job["status"])
