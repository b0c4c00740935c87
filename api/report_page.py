"""A report as a page: one file of HTML that fetches nothing, to be read in a browser or on paper.

Whatever people wrote is escaped where it is put in (Jinja's autoescape); only pictures, which are drawn by us, are put
in as they are. The report itself stands in the page as JSON, for programs that check it.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jinja2 import Template

MEDIA_TYPE = "text/html; charset=utf-8"

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Of the page: it loads nothing and runs nothing; a confusion matrix is a picture within a picture."""

MOST_CELLS = 100
"""Columns of the data that are listed; the JSON has them all."""

PART = re.compile("^[^A-Z]+|[A-Z][^A-Z]*")
"""A word of the name of an event, behind which a line may end."""

LONGEST = 200
"""Signs of a value that a change shows; the JSON has it whole."""


def page_of(report: dict[str, Any], pictures: Sequence[str], pictures_problem: str | None) -> str:
    """The page of a report with its pictures, or why there are none."""
    return _template().render(
        report=report, pictures=pictures, pictures_problem=pictures_problem, policy=POLICY, most=MOST_CELLS, classes=20
    )


@cache
def _template() -> "Template":
    """The template, once it is needed: a server that makes no reports does without the library."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        loader=PackageLoader("api", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False}
    environment.filters |= {"moment": shown_moment, "number": shown_number, "value": shown_value, "pretty": pretty}
    environment.filters["parted"] = lambda name: Markup("<wbr>").join(map(escape, PART.findall(name)))
    environment.filters["drawn"] = lambda svg: Markup(svg)  # noqa: S704 - our own drawing, whose words matplotlib escapes
    return environment.get_template("report.html.jinja")


def shown_moment(text: str | None) -> str:
    """A moment to the second."""
    return "–" if text is None else f"{text[:10]} {text[11:19]} UTC"


def shown_number(value: object) -> str:
    """A number as people read it; a dash where there is none."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}"
    return str(value)


def shown_value(value: object) -> str:
    """Whatever stands in a field, on one line, cut where it is long."""
    text = value if isinstance(value, str) else "–" if value is None else msgspec.json.encode(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def pretty(value: object) -> str:
    """A document, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
