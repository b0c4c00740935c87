"""``skyulf datasets profile`` and ``drift``, ``skyulf deployments drift``: what data look like, and how they moved."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from skyulf.cli.reader import Reader, looking, version_of
from skyulf.cli.screen import Refused, Screen, number, table
from skyulf.cli.train_view import labelled
from skyulf.core.suspicions import RULES
from skyulf.settings import Settings

PATIENCE = 900.0
"""Seconds that a profile of a large table is waited for."""

BLOCKS = "▁▂▃▄▅▆▇█"

WIDTH = 16
"""Signs of a histogram."""

COMMON = 3
"""The commonest values of a column that are shown."""

STYLES = {"none": "dim", "moderate": "yellow", "major": "red"}


def show_profile(screen: Screen, settings: Settings, text: str, version: int | None, target: str | None) -> None:
    """Show a profile."""
    with looking(screen, settings) as reader:
        id_ = reader.id_of("datasets", text)
        profile = patiently(screen, reader, "datasets", id_, "profile", dataset_version=version, target=target)
    screen.document(profile)
    rows, sampled = profile["rows"], profile["sample"]["rows"]
    screen.show(labelled("profile", (f"version {profile['dataset_version']}", "bold"), f"  {id_}"))
    drawn = "" if sampled == rows else f"; quantiles are of {number(sampled)} drawn at random"
    screen.show(labelled("rows", f"{number(rows)}{drawn}"), _columns(profile["columns"], rows))
    for warning in profile["warnings"]:
        words = f"{', '.join(warning['columns'])}: {RULES.get(warning['rule'], warning['rule'])}"
        screen.show(Text(f"warning  {words}", style="yellow"))


def _columns(columns: Sequence[Mapping[str, Any]], rows: int) -> Any:
    made = table(
        "column", "type", "missing", "different", "5 %", "median", "95 %", "shape", right=("missing", "different")
    )
    for column in columns:
        quantiles = column.get("quantiles")
        if quantiles is None:
            among = rows if column["top_of"] == "rows" else None
            shown = ["", _commonest(column["top"], among), "", ""]
        else:
            shown = [_short(quantiles.get(q)) for q in ("0.05", "0.5", "0.95")]
            shown.append(bars(column["histogram"]["counts"]))
        gaps = f"{column['nulls'] / rows:.1%}" if rows and column["nulls"] else "–"
        made.add_row(*map(Text, (column["name"], column["type"], gaps, number(column["distinct"]), *shown)))
    return made


def _commonest(top: Sequence[Mapping[str, Any]], rows: int | None) -> str:
    """The commonest values; of all rows, with their shares."""
    shares = (f" {one['count'] / rows:.0%}" if rows else "" for one in top)
    return ", ".join(f"{_short(one['value'])}{share}" for one, share in zip(top[:COMMON], shares, strict=False)) or "–"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    words = number(value)
    return words if len(words) <= 20 else f"{words[:19]}…"


def bars(counts: Sequence[int]) -> str:
    """A histogram in one line; bins are put together to fit, and one that is not empty never looks so."""
    if not counts:
        return ""
    each = -(-len(counts) // WIDTH)
    heights = [sum(counts[at : at + each]) for at in range(0, len(counts), each)]
    most = max(heights) or 1
    steps = len(BLOCKS) - 1
    return "".join(BLOCKS[min(steps, -(-height * steps // most))] if height else " " for height in heights)


def show_drift(screen: Screen, settings: Settings, text: str, reference: int, current: int | None) -> None:
    """Show how far columns have moved."""
    with looking(screen, settings) as reader:
        id_ = reader.id_of("datasets", text)
        drift = patiently(screen, reader, "datasets", id_, "drift", **{"from": reference, "to": current})
    _show_drift(screen, drift, labelled("drift", (f"version {drift['from']} → {drift['to']}", "bold"), f"  {id_}"))


def show_served_drift(screen: Screen, settings: Settings, name: str) -> None:
    """Show how far what a deployment was asked has moved from what was trained on."""
    with looking(screen, settings) as reader:
        drift = patiently(screen, reader, "deployments", name, "drift")
    words = f"  {version_of(drift['model'], drift['model_version'])} predicts {drift['target']}"
    _show_drift(screen, drift, labelled("drift", (name, "bold"), words))


def _show_drift(screen: Screen, drift: Mapping[str, Any], head: Text) -> None:
    screen.document(drift)
    sizes = f"{number(drift['reference']['rows'])} rows, then {number(drift['current']['rows'])}"
    level = (drift["level"], STYLES[drift["level"]])
    screen.show(
        head,
        labelled("rows", sizes),
        labelled("level", level, f"  {drift['drifted']} of {len(drift['columns'])} columns have moved"),
        _moved(drift["columns"]),
    )
    for words in ("added", "removed", "retyped"):
        if drift[words]:
            screen.show(labelled(words, ", ".join(drift[words])))


def _moved(columns: Sequence[Mapping[str, Any]]) -> Any:
    numbers = ("PSI", "JS", "KS", "Wasserstein", "χ² p")
    made = table("column", "type", "level", *numbers, "missing", right=(*numbers, "missing"))
    for column in sorted(columns, key=lambda one: -(one.get("psi") or 0.0)):
        ks, chi2 = column.get("ks"), column.get("chi2")
        before, after = column["missing"]
        made.add_row(
            Text(column["name"]),
            column["type"],
            Text(column["level"], style=STYLES[column["level"]]),
            _measure(column.get("psi")),
            _measure(column.get("js")),
            _measure(ks and ks["statistic"]),
            _measure(column.get("wasserstein")),
            _measure(chi2 and chi2["p"]),
            "–" if not before and not after else f"{before:.1%} → {after:.1%}",
        )
    return made


def _measure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def patiently(
    screen: Screen, reader: Reader, nouns: str, id_: str, what: str, **params: str | int | None
) -> dict[str, Any]:
    """Ask for what is made on request until it is made."""
    until = time.monotonic() + PATIENCE
    with screen.busy(f"making the {what}"):
        while True:
            try:
                return reader.get(nouns, id_, what, **params)
            except Refused as refusal:
                if refusal.problem.get("status") != 503 or time.monotonic() > until:
                    raise
