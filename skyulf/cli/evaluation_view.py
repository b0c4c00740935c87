"""What ``skyulf jobs show`` tells of an evaluation beside its metrics: decisions, nested folds, clusters and slices."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skyulf.cli.screen import number, table
from skyulf.cli.train_view import labelled
from skyulf.core.part_names import part_name, plain

SHOWN = ("accuracy", "f1", "roc_auc", "mae", "rmse", "r2", "interval_coverage")
"""The metrics of slices that a table shows, of those there are."""

MOST_CLASSES = 5


def shown(evaluation: Mapping[str, Any]) -> Iterator[Any]:
    """The lines and tables of what an evaluation has of these."""
    if found := evaluation.get("thresholds"):
        each = [f"{plain(one['label'])} {number(one['threshold'])}" for one in found["classes"][:MOST_CLASSES]]
        more = [f"{len(found['classes']) - MOST_CLASSES} more"] if len(found["classes"]) > MOST_CLASSES else []
        how = f"  by {found['criterion']} on {found['rows']:,} rows: {number(found['score'])}"
        yield labelled(
            "decides", (", ".join([*each, *more]), "bold"), f"{how}, without {number(found['score_without'])}"
        )
    if found := evaluation.get("intervals"):
        yield labelled(
            "interval",
            (f"± {number(found['half_width'])}", "bold"),
            f"  for {found['coverage']:.1%} of rows; of those held out it holds {found['observed']:.1%}",
        )
    if found := evaluation.get("partition"):
        against = (
            f"; compared with {found['reference']} on {found['reference_rows']:,} rows" if found["reference"] else ""
        )
        sizes = ", ".join(f"{size:,}" for size in found["sizes"])
        yield labelled("clusters", (str(len(found["sizes"])), "bold"), f"  of held-out rows they hold {sizes}{against}")
    if found := (evaluation.get("tuning") or {}).get("outer"):
        yield labelled(
            "nested",
            (f"{evaluation['tuning']['metric']} {number(found['mean'])} ± {number(found['std'])}", "bold"),
            f"  in {len(found['folds'])} outer folds, each tuned without the rows that judge it",
        )
        yield _outer(found["folds"])
    for found in evaluation.get("clusters") or ():
        told = ", ".join(f"{name} {number(value)}" for name, value in found["metrics"].items())
        yield labelled("clusters", (found["method"], "bold"), f"  {told}; rows {found['sizes']}")
    for found in evaluation.get("slices") or ():
        yield ""
        yield _slices(found)


def _outer(folds: Sequence[Mapping[str, Any]]) -> Any:
    paths = sorted({path for one in folds for path in one["parameters"] or {}})
    made = table("outer fold", "score", "rows", *paths, "", right=("outer fold", "score", "rows", *paths))
    for one in folds:
        chosen = [number((one["parameters"] or {}).get(path)) for path in paths]
        made.add_row(str(one["fold"]), number(one["score"]), f"{one['test']:,}", *chosen, one["reason"] or "")
    return made


def _slices(sliced: Mapping[str, Any]) -> Any:
    names = [name for name in SHOWN if any(name in part["metrics"] for part in sliced["parts"])]
    made = table(sliced["column"], "rows", *names, "", right=("rows", *names))
    for part in sliced["parts"]:
        values = [number(part["metrics"].get(name)) for name in names]
        remark, style = ("few rows", "dim") if part["small"] else ("", "")
        made.add_row(part_name(part), f"{part['rows']:,}", *values, remark, style=style)
    return made
