"""The table of all judgements: on the screen, and as docs/accuracy.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pandas as pd
from rich.console import Console
from rich.table import Table as Screen

from bench.accuracy.judge import Outcome
from bench.accuracy.sets import Metric, Table

WITHIN = 0.98
PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"

COLUMNS = (
    "table", "from", "rows × columns", "judged by", "Skyulf", "boosted trees", "linear", "ratio", "chosen", "of",
    "set aside", "s",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A table and its judged splits."""

    table: Table
    frame: pd.DataFrame
    outcomes: tuple[Outcome, ...]

    @property
    def metric(self) -> Metric:
        """What the table is judged by."""
        return self.table.metric(self.frame)

    def mean(self, side: Callable[[Outcome], float]) -> float:
        """One side's mean score over the splits."""
        return mean(side(outcome) for outcome in self.outcomes)

    @property
    def ratio(self) -> float:
        """Ours to the better peer's, above 1 where ours is better."""
        ours, peers = self.mean(lambda o: o.ours), (self.mean(lambda o: o.trees), self.mean(lambda o: o.linear))
        return min(peers) / ours if self.metric == "RMSE" else ours / max(peers)

    def cells(self) -> list[str]:
        """The row as text, in the order of `COLUMNS`."""
        scores = (self.mean(lambda o: o.ours), self.mean(lambda o: o.trees), self.mean(lambda o: o.linear))
        chosen = sorted({outcome.chosen.replace("_", " ") for outcome in self.outcomes})
        return [
            self.table.name,
            self.table.package,
            f"{len(self.frame):,} × {self.frame.shape[1]}",
            self.metric + (f", mean of {len(self.outcomes)}" if len(self.outcomes) > 1 else ""),
            *(number(score) for score in scores),
            f"{self.ratio:.3f}{'' if self.ratio >= WITHIN else ' **missed**'}",
            " / ".join(chosen),
            "/".join(sorted({str(outcome.candidates) for outcome in self.outcomes})),
            str(max(outcome.set_aside for outcome in self.outcomes)),
            f"{self.mean(lambda o: o.train_seconds):.0f}",
        ]

    def line(self) -> str:
        """The row on one line, while the rest is still to come."""
        return "  ".join(self.cells())


def number(score: float) -> str:
    """A score with four digits that count."""
    return f"{score:,.0f}" if score >= 1000 else f"{score:.4g}"


def show(console: Console, rows: Sequence[Row]) -> None:
    """Print the table."""
    screen = Screen(box=None, pad_edge=False)
    for name in COLUMNS:
        screen.add_column(name)
    for row in rows:
        screen.add_row(*(cell.replace("**", "") for cell in row.cells()))
    console.print(screen)
    console.print(f"\n{summary(rows)}")


def summary(rows: Sequence[Row]) -> str:
    """How many tables are within 2 %."""
    missed = [row.table.name for row in rows if row.ratio < WITHIN]
    named = f"; missed: {', '.join(missed)}" if missed else ""
    return f"{len(rows) - len(missed)} of {len(rows)} tables are within 2 % of the better peer{named}."


def document(rows: Sequence[Row]) -> None:
    """Write docs/accuracy.md: the words stand in bench/accuracy/page.md."""
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    table += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    words = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    PAGE.write_text(words.replace("{table}", "\n".join(table)).replace("{summary}", summary(rows)), encoding="utf-8")
