"""``skyulf predict``: the rows of a file to a deployment, and its predictions to a person or a file."""

import csv
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text

from skyulf.cli.client import Client, connected
from skyulf.cli.rows import Row, Rows, read_rows
from skyulf.cli.screen import Refused, Screen, UsageError, counted, number, table
from skyulf.errors import Invalid
from skyulf.runtime import Runtime
from skyulf.settings import Settings

CHUNK = 1_000
"""Rows in one request."""

SHOWN_ROWS = 10

SHOWN_COLUMNS = 4


@dataclass
class Predicted:
    """What a deployment said of all rows, and which version of which model it was."""

    model: str = ""
    model_version: int = 0
    predictions: list[Any] = field(default_factory=list)
    probabilities: list[dict[str, float]] | None = None
    distances: list[dict[str, float]] | None = None
    intervals: list[dict[str, float | None]] | None = None
    coverage: float | None = None

    def take(self, answer: dict[str, Any]) -> None:
        """Add the answer for the next rows."""
        self.model, self.model_version = answer["model"], answer["model_version"]
        self.predictions += answer["predictions"]
        if answer["probabilities"] is not None:
            self.probabilities = [*(self.probabilities or []), *answer["probabilities"]]
        if "distances" in answer:
            self.distances = [*(self.distances or []), *answer["distances"]]
        if "intervals" in answer:
            self.intervals = [*(self.intervals or []), *answer["intervals"]]
            self.coverage = answer["coverage"]

    def chance(self, at: int) -> float | None:
        """How likely the model held its prediction for a row to be."""
        return max(self.probabilities[at].values(), default=None) if self.probabilities else None


def run(screen: Screen, settings: Settings, name: str, file: Path, output: Path | None, intervals: bool) -> None:
    """Predict a file."""
    if output is not None and not output.absolute().parent.is_dir():
        raise UsageError(f"--output: there is no folder {output.absolute().parent}")
    with connected(screen, settings, _begin) as client:
        deployment = client.get(f"/v1/deployments/{name}")
        rows = read_rows(file, _types(client, deployment), _missing())
        if not rows.values:
            raise Invalid(f"{file.name} holds no rows")
        with screen.bar(f"predicting with {name}", len(rows.values)) as move:
            predicted = predict_all(client, name, rows.values, move, intervals)
    if output is not None:
        write_csv(output, rows, predicted)
    screen.document(
        {
            "deployment": name,
            "model": predicted.model,
            "model_version": predicted.model_version,
            "rows": len(predicted.predictions),
            **(
                {"output": str(output)}
                if output
                else {"predictions": predicted.predictions, "probabilities": predicted.probabilities}
            ),
            **({"distances": predicted.distances} if predicted.distances and not output else {}),
            **({"coverage": predicted.coverage} if intervals else {}),
            **({"intervals": predicted.intervals} if intervals and not output else {}),
        }
    )
    _show(screen, name, rows, predicted, output)


def _begin(runtime: Runtime) -> None:
    runtime.sandbox.start()
    runtime.projector.start()


def _types(client: Client, deployment: dict[str, Any]) -> dict[str, str]:
    """The types of the columns that the deployed model was trained on; what is unknown is left as text."""
    if deployment["model"] is None:
        return {}
    version = client.get(f"/v1/models/{deployment['model']}/versions/{deployment['model_version']}")
    job = client.get(f"/v1/jobs/{version['job_id']}")
    dataset = client.get(f"/v1/datasets/{job['dataset_id']}")
    return {column["name"]: column["type"] for column in dataset["columns"]}


def _missing() -> tuple[str, ...]:
    from skyulf.core.columns import MISSING

    return MISSING


def predict_all(
    client: Client, name: str, rows: list[Row], told: Callable[[float], None], intervals: bool = False
) -> Predicted:
    """Ask for every row, some at a time; a refusal names rows as they stand in the file."""
    predicted = Predicted()
    for begin in range(0, len(rows), CHUNK):
        try:
            body = orjson.dumps({"rows": rows[begin : begin + CHUNK]}, default=str)
        except TypeError:  # whole numbers beyond 64 bits
            body = json.dumps({"rows": rows[begin : begin + CHUNK]}).encode()
        try:
            predicted.take(client.predict(name, body, intervals))
        except Refused as refusal:
            raise Refused(in_file(refusal.problem, begin)) from refusal
        told(min(begin + CHUNK, len(rows)))
    return predicted


def in_file(problem: dict[str, Any], begin: int) -> dict[str, Any]:
    """A problem whose places ``rows.N.column`` count from the first row of a request, with rows counted from 1."""

    def place(text: str) -> str:
        first, _, rest = text.partition(".")
        at, _, column = rest.partition(".")
        if first != "rows" or not at.isdigit():
            return text
        return f"row {int(at) + begin + 1}" + (f", column {column}" if column else "")

    faults = problem.get("errors") or []
    return {**problem, "errors": [{**fault, "place": place(fault.get("place", ""))} for fault in faults]}


def write_csv(path: Path, rows: Rows, predicted: Predicted) -> None:
    """Write the rows as they came, and beside each its prediction, its interval, or the probability of each class.

    Of clusters that have no probabilities it is the distance from each.
    """
    classes = list(predicted.probabilities[0]) if predicted.probabilities else []
    ends = list(predicted.intervals[0]) if predicted.intervals else []
    added = ["prediction", *ends, *(["probability"] if classes else []), *(f"probability_{name}" for name in classes)]
    far = list(predicted.distances[0]) if predicted.distances else []
    added += [f"distance_{name}" for name in far]
    taken = set(rows.columns)
    header = [*rows.columns, *(name + "_" * (name in taken) for name in added)]
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for at, prediction in enumerate(predicted.predictions):
                cells = rows.cells[at] if rows.cells else [plain(rows.values[at].get(name)) for name in rows.columns]
                chances = predicted.probabilities[at] if predicted.probabilities else {}
                chance = [repr(max(chances.values()))] if classes else []
                around = [plain(end) for end in predicted.intervals[at].values()] if predicted.intervals else []
                numbers = [repr(chances[name]) for name in classes]
                numbers += [repr(predicted.distances[at][name]) for name in far] if predicted.distances else []
                writer.writerow([*cells, plain(prediction), *around, *chance, *numbers])
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"--output: {path} cannot be written ({error.strerror})") from error
    finally:
        beside.unlink(missing_ok=True)


def plain(value: Any) -> str:
    """A JSON value as a CSV cell, in the way in which it would be read again."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _show(screen: Screen, name: str, rows: Rows, predicted: Predicted, output: Path | None) -> None:
    amount = len(predicted.predictions)
    what = f"{predicted.model} version {predicted.model_version}"
    screen.show(
        Text.assemble((counted(amount, "row"), "bold"), f" predicted by deployment {name}: ", (what, "bold green"))
    )
    columns = rows.columns[:SHOWN_COLUMNS]
    more = len(rows.columns) > SHOWN_COLUMNS
    made = table("row", *columns, *(["…"] if more else []), "prediction", right=("row",))
    if predicted.probabilities:
        made.add_column("probability", justify="right")
    if predicted.intervals:
        made.add_column(f"{predicted.coverage:.1%} interval", justify="right")
    for at in range(min(SHOWN_ROWS, amount)):
        chance = predicted.chance(at)
        made.add_row(
            str(at + 1),
            *(short(rows.values[at].get(column)) for column in columns),
            *(["…"] if more else []),
            Text(short(predicted.predictions[at]), style="bold"),
            *([number(chance)] if predicted.probabilities else []),
            *([" – ".join(map(short, predicted.intervals[at].values()))] if predicted.intervals else []),
        )
    screen.show(made)
    if output is not None:
        screen.show(f"All {counted(amount, 'row')} are in {output}.")
    elif amount > SHOWN_ROWS:
        screen.show(f"… and {counted(amount - SHOWN_ROWS, 'row')} more; --output FILE.csv writes them all.")


def short(value: Any) -> str:
    """A value as it fits into a table."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    text = "–" if value is None else plain(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
