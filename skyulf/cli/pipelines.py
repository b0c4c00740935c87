"""``skyulf pipelines``: specs that were kept under a name."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from skyulf.cli.naming import aim_of
from skyulf.cli.reader import Part, looking, moment, show_page, shown_id
from skyulf.cli.screen import Screen, table
from skyulf.cli.train_view import labelled
from skyulf.core.selection import DATASET
from skyulf.settings import Settings

CHOSEN_LATER = "chosen from the data"


def show_all(screen: Screen, settings: Settings, part: Part, name: str | None, archived: bool | None) -> None:
    """List pipelines."""
    flag = None if archived is None else str(archived).lower()
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("pipelines", **part.params(), name=name, archived=flag)
    made = table("name", "id", "task", "target", "model", "created (UTC)")
    for item in page["items"]:
        spec = item["spec"]
        made.add_row(
            f"{item['name']} (archived)" if item["archived"] else item["name"],
            shown_id(screen, item["id"]),
            spec["task"],
            spec["target"] or "–",
            model_of(spec),
            moment(item["created_at"]),
            style="dim" if item["archived"] else "",
        )
    show_page(screen, page, made, "There are no such pipelines; POST /v1/pipelines keeps one.")


def show_one(screen: Screen, settings: Settings, text: str, as_of: str | None) -> None:
    """Show a pipeline and its steps."""
    with looking(screen, settings, as_of) as reader:
        pipeline = reader.get("pipelines", reader.id_of("pipelines", text))
    screen.document(pipeline)
    spec = pipeline["spec"]
    state = "  archived" if pipeline["archived"] else ""
    screen.show(
        labelled("pipeline", (pipeline["name"], "bold"), f"  {pipeline['id']}{state}"),
        labelled("created", f"{moment(pipeline['created_at'])} UTC"),
        labelled("task", aim_of(spec)),
        labelled("model", model_of(spec)),
    )
    if spec.get("steps"):
        screen.show(steps(spec["steps"]))
        if spec.get("model") and spec["model"].get("inputs"):
            screen.show(labelled("reads", "; ".join(map(_input, spec["model"]["inputs"]))))


def model_of(spec: Mapping[str, Any]) -> str:
    """The model that a spec names, and what becomes of the target before it."""
    turned = spec.get("target_transform")
    learnt = f" ({turned})" if turned not in (None, "none") else ""
    return f"{spec['model']['node']}{learnt}" if spec.get("model") else f"{CHOSEN_LATER}{learnt}"


def steps(listed: list[dict[str, Any]]) -> Any:
    """The table of a spec's steps, with what each reads where they are a graph."""
    graph = any(step.get("inputs") for step in listed)
    made = table(*(("id", "reads") if graph else ()), "step", "columns", "parameters")
    for at, step in enumerate(listed):
        row = (step["node"], _columns(step.get("columns")), json.dumps(step.get("params") or {}, ensure_ascii=False))
        made.add_row(*((step.get("id") or f"steps.{at}", "; ".join(reads(listed, at))) if graph else ()), *row)
    return made


def reads(listed: Sequence[Mapping[str, Any]], at: int) -> list[str]:
    """What a step reads, in words: what its inputs say, or the step before it."""
    if listed[at].get("inputs"):
        return [_input(each) for each in listed[at]["inputs"]]
    return [listed[at - 1].get("id") or f"steps.{at - 1}"] if at else [DATASET]


def _input(each: str | Mapping[str, Any]) -> str:
    return each if isinstance(each, str) else f"{each['from']}: {_columns(each['columns'])}"


def _columns(columns: Any) -> str:
    return columns if isinstance(columns, str) else json.dumps(columns, ensure_ascii=False)
