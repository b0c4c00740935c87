"""``skyulf score``: every row of a dataset predicted by a job, and its predictions in a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.cli.client import Client, connected
from skyulf.cli.models import as_asked, parse
from skyulf.cli.reader import Reader, version_of
from skyulf.cli.screen import Screen, UsageError, counted
from skyulf.cli.train import ended, unfinished
from skyulf.cli.train_view import labelled
from skyulf.runtime import Runtime
from skyulf.settings import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be scored, as it was asked for; ``using`` is a deployment, or a model with a version or an alias."""

    dataset: str
    using: str
    version: int | None
    form: str
    keep: tuple[str, ...]
    output: Path | None


def run(screen: Screen, settings: Settings, order: Order) -> None:
    """Score a dataset, and save the predictions where a file is named."""
    if order.output is not None and not order.output.absolute().parent.is_dir():
        raise UsageError(f"--output: there is no folder {order.output.absolute().parent}")
    with connected(screen, settings, Runtime.start) as client:
        dataset = Reader(client, 0).id_of("datasets", order.dataset)
        asked = {"dataset_id": dataset, "format": order.form, "keep": list(order.keep), **_using(order.using)}
        if order.version is not None:
            asked["dataset_version"] = order.version
        job = ended(screen, client, client.send("POST", "/v1/scorings", asked))
        if job["status"] != "succeeded":
            raise unfinished(job)
        if order.output is not None:
            _save(client, job, order.output)
    screen.document({"job": job, "output": str(order.output) if order.output else None})
    _show(screen, job, order.output)


def _using(text: str) -> dict[str, Any]:
    """What predicts, as a request has it."""
    name, version = parse(text)
    return {"deployment": name} if version is None else as_asked(name, version)


def _save(client: Client, job: dict[str, Any], target: Path) -> None:
    try:
        client.download(f"/v1/jobs/{job['id']}/output", target)
    except OSError as error:
        raise UsageError(f"--output: {target} cannot be written ({error.strerror})") from error


def _show(screen: Screen, job: dict[str, Any], output: Path | None) -> None:
    screen.show(*scoring(job))
    if output is not None:
        screen.show(labelled("saved", (str(output), "bold")))
    else:
        screen.show(labelled("get it", (f"GET /v1/jobs/{job['id']}/output", "bold")))


def scoring(job: dict[str, Any]) -> list[Any]:
    """What a scoring came to, in lines."""
    told = job["scoring"]
    by = f" as deployment {told['deployment']} served it" if told["deployment"] else ""
    lines = [labelled("model", (version_of(told["model"], told["model_version"]), "bold"), by)]
    if (output := told["output"]) is not None:
        lacking = f", {output['missing']:,} without a finite prediction" if output["missing"] else ""
        size = f"{counted(output['rows'], 'row')}{lacking}, {output['size']:,} bytes of {told['format']}"
        lines.append(labelled("output", (size, "bold"), f"  {output['digest']}"))
    return lines
