"""What every benchmark shares: lines of a report, interleaved rounds, medians, temporary directories."""

import contextlib
import gc
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from skyulf.runtime import spare_collections


@dataclass(frozen=True, slots=True)
class Target:
    """What DESIGN asks for: the ratio, or our own number, at least or at most ``limit``."""

    sense: Literal["at least", "at most"]
    limit: float
    of: Literal["ratio", "ours"] = "ratio"

    def met(self, line: "Line") -> bool:
        """Whether the line is within the limit."""
        value = line.ratio if self.of == "ratio" else line.ours
        assert value is not None
        return value >= self.limit if self.sense == "at least" else value <= self.limit

    def describe(self, line: "Line") -> str:
        """The limit, and whether it is met."""
        sign = "≥" if self.sense == "at least" else "≤"
        unit = "×" if self.of == "ratio" else line.unit
        return f"{sign} {self.limit:g} {unit}, {'met' if self.met(line) else 'missed'}"


@dataclass(frozen=True, slots=True)
class Line:
    """One number of ours, in ``unit``, beside a peer's, measured in the same run.

    ``ratio`` is the median over the rounds of ours / peer; where it is not given, it is that of the two medians.
    """

    what: str
    ours: float
    unit: str
    beside: str = ""
    peer: float | None = None
    ratio: float | None = None
    target: Target | None = None

    def __post_init__(self) -> None:
        """Derive the ratio from the two sides."""
        if self.ratio is None and self.peer:
            object.__setattr__(self, "ratio", self.ours / self.peer)

    def as_json(self) -> dict[str, Any]:
        """The line as plain values."""
        return {**asdict(self), "met": self.target.met(self) if self.target else None}


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found; ``notes`` say what each side includes."""

    title: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {"title": self.title, "lines": [line.as_json() for line in self.lines], "notes": list(self.notes)}

    def show(self, console: Console) -> None:
        """Print the report as a table."""
        table = Table(title=self.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("", overflow="fold")
        table.add_column("ours", justify="right", no_wrap=True)
        table.add_column("beside", overflow="fold")
        table.add_column("peer", justify="right", no_wrap=True)
        table.add_column("ratio", justify="right", no_wrap=True)
        table.add_column("target", no_wrap=True)
        for line in self.lines:
            table.add_row(
                line.what,
                f"{number(line.ours)} {line.unit}",
                line.beside,
                "" if line.peer is None else f"{number(line.peer)} {line.unit}",
                "" if line.ratio is None else f"{number(line.ratio)} ×",
                line.target.describe(line) if line.target else "no target yet",
            )
        console.print(table)
        for note in self.notes:
            console.print(f"  {note}", style="dim", highlight=False)
        console.print()


def number(value: float) -> str:
    """A number with three significant digits, thousands set apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def interleaved(sides: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Call every side once a round, first to last and then last to first; the answers of each side, by round.

    A disturbance that lasts longer than a round meets all sides of it, and leaves their ratio alone.
    """
    answers: list[list[float]] = [[0.0] * rounds for _ in sides]
    for turn in range(rounds):
        order = range(len(sides)) if turn % 2 == 0 else range(len(sides) - 1, -1, -1)
        for index in order:
            answers[index][turn] = sides[index]()
    return answers


def ratio_of(ours: Sequence[float], peer: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(ours, peer, strict=True))


def compared(
    what: str,
    ours: Sequence[float],
    unit: str,
    beside: str,
    peer: Sequence[float],
    target: Target | None = None,
) -> Line:
    """A line of two sides that were measured in the same rounds."""
    return Line(
        what, statistics.median(ours), unit, beside, statistics.median(peer), ratio_of(ours, peer), target=target
    )


def seconds_of(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@contextlib.contextmanager
def collecting_as_served() -> Iterator[None]:
    """Collect garbage as the server does, which spares what was imported; as before at the end.

    Without it a rebuild takes twice as long in a process that has imported much, from looking through all of that.
    """
    thresholds = gc.get_threshold()
    spare_collections()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary directory that is gone at the end, whatever was left in it."""
    path = Path(tempfile.mkdtemp(prefix="skyulf-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def process(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A child process in a group of its own, that is stopped at the end: asked first, then killed."""
    child = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield child
    finally:
        stop(child)


def stop(child: "subprocess.Popen[bytes]") -> None:
    """End a process that `process` started, and its group with it."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
