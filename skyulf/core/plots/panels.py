"""What is drawn of an evaluation, panel by panel: confusion matrix, curves, residuals, clusters, importance, slices."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from skyulf.core.part_names import part_name

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that people who see colours differently can tell apart (Okabe and Ito 2008)."""

QUIET = "#8C8C8C"

LARGE, TITLE, MIDDLE, SMALL, TINY = 16, 13, 11.5, 10.5, 9

COUNTED = 12
"""Classes up to which each cell of a confusion matrix says its count."""

NAMED = 30
"""Classes up to which the axes of a confusion matrix are labelled."""

LONGEST = 18
"""Signs of a label that are shown."""

Curve = Mapping[str, Any]
Place = Literal["lower right", "lower left"]
AREAS = {"roc": "roc_auc", "precision_recall": "average_precision"}


def confusion(axes: Axes, counts: Sequence[Sequence[int]], labels: Sequence[Any]) -> None:
    """How the classes were told apart: each cell with its share of the actual class."""
    shares = [[cell / max(sum(row), 1) for cell in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    _name(axes, "Confusion matrix", "predicted", "actual", "shares of each actual class")
    axes.grid(visible=False)
    many = len(labels)
    if many <= NAMED:
        names = [short(label, LONGEST if many <= 4 else LONGEST // 2) for label in labels]
        size = SMALL if many <= COUNTED else 7
        turned: dict[str, Any] = {"rotation": 45, "ha": "right"} if many > 4 or max(map(len, names)) > 10 else {}
        axes.set_xticks(range(many), names, fontsize=size, parse_math=False, **turned)
        axes.set_yticks(range(many), names, fontsize=size, parse_math=False)
    if many > COUNTED:
        return
    for row in range(many):
        for column in range(many):
            share, count = shares[row][column], counts[row][column]
            words = f"{count:,}\n{share:.0%}" if many <= 5 else f"{count:,}"
            colour = "white" if share > 0.55 else "black" if count else QUIET
            axes.text(column, row, words, ha="center", va="center", color=colour, fontsize=SMALL if many <= 8 else TINY)


def roc(axes: Axes, curves: Sequence[Curve]) -> None:
    """The true positive rate by the false one, a line for each class."""
    _square(axes, "ROC", "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1)
    for curve, style in styled(curves, "roc"):
        axes.plot(curve["roc"]["false_positive_rate"], curve["roc"]["true_positive_rate"], **style)
    _legend(axes, curves, "roc", "lower right", "area")


def precision_recall(axes: Axes, curves: Sequence[Curve]) -> None:
    """Precision by recall, a line for each class."""
    _square(axes, "Precision and recall", "recall", "precision")
    for curve, style in styled(curves, "precision_recall"):
        shown = curve["precision_recall"]
        axes.plot(shown["recall"], shown["precision"], drawstyle="steps-pre", **style)
    _legend(axes, curves, "precision_recall", "lower left", "average precision")


def calibration(axes: Axes, curves: Sequence[Curve]) -> None:
    """The observed share by the predicted probability, a line for each class."""
    _square(axes, "Calibration", "predicted probability", "observed share", "larger dots stand for more rows")
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1)
    for curve, style in styled(curves, "calibration"):
        bins = curve["calibration"]
        most = max(bin_["count"] for bin_ in bins)
        x, y = [bin_["predicted"] for bin_ in bins], [bin_["observed"] for bin_ in bins]
        axes.plot(x, y, **{**style, "linewidth": 1.2, "alpha": 0.45})
        sizes = [14 + 130 * bin_["count"] / most for bin_ in bins]
        axes.scatter(x, y, s=sizes, color=style["color"], alpha=0.75, linewidths=0, zorder=3)
    if not any(curve["calibration"] for curve in curves):
        _nothing(axes)


def styled(curves: Sequence[Curve], part: str) -> list[tuple[Curve, dict[str, Any]]]:
    """Curves that there are, each with its style: the classes with most rows in colour, the others thin and grey."""
    largest = sorted(curves, key=lambda curve: -curve["support"])[: len(COLOURS)]
    named = [curve["label"] for curve in curves if curve in largest]
    rest = len(curves) - len(named)
    drawn: list[tuple[Curve, dict[str, Any]]] = []
    for curve in curves:
        if not curve[part]:
            continue
        if curve["label"] in named:
            colour, area = COLOURS[named.index(curve["label"])], curve.get(AREAS.get(part, ""))
            words = short(curve["label"]) if area is None else f"{short(curve['label'])}  {area:.3f}"
            drawn.append((curve, {"color": colour, "linewidth": 2, "label": words, "zorder": 2.5}))
        else:
            first = not any(style["color"] == QUIET for _, style in drawn)
            words = f"{rest} smaller classes" if first else "_"  # matplotlib leaves such labels out
            drawn.append((curve, {"color": QUIET, "linewidth": 0.8, "alpha": 0.6, "label": words}))
    return drawn


def actual_by_predicted(axes: Axes, groups: Sequence[Mapping[str, Any]]) -> None:
    """True values by predictions: mean, median, and where eight of ten rows are."""
    _name(axes, "Predicted and actual", "predicted", "actual")
    if not groups:
        _nothing(axes)
        return
    x = [group["predicted"] for group in groups]
    low, high = [group["low"] for group in groups], [group["high"] for group in groups]
    ends = [min(*x, *low), max(*x, *high)]
    axes.plot(ends, ends, color=QUIET, linestyle=":", linewidth=1.2, label="perfect")
    axes.fill_between(x, low, high, color=COLOURS[0], alpha=0.2, linewidth=0, label="8 of 10 rows")
    axes.plot(x, [group["median"] for group in groups], color=COLOURS[0], linewidth=2, label="median")
    means = [group["actual"] for group in groups]
    axes.plot(x, means, "o", color=COLOURS[1], markersize=4.5, label="mean", zorder=3)
    _plain(axes.xaxis)
    _plain(axes.yaxis)
    axes.legend(loc="upper left", fontsize=SMALL, frameon=False)


def residuals(axes: Axes, residuals: Mapping[str, Any]) -> None:
    """How far predictions are off: a histogram, with quantiles."""
    _name(axes, "Residuals", "actual minus predicted", "rows")
    histogram = residuals.get("histogram") or {"edges": [], "counts": []}
    edges, counts = histogram["edges"], histogram["counts"]
    if not counts:
        _nothing(axes)
        return
    if edges[0] == edges[-1]:
        edges = [edges[0] - 0.5, edges[0] + 0.5]
    axes.stairs(counts, edges, fill=True, color=COLOURS[0], alpha=0.75)
    axes.axvline(0, color="black", linewidth=1, label="no error")
    quantiles = residuals["quantiles"]
    for key, words in (("0.05", "5 % and 95 %"), ("0.5", "median"), ("0.95", None)):
        if quantiles[key] is not None:
            style = "-" if key == "0.5" else "--"
            axes.axvline(quantiles[key], color=COLOURS[1], linestyle=style, linewidth=1.6, label=words)
    axes.set_ylim(0, max(counts) * 1.18)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    _plain(axes.xaxis)
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.legend(loc="upper right", fontsize=SMALL, framealpha=0.9, edgecolor="none")


def importance(axes: Axes, bars: Sequence[Mapping[str, Any]], metric: str) -> None:
    """How much worse it gets when a column is shuffled, a bar for each column."""
    _name(axes, "Importance of columns", f"{metric} grows by", "", "when the column is shuffled; mean and spread")
    places = range(len(bars))
    means = [bar["mean"] or 0.0 for bar in bars]
    axes.barh(places, means, xerr=[bar["std"] or 0.0 for bar in bars], color=COLOURS[0], alpha=0.75, ecolor=QUIET)
    axes.set_yticks(places, [short(bar["column"], 2 * LONGEST) for bar in bars], parse_math=False)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def slices(axes: Axes, sliced: Mapping[str, Any], metric: str) -> None:
    """A metric of parts of the rows, a bar for each."""
    _name(
        axes, f"By {short(sliced['column'], 2 * LONGEST)}", metric, "", "of the rows held out; pale where rows are few"
    )
    parts = sliced["parts"]
    for at, part in enumerate(parts):
        axes.barh(at, part["metrics"][metric] or 0.0, color=COLOURS[0], alpha=0.25 if part["small"] else 0.75)
    names = [f"{short(part_name(part), 2 * LONGEST)}  ({part['rows']:,})" for part in parts]
    axes.set_yticks(range(len(parts)), names, parse_math=False)
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def sizes(axes: Axes, counts: Sequence[int]) -> None:
    """How many of the rows held out each cluster has, a bar for each."""
    _name(axes, "Clusters", "rows held out", "cluster")
    axes.barh(range(len(counts)), counts, color=COLOURS[0], alpha=0.75)
    axes.set_yticks(range(len(counts)), [f"{at}  ({count:,})" for at, count in enumerate(counts)])
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(visible=False, axis="y")


def _name(axes: Axes, title: str, x: str, y: str, remark: str = "") -> None:
    axes.set_title(title, fontsize=TITLE, loc="left", fontweight="bold", parse_math=False)
    axes.set_title(remark, fontsize=TINY, loc="right", color="#606060")
    axes.set_xlabel(x, fontsize=MIDDLE)
    axes.set_ylabel(y, fontsize=MIDDLE)
    axes.tick_params(labelsize=SMALL)
    axes.grid(visible=True, color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _square(axes: Axes, title: str, x: str, y: str, remark: str = "") -> None:
    """Axes of two shares."""
    _name(axes, title, x, y, remark)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)


def _plain(axis: Axis) -> None:
    """Write whole numbers, with few of them on the axis, instead of a common factor."""
    axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))


def _legend(axes: Axes, curves: Sequence[Curve], part: str, place: Place, title: str) -> None:
    if not any(curve[part] for curve in curves):
        _nothing(axes)
        return
    legend = axes.legend(loc=place, fontsize=TINY, title=title, title_fontsize=TINY, framealpha=0.85, edgecolor="none")
    for text in legend.get_texts():
        text.set_parse_math(False)


def _nothing(axes: Axes) -> None:
    """Say that nothing is known: of many classes no curves are kept, and of one that is missing there are none."""
    axes.text(0.5, 0.5, "not recorded", ha="center", va="center", color=QUIET, transform=axes.transAxes)


def short(label: object, longest: int = LONGEST) -> str:
    """A label, cut where it is long."""
    text = str(label).lower() if isinstance(label, bool) else str(label)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
