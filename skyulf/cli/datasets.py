"""``skyulf datasets``: what was taken in."""

import time
from typing import TYPE_CHECKING, Any

from skyulf.cli.reader import Part, Reader, looking, moment, projecting, show_page, shown_id, version_of
from skyulf.cli.screen import Screen, UsageError, counted, number, table
from skyulf.cli.train_view import cautions, labelled
from skyulf.settings import Settings

if TYPE_CHECKING:
    from skyulf.runtime import Runtime

PATIENCE = 60.0
"""Seconds that the end of an erasure is waited for."""

LOOK_AGAIN = 0.2


def show_all(screen: Screen, settings: Settings, part: Part, name: str | None) -> None:
    """List datasets."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("datasets", **part.params(), name=name)
    made = table("name", "id", "version", "rows", "columns", "created (UTC)", right=("version", "rows", "columns"))
    for item in page["items"]:
        made.add_row(
            f"{item['name']} (erased)" if item["erased"] else item["name"],
            shown_id(screen, item["id"]),
            number(item["dataset_version"]),
            number(item["rows"]),
            number(item["column_count"]),
            moment(item["created_at"]),
            style="dim" if item["erased"] else "",
        )
    show_page(screen, page, made, "There are no such datasets; skyulf train FILE --target COLUMN takes one in.")


def show_one(screen: Screen, settings: Settings, text: str, as_of: str | None) -> None:
    """Show a dataset and the columns of its newest version."""
    with looking(screen, settings, as_of) as reader:
        dataset = reader.get("datasets", reader.id_of("datasets", text))
    screen.document(dataset)
    rows = dataset["rows"]
    if (erased := dataset["erased"]) is not None:
        done = f"finished {moment(erased['finished_at'])} UTC" if erased["finished_at"] else "being destroyed"
        by = f"{moment(erased['at'])} UTC by {erased['by']}, {done}: {erased['reason']}"
        screen.show(labelled("erased", (by, "yellow")))
        _reached(screen, erased)
    screen.show(
        labelled("dataset", (dataset["name"], "bold"), f"  {dataset['id']}"),
        labelled("created", f"{moment(dataset['created_at'])} UTC"),
        labelled("version", number(dataset["dataset_version"])),
        labelled("file", f"{dataset['filename']}, {number(dataset['size'])} bytes, {number(rows)} rows"),
        labelled("digest", dataset["digest"]),
        _columns(dataset["columns"], rows),
    )
    cautions(screen, dataset)


def erase(screen: Screen, settings: Settings, text: str, reason: str, yes: bool) -> None:
    """Erase a dataset, once it is said what goes with it and that this is meant."""
    with looking(screen, settings, begin=_erasing) as reader:
        dataset_id = reader.id_of("datasets", text)
        if not yes:
            _ask(screen, reader.get("datasets", dataset_id), reader.get("lineage", "dataset", dataset_id)["impact"])
        answer = reader.send("DELETE", "datasets", dataset_id, body={"reason": reason})
        finished = _finished(screen, reader, dataset_id)
    screen.document({**answer, "finished_at": finished})
    screen.show(labelled("erased", (dataset_id, "bold"), f"  {counted(answer['artifacts'], 'artifact')}"))
    _reached(screen, answer)
    if finished is None:
        screen.note("its files are still being destroyed: skyulf datasets show says when that is done", style="yellow")


def _erasing(runtime: "Runtime") -> None:
    projecting(runtime)
    runtime.eraser.start()


def _finished(screen: Screen, reader: Reader, dataset_id: str) -> str | None:
    """When the data was destroyed, once it is; None where that takes long."""
    until = time.monotonic() + PATIENCE
    with screen.busy("destroying keys and files"):
        while True:
            finished: str | None = reader.get("datasets", dataset_id)["erased"]["finished_at"]
            if finished is not None or time.monotonic() > until:
                return finished
            time.sleep(LOOK_AGAIN)


def _ask(screen: Screen, dataset: dict[str, Any], impact: dict[str, Any]) -> None:
    """Say what would be erased; raises `UsageError` unless somebody says that it is meant."""
    serving = ", ".join(impact["serving"]) or "nothing"
    screen.note(
        f"{dataset['name']}, {counted(dataset['dataset_version'], 'version')}: {counted(impact['jobs'], 'job')}, "
        f"{counted(impact['model_versions'], 'version')} of models; served now by: {serving}"
    )
    if not screen.confirmed("All of their data and models are destroyed for good. Go on?"):
        raise UsageError("nothing was erased; --yes erases without asking")


def _reached(screen: Screen, erased: dict[str, Any]) -> None:
    models = ", ".join(version_of(each["model"], each["model_version"]) for each in erased["models"])
    screen.show(labelled("models", models or "none were trained on it"))
    screen.show(labelled("served", ", ".join(erased["deployments"]) or "never"))


def _columns(columns: list[dict[str, Any]], rows: int) -> Any:
    made = table("column", "type", "missing", "different values", right=("missing", "different values"))
    for column in columns:
        share = f"{number(column['nulls'])} ({column['nulls'] / rows:.1%})" if rows and column["nulls"] else "–"
        made.add_row(column["name"], column["type"], share, number(column["distinct"]))
    return made
