"""``skyulf jobs shap``: how much each column moves what a model says."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from skyulf.cli.profiles import patiently
from skyulf.cli.reader import looking
from skyulf.cli.screen import Screen, number, table
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings

MOST_COLUMNS = 20
"""Columns, those that move most, that are shown of an output."""


def show(screen: Screen, settings: Settings, text: str) -> None:
    """Show SHAP values of a job's model."""
    with looking(screen, settings) as reader:
        id_ = reader.id_of("jobs", text)
        found = patiently(screen, reader, "jobs", id_, "shap")
    screen.document(found)
    screen.show(labelled("job", (id_, "bold"), f"  SHAP values of {found['rows']} held-out rows, of the {found['of']}"))
    for output in found["outputs"]:
        screen.show("", _moved(output, found["of"]))


def _moved(output: Mapping[str, Any], what: str) -> Any:
    name = what if output["output"] is None else f"{what} of {output['output']}"
    made = table("column", "moves it by", "on average", right=("moves it by", "on average"))
    made.title = Text(f"{name}, {number(output['base'])} without knowing anything")
    for column in output["columns"][:MOST_COLUMNS]:
        made.add_row(Text(column["column"]), number(column["mean_abs"]), number(column["mean"]))
    return made
