"""``skyulf pipelines``: specs that were kept under a name."""

import json
from collections.abc import Mapping
from typing import Any

from skyulf.cli.reader import Part, looking, moment, show_page, shown_id
from skyulf.cli.screen import Screen, table
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings

CHOSEN_LATER = "chosen from the data"


def show_all(screen: Screen, settings: Settings, part: Part, name: str | None, archived: bool | None) -> None:
    """List pipelines."""
    flag = None if archived is None else str(archived).lower()
    with looking(screen, settings) as reader:
        page = reader.get("pipelines", **part.params(), name=name, archived=flag)
    made = table("name", "id", "task", "target", "model", "created (UTC)")
    for item in page["items"]:
        spec = item["spec"]
        made.add_row(
            f"{item['name']} (archived)" if item["archived"] else item["name"],
            shown_id(screen, item["id"]),
            spec["task"],
            spec["target"],
            model_of(spec),
            moment(item["created_at"]),
            style="dim" if item["archived"] else "",
        )
    show_page(screen, page, made, "There are no such pipelines; POST /v1/pipelines keeps one.")


def show_one(screen: Screen, settings: Settings, text: str) -> None:
    """Show a pipeline and its steps."""
    with looking(screen, settings) as reader:
        pipeline = reader.get("pipelines", reader.id_of("pipelines", text))
    screen.document(pipeline)
    spec = pipeline["spec"]
    state = "  archived" if pipeline["archived"] else ""
    screen.show(
        labelled("pipeline", (pipeline["name"], "bold"), f"  {pipeline['id']}{state}"),
        labelled("created", f"{moment(pipeline['created_at'])} UTC"),
        labelled("task", f"{spec['task']} of {spec['target']}"),
        labelled("model", model_of(spec)),
    )
    if spec.get("steps"):
        screen.show(steps(spec["steps"]))


def model_of(spec: Mapping[str, Any]) -> str:
    """The model that a spec names, and what becomes of the target before it."""
    turned = spec.get("target_transform")
    learnt = f" ({turned})" if turned not in (None, "none") else ""
    return f"{spec['model']['node']}{learnt}" if spec.get("model") else f"{CHOSEN_LATER}{learnt}"


def steps(listed: list[dict[str, Any]]) -> Any:
    """The table of a spec's steps."""
    made = table("step", "columns", "parameters")
    for step in listed:
        columns = step.get("columns")
        words = columns if isinstance(columns, str) else json.dumps(columns, ensure_ascii=False)
        made.add_row(step["node"], words, json.dumps(step.get("params") or {}, ensure_ascii=False))
    return made
