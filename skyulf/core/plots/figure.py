"""The pictures of an evaluation: confusion matrix and curves, or predictions and residuals; importance; slices."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from skyulf.core.plots import panels
from skyulf.core.plots.panels import LARGE, MIDDLE

HEAD = 0.8
"""Inches above the panels, for the titles."""

DPI = 150

BARS = 15
"""Columns, the most important ones, whose importance is shown."""

CLUSTERS = 50
"""Clusters whose sizes are shown, at most."""

SLICED = 4
"""Columns by which slices are shown."""

SIZE = re.compile(r' (?:width|height)="[^"]*pt"')
"""The size on paper that an SVG asks for."""

TAG = re.compile("<[^>]+>")

ID = re.compile(r'((?<=\s)id="|xlink:href="#|url\(#)')
"""Where a tag of an SVG gives an id, or names one."""

Row = tuple[tuple[str, ...], float]
"""Panels that stand side by side, and their height in inches."""


def draw(evaluation: Mapping[str, Any], title: str, subtitle: str) -> Figure:
    """Draw an evaluation as ``GET /v1/jobs/{id}/evaluation`` gives it."""
    figure = _drawn(evaluation, _rows(evaluation), HEAD)
    _entitle(figure, title, subtitle)
    return figure


def draw_apart(evaluation: Mapping[str, Any]) -> list[Figure]:
    """Draw the same without titles above, each row of panels as a figure of its own, to stand on a page."""
    return [_drawn(evaluation, [row], 0.0) for row in _rows(evaluation)]


def _rows(evaluation: Mapping[str, Any]) -> list[Row]:
    classes = "confusion_matrix" in evaluation
    rows: list[Row] = (
        [(("matrix", "roc"), 4.9), (("recall", "calibration"), 4.9)] if classes else [(("predicted", "residuals"), 5.4)]
    )
    if evaluation.get("partition"):
        rows = [(("sizes",) * 2, 1.1 + 0.26 * len(_sizes(evaluation)))]
    if bars := _bars(evaluation):
        rows.append((("importance",) * 2, 1.1 + 0.26 * len(bars)))
    for at, one in enumerate(_sliced(evaluation)):
        rows.append(((f"slices {at}",) * 2, 1.1 + 0.26 * len(one["parts"])))
    return rows


def _bars(evaluation: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (evaluation.get("importance") or [])[:BARS]


def _sizes(evaluation: Mapping[str, Any]) -> Sequence[int]:
    """Of very many clusters the first ones."""
    found: Sequence[int] = evaluation["partition"]["sizes"][:CLUSTERS]
    return found


def _sliced(evaluation: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (evaluation.get("slices") or [])[:SLICED]


def _drawn(evaluation: Mapping[str, Any], rows: Sequence[Row], head: float) -> Figure:
    """Some rows of panels, below so many inches that are left free."""
    heights = [height for _, height in rows]
    figure = Figure(figsize=(12, head + sum(heights)), layout="constrained")
    mosaic = figure.subplot_mosaic([list(places) for places, _ in rows], height_ratios=heights)
    drawers = _drawers(evaluation)
    for place, axes in mosaic.items():
        drawers[place](axes)
    return figure


def _drawers(evaluation: Mapping[str, Any]) -> dict[str, Callable[[Axes], None]]:
    """What is drawn at each place."""
    classes, curves = "confusion_matrix" in evaluation, evaluation.get("curves") or []
    sliced = {
        f"slices {at}": partial(panels.slices, sliced=one, metric="accuracy" if classes else "mae")
        for at, one in enumerate(_sliced(evaluation))
    }
    return {
        "matrix": lambda axes: panels.confusion(axes, evaluation["confusion_matrix"], evaluation["labels"]),
        "roc": lambda axes: panels.roc(axes, curves),
        "recall": lambda axes: panels.precision_recall(axes, curves),
        "calibration": lambda axes: panels.calibration(axes, curves),
        "predicted": lambda axes: panels.actual_by_predicted(axes, evaluation.get("actual_by_predicted") or []),
        "sizes": lambda axes: panels.sizes(axes, _sizes(evaluation)),
        "residuals": lambda axes: panels.residuals(axes, evaluation["residuals"]),
        "importance": lambda axes: panels.importance(axes, _bars(evaluation), evaluation["importance_of"]["metric"]),
        **sliced,
    }


def _entitle(figure: Figure, title: str, subtitle: str) -> None:
    """Write two lines above everything, in room that is kept for them."""
    inch = 1 / figure.get_figheight()
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, 0, 1, 1 - HEAD * inch), h_pad=0.1, w_pad=0.12, hspace=0.03, wspace=0.04)
    for text, below, size, weight in ((title, 0.32, LARGE, "bold"), (subtitle, 0.63, MIDDLE, "normal")):
        figure.text(0.012, 1 - below * inch, text, fontsize=size, fontweight=weight, va="center", parse_math=False)


def save(figure: Figure, file: Path) -> None:
    """Write a figure as PNG or SVG, by the file's name; an older file is replaced once the new one is whole."""
    kind = file.suffix.lower().removeprefix(".")
    part = file.with_name(f".{file.name}.{os.getpid()}")
    metadata = {"Date": None} if kind == "svg" else {}
    try:
        with _written_alike():
            figure.savefig(part, format=kind, dpi=DPI, metadata=metadata)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def svg_of(figure: Figure, name: str) -> str:
    """A figure as an element ``svg`` to stand in a page: as wide as its place, its words as text.

    ``name`` is put before the ids in it, so that those of several figures in one page differ.
    """
    written = StringIO()
    with _written_alike(), mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = written.getvalue()
    element = SIZE.sub("", text[text.index("<svg") :], count=2)
    return TAG.sub(lambda tag: ID.sub(rf"\g<1>{name}-", tag[0]), element)


@contextmanager
def _written_alike() -> Iterator[None]:
    """The same figure is written as the same bytes, and quietly where a font has no sign for a letter."""
    with mpl.rc_context({"svg.hashsalt": "skyulf"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for it
        yield
