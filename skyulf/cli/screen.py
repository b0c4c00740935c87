"""What a person sees, or a program reads: tables and progress, one JSON document, and errors in either form.

rich is imported when something is first shown: a server holds it as long as it runs, 3 MB, and shows nothing by it.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from skyulf.errors import Fault, Invalid, Misconfigured, SkyulfError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID
    from rich.table import Table
    from rich.text import Text

WIDTH_WHEN_PIPED = 120

INTERRUPTED = 130


class UsageError(SkyulfError):
    """What was asked does not fit together; nothing was begun."""


class Occupied(SkyulfError):
    """Another process has the data directory, and no server to hand the command to."""


class Unverifiable(SkyulfError):
    """Nothing can be said of what was to be verified, for good or ill."""


class Refused(SkyulfError):
    """The server answered with a problem (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "the server refused"))
        self.problem = dict(problem)


class Screen:
    """The standard output for results, the standard error for what is said on the way.

    With ``as_json`` results are documents, and nothing is said on the way.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    @cached_property
    def out(self) -> "Console":
        """The standard output."""
        return make_console()

    @cached_property
    def err(self) -> "Console":
        """The standard error."""
        return make_console(stderr=True)

    @property
    def animated(self) -> bool:
        """Whether someone watches."""
        return self.err.is_terminal and not self.as_json

    def show(self, *things: "RenderableType") -> None:
        """Print results for a person."""
        if not self.as_json:
            for thing in things:
                self.out.print(thing)

    def note(self, text: "str | Text", style: str = "") -> None:
        """Say something on the way."""
        if not self.as_json:
            self.err.print(text, style=style, soft_wrap=True)

    def document(self, content: Any) -> None:
        """Print the result for a program."""
        if self.as_json:
            self.line(msgspec.json.encode(content))

    def line(self, text: bytes) -> None:
        """Write one line to the standard output as it is."""
        sys.stdout.buffer.write(text + b"\n")
        sys.stdout.buffer.flush()

    def confirmed(self, question: str) -> bool:
        """Ask somebody who is there whether to go on; nobody is where the input is no terminal."""
        return not self.as_json and sys.stdin.isatty() and typer.confirm(question, err=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show that something goes on whose length is not known."""
        if self.animated:
            with self.err.status(text):
                yield
        else:
            yield

    @contextmanager
    def bar(self, text: str, total: float) -> Iterator["Move"]:
        """Show how far something is; what it yields takes how much is done, and may take another text for it."""
        if not self.animated:
            yield Move()
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
        ) as progress:
            yield Move(progress, progress.add_task(text, total=total))

    def problem(self, error: SkyulfError) -> None:
        """Tell what went wrong: as a problem document, or in words."""
        problem = problem_of(error)
        if self.as_json:
            self.document(problem)
            return
        from rich.text import Text

        title, detail = str(problem["title"]), str(problem.get("detail") or "")
        self.err.print(Text.assemble((f"{title}: " if detail else title, "bold red"), detail), soft_wrap=True)
        for fault in problem.get("errors") or ():
            place = fault.get("place")
            words = Text.assemble("  ", (f"{place}: " if place else "", "bold"), str(fault.get("message")))
            self.err.print(words, soft_wrap=True)


class Move:
    """Moves a progress bar on, where there is one."""

    def __init__(self, progress: "Progress | None" = None, task: "TaskID | None" = None) -> None:
        self._progress = progress
        self._task = task

    def __call__(self, done: float, text: str | None = None) -> None:
        """So much is done, and what is done now is ``text``."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, description=text)


def make_console(stderr: bool = False) -> "Console":
    """A console that takes text as it is, and is wide enough for tables when nobody watches."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH_WHEN_PIPED
    return console


def problem_of(error: SkyulfError) -> dict[str, Any]:
    """An error as a problem document: the server's own, or one in the same form."""
    if isinstance(error, Refused):
        return error.problem
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    problem: dict[str, Any] = {
        "type": f"urn:skyulf:problem:{words.replace(' ', '-')}",
        "title": words.capitalize(),
        "detail": error.detail,
    }
    faults: tuple[Fault, ...] = error.faults if isinstance(error, Invalid) else ()
    if faults:
        problem["errors"] = [{"place": fault.place, "message": fault.message} for fault in faults]
    return problem


@contextmanager
def speaking(as_json: bool) -> Iterator[Screen]:
    """A screen for one command; errors that are expected end it with a word and an exit code, never a traceback."""
    screen = Screen(as_json)
    try:
        yield screen
    except (Misconfigured, Occupied, Unverifiable, UsageError) as error:
        screen.problem(error)
        raise typer.Exit(2) from None
    except SkyulfError as error:
        screen.problem(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        screen.note("interrupted", style="yellow")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain of it once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


def table(*headers: str, right: tuple[str, ...] = (), title: str | None = None) -> "Table":
    """An empty table in the style of all of them; the columns in ``right`` hold numbers."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        border_style="dim",
        box=box.SIMPLE_HEAD,
    )
    for header in headers:
        made.add_column(header, justify="right" if header in right else "left", overflow="fold")
    return made


def number(value: object) -> str:
    """A number as a person reads it; a dash for what is missing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4f}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.4g}"
    return str(value)


def counted(amount: int, one: str, many: str | None = None) -> str:
    """A count with its noun: ``1 event``, ``2 events``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"
