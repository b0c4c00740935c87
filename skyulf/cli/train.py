"""``skyulf train``: a file in, an evaluated and registered model out."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyulf.cli import train_view as view
from skyulf.cli.client import Client, connected
from skyulf.cli.naming import guess_task, valid_name
from skyulf.cli.screen import Refused, Screen, UsageError
from skyulf.errors import Fault, Invalid
from skyulf.runtime import Runtime
from skyulf.settings import Settings

LOOK = 0.15
"""Seconds between two looks at the job."""

CANCELLED_WITHIN = 10.0
"""Seconds that a job is given to end once it is cancelled."""

ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained, as it was asked for; None is left to us."""

    file: Path
    target: str | None
    task: str | None
    name: str | None
    spec: Path | None
    seed: int
    deploy: bool | None
    types: tuple[str, ...] = ()
    """Columns and their types, as in ``age=number``."""
    unfit: str = "refuse"


def run(screen: Screen, settings: Settings, order: Order) -> None:
    """Train, and show what came of it."""
    name = order.name or valid_name(order.file.stem)
    spec = read_spec(order)
    with connected(screen, settings, Runtime.start) as client:
        with screen.busy(f"reading {order.file.name}"):
            fields = {"name": order.file.stem or order.file.name, **how_to_read(order)}
            dataset = client.upload("/v1/datasets", order.file, **fields)
        view.dataset(screen, order.file, dataset)
        if "task" not in spec:
            spec["task"], because = _guessed(spec.get("target"), dataset)
            view.guess(screen, spec["task"], because)
        job = _train(screen, client, name, spec, dataset, order.seed)
        if job["status"] != "succeeded":
            raise unfinished(job)
        deployment, served = _deploy(client, name, job["model_version"], order.deploy)
        screen.document({"dataset": dataset, "job": job, "deployment": deployment})
        view.result(screen, job)
        view.ending(screen, settings, job, served if deployment is None else None, order.deploy)


def how_to_read(order: Order) -> dict[str, str]:
    """What the upload says of how the file is to be read; nothing where nothing was asked for."""
    types = {}
    for words in order.types:
        name, equals, kind = words.rpartition("=")
        if not (name and equals and kind):
            raise UsageError(f"--type takes COLUMN=TYPE, such as age=number, and not {words}")
        types[name] = kind
    told = {"types": json.dumps(types)} if types else {}
    return told if order.unfit == "refuse" else {**told, "unfit": order.unfit}


def read_spec(order: Order) -> dict[str, Any]:
    """The spec in the file that was named, or an empty one, with the options in it."""
    spec: Any = {}
    if order.spec is not None:
        try:
            spec = json.loads(order.spec.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise UsageError(f"{order.spec} cannot be read as JSON: {error}") from error
        if not isinstance(spec, dict):
            raise UsageError(f"{order.spec} does not hold a spec, which is a JSON object")
    for key, option in (("target", order.target), ("task", order.task)):
        if option is not None and spec.setdefault(key, option) != option:
            raise UsageError(f"--{key} is {option}, and {order.spec} says {spec[key]}; make them agree")
    return dict(spec)


def _guessed(target: Any, dataset: dict[str, Any]) -> tuple[str, str]:
    """The task that a target suggests, or that there is none does, and why."""
    if not isinstance(target, str):
        return "clustering", "there is no --target"
    task, because = guess_task(target_of(dataset, target), dataset["rows"])
    return task, f"{target} holds {because}"


def target_of(dataset: dict[str, Any], target: str) -> dict[str, Any]:
    """The facts of the target's column."""
    columns: list[dict[str, Any]] = dataset["columns"]
    found = next((column for column in columns if column["name"] == target), None)
    if found is None:
        names = ", ".join(column["name"] for column in columns[:20])
        raise Invalid("the file has no such column", [Fault("--target", f"{target} is not among {names}")])
    return found


def _train(
    screen: Screen, client: Client, name: str, spec: dict[str, Any], dataset: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Ask for the training and see it to its end."""
    asked = {
        "dataset_id": dataset["id"],
        "dataset_version": dataset["dataset_version"],
        "spec": spec,
        "model_name": name,
        "seed": seed,
    }
    return ended(screen, client, client.send("POST", "/v1/jobs", asked))


def ended(screen: Screen, client: Client, sent: dict[str, Any]) -> dict[str, Any]:
    """See the job that was made by ``sent``, a command's answer, to its end; an interrupt cancels it."""
    try:
        with stages(screen) as show:
            while True:
                job = client.get(f"/v1/jobs/{sent['id']}", min_position=sent["position"])
                show(job["progress"]["stage"], job["progress"]["fraction"])
                if job["status"] in ENDED:
                    return job
                time.sleep(LOOK)
    except KeyboardInterrupt:
        _cancel(screen, client, sent["id"])
        raise


def _cancel(screen: Screen, client: Client, job_id: str) -> None:
    screen.note("cancelling the job", style="yellow")
    client.send("POST", f"/v1/jobs/{job_id}/cancel", {"reason": "interrupted at the command line"})
    until = time.monotonic() + CANCELLED_WITHIN
    while time.monotonic() < until and client.get(f"/v1/jobs/{job_id}")["status"] not in ENDED:
        time.sleep(LOOK)


def unfinished(job: dict[str, Any]) -> Refused:
    """Why a job came to nothing."""
    problem = job["error"] or {
        "type": "urn:skyulf:problem:cancelled",
        "title": "The job was cancelled",
        "detail": "someone else cancelled it",
    }
    return Refused({**problem, "job_id": job["id"]})


def _deploy(
    client: Client, name: str, version: int, asked: bool | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Roll the version out if that was asked for, or if it is the first: the answer, and what is served otherwise."""
    served = client.find(f"/v1/deployments/{name}")
    first = version == 1 and served is None
    if not (first if asked is None else asked):
        return None, served
    reason = "the first version, served by skyulf train" if first else "skyulf train --deploy"
    body = {"model": name, "model_version": version, "reason": reason}
    return client.send("PUT", f"/v1/deployments/{name}", body), served


@contextmanager
def stages(screen: Screen) -> Iterator[Callable[[str | None, float], None]]:
    """A bar that names the stage; where nobody watches, a line for each stage."""
    if screen.animated:
        with screen.bar(view.stage(None), 1.0) as move:
            yield lambda stage, fraction: move(fraction, view.stage(stage))
        return
    seen: str | None = None

    def tell(stage: str | None, _fraction: float) -> None:
        nonlocal seen
        if stage != seen:
            seen = stage
            screen.note(view.stage(stage))

    yield tell
