"""``skyulf audit history``, ``audit diff`` and ``skyulf lineage``: what became of a thing, and what it belongs to."""

from collections import defaultdict
from typing import Any

import msgspec
from rich.text import Text
from rich.tree import Tree

from skyulf.cli.reader import WIDE, Reader, looking, shown_id, shown_moment
from skyulf.cli.screen import Screen, table
from skyulf.cli.summaries import short_id
from skyulf.settings import Settings

PAGE = 1_000

LONGEST = 60
"""Signs of a value that are shown; --json has it whole."""

KINDS = {
    "dataset_version": "data",
    "pipeline": "pipeline",
    "job": "job",
    "model_version": "model",
    "deployment": "deployment",
}


def show_history(screen: Screen, settings: Settings, noun: str, name: str) -> None:
    """Show every event of a thing, and what it changed."""
    with looking(screen, settings) as reader:
        path = ("audit", noun, _id(reader, noun, name))
        whole = page = reader.ask_log(*path, limit=PAGE)
        while page["next_cursor"]:
            page = reader.ask_log(*path, limit=PAGE, cursor=page["next_cursor"])
            whole["items"] += page["items"]
        whole["next_cursor"] = None
    screen.document(whole)
    made = table("position", "time (UTC)", "who", "what", "changed", "why", right=("position",))
    for item in whole["items"]:
        changed = Text("\n").join([_change(each) for each in item["changes"]])
        if item["problem"]:
            changed = Text(f"cannot be read: {item['problem']}", "red")
        made.add_row(
            str(item["position"]),
            shown_moment(screen, item["at"]),
            item["actor"] if screen.out.width >= WIDE else short_id(item["actor"], 4),
            item["type"],
            changed,
            item["reason"] or "",
        )
    screen.show(made)


def show_difference(screen: Screen, settings: Settings, noun: str, name: str, begin: int, end: int | None) -> None:
    """Show what is different of a thing from one position to another."""
    with looking(screen, settings) as reader:
        found = reader.ask_log("audit", noun, _id(reader, noun, name), "diff", **{"from": begin, "to": end})
    screen.document(found)
    if not found["changes"]:
        screen.show(f"Nothing changed from position {found['from']} to {found['to']}.")
        return
    made = table("field", f"at {found['from']}", f"at {found['to']}")
    for change in found["changes"]:
        made.add_row(change["place"], _value(change["before"]), _value(change["after"]))
    screen.show(made)


def show_lineage(
    screen: Screen, settings: Settings, noun: str, name: str, version: int | None, as_of: str | None
) -> None:
    """Show what went into a thing and what it went into, as a tree from the data to what is served."""
    with looking(screen, settings, as_of) as reader:
        found = reader.get("lineage", noun, _id(reader, noun, name), version=version)
    screen.document(found)
    targets: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for edge in found["edges"]:
        targets[edge["source"]].append(edge)
    reached = {edge["target"] for edge in found["edges"]}

    def grow(tree: Tree, place: int) -> None:
        for edge in targets[place]:
            relation = " (no longer)" if edge["relation"] == "was served by" else ""
            grow(tree.add(_node(screen, found["nodes"][edge["target"]], relation)), edge["target"])

    for place, node in enumerate(found["nodes"]):
        if place not in reached:
            tree = Tree(_node(screen, node, ""))
            grow(tree, place)
            screen.show(tree)
    impact = found["impact"]
    serving = ", ".join(impact["serving"]) or "nothing"
    screen.show(f"{impact['jobs']} jobs, {impact['model_versions']} versions of models; served now by: {serving}")
    if not found["complete"]:
        screen.note("there are more jobs than are shown", style="dim")


def _id(reader: Reader, noun: str, name: str) -> str:
    return name if noun in ("model", "deployment") else reader.id_of(f"{noun}s", name)


def _change(change: dict[str, Any]) -> Text:
    before = "" if change["before"] is None else f"{_value(change['before'])} → "
    return Text.assemble((f"{change['place']}: ", "dim"), before, _value(change["after"]))


def _value(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _node(screen: Screen, node: dict[str, Any], suffix: str) -> Text:
    label = shown_id(screen, node["label"]) if node["kind"] == "job" else node["label"]
    status = f"  {node['status']}" if node["status"] else ""
    return Text.assemble((f"{KINDS[node['kind']]} ", "dim"), (label, "bold"), (f"{status}{suffix}", "dim"))
