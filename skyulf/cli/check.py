"""``skyulf pipelines check``: what is wrong with a spec, and what would be trained, before anything runs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from skyulf.cli.reader import looking
from skyulf.cli.screen import Screen, counted, number, table
from skyulf.cli.train_view import labelled
from skyulf.core.made import some
from skyulf.core.plan import check_alone
from skyulf.core.spec import parse_spec
from skyulf.errors import Fault, Invalid
from skyulf.settings import Settings

MOST_NAMES = 8

SAMPLED = "drawn at random: all of them need more memory than a job may use"


def run(screen: Screen, settings: Settings, file: Path, dataset: str | None) -> None:
    """Check a spec, by itself or against a dataset; exit code 1 when something is wrong with it."""
    spec = read_json(file)
    if dataset is None:
        answer: dict[str, Any] = {"problems": [asdict(fault) for fault in _alone(spec)]}
    else:
        with looking(screen, settings) as reader:
            body = {"spec": spec, "dataset_id": reader.id_of("datasets", dataset)}
            answer = reader.ask("pipelines", "check", body=body)
    screen.document(answer)
    for line in shown(answer):
        screen.show(line)
    if answer["problems"]:
        raise typer.Exit(1)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; raises `Invalid` for anything else."""
    from json import loads

    try:
        content = loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise Invalid(f"{file} cannot be read as JSON", [Fault("", str(error))]) from error
    if not isinstance(content, dict):
        raise Invalid(f"{file} does not hold a spec, which is a JSON object")
    return content


def _alone(spec: dict[str, Any]) -> tuple[Fault, ...]:
    try:
        return check_alone(parse_spec(spec))
    except Invalid as invalid:
        return tuple(invalid.faults)


def shown(answer: dict[str, Any]) -> Iterator[Any]:
    """An answer as a person reads it: problems, what is set aside, and a table for each candidate."""
    for problem in answer["problems"]:
        yield Text.assemble((f"{problem['place']}: ", "bold red"), problem["message"])
    if not answer["problems"]:
        yield labelled("problems", "none that can be seen without running it")
    if (sample := answer.get("sample")) is not None:
        yield labelled("sample", f"{number(sample['rows'])} of {number(sample['of'])} rows", f"  {SAMPLED}")
    for column in answer.get("set_aside", ()):
        yield labelled("left out", (column["name"], "bold"), f"  {column['reason']}")
    candidates = answer.get("candidates", ())
    for candidate in candidates:
        yield labelled("model", (candidate["model"]["node"], "bold"), differences(candidate, candidates), of(candidate))
        if candidate["steps"]:
            yield steps(candidate["steps"])
        if len(candidate["reads"]) > 1:
            yield labelled("reads", ", ".join(candidate["reads"]), f"  {after(candidate['columns'])}")


def of(candidate: dict[str, Any]) -> str:
    """What the model learns, where that is not the target itself."""
    turned = candidate.get("target_transform")
    return f"  of the target's {turned}" if turned not in (None, "none") else ""


def differences(candidate: dict[str, Any], candidates: Sequence[dict[str, Any]]) -> str:
    """The parameters by which a candidate's model differs from the same model in others."""
    model = candidate["model"]
    alike = [other["model"]["params"] for other in candidates if other["model"]["node"] == model["node"]]
    differing = [
        f"{name} {value}" for name, value in model["params"].items() if any(other.get(name) != value for other in alike)
    ]
    return f"  {', '.join(differing)}" if differing else ""


def steps(listed: list[dict[str, Any]]) -> Any:
    """The table of a candidate's steps: what each acts on, and the columns after it."""
    graph = any(step["id"] for step in listed)
    made = table(*(("id", "reads") if graph else ()), "step", "acts on", "columns after it")
    for at, step in enumerate(listed):
        place = (step["id"] or f"steps.{at}", ", ".join(step["reads"])) if graph else ()
        made.add_row(*place, step["node"], _acts_on(step), after(step["columns"]))
    return made


def _acts_on(step: dict[str, Any]) -> str:
    words = [some(step["acts_on"], MOST_NAMES)] if step["acts_on"] else []
    words += ["what steps before it made"] if step["acts_on_made"] else []
    words += [str(step["note"])] if step["note"] else []
    return "; ".join(words)


def after(columns: list[dict[str, Any]]) -> str:
    """How many columns of each kind there are, how many of them may lack cells, and what steps made."""
    named = [column for column in columns if column["name"] is not None]
    kinds = Counter(column["kind"] for column in named)
    lacking = Counter(column["kind"] for column in named if column["nullable"])
    words = [
        f"{number} {kind}" + (f" ({lacking[kind]} may lack cells)" if lacking[kind] else "")
        for kind, number in kinds.items()
    ]
    words += [_several(column) for column in columns if column["name"] is None]
    return "; ".join(words) or counted(0, "column")


def _several(column: dict[str, Any]) -> str:
    described = str(column["description"])
    if column["count"] is not None:
        return f"{counted(column['count'], 'column')}: {described}"
    return described if column["most"] is None or "at most" in described else f"{described}, at most {column['most']}"
