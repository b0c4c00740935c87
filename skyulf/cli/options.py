"""Arguments and options that several commands take, and how each command begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skyulf.cli.screen import Screen
    from skyulf.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where everything is kept. Default: SKYULF_DATA_DIR, else ./.skyulf",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on the standard output.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="The most lines on the page.")]
Cursor = Annotated[
    str | None, typer.Option(help="Go on where the page before said that there is more.", show_default=False)
]
Order = Annotated[
    str | None, typer.Option(metavar="FIELD", help="What to order by; - before it reverses.", show_default=False)
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="MOMENT",
        help="As it was: at this position of the log, or at a time such as 2026-03-03T09:00:00Z.",
        show_default=False,
    ),
]
Reason = Annotated[str | None, typer.Option(metavar="WORDS", help="Why: it stays in the record.", show_default=False)]


@contextmanager
def begun(data_dir: Path | None, as_json: bool) -> Iterator[tuple["Screen", "Settings"]]:
    """A screen and the settings of one command, with expected errors turned into words and exit codes."""
    from skyulf.cli.screen import speaking
    from skyulf.settings import load_settings

    with speaking(as_json) as screen:
        yield screen, load_settings(data_dir=data_dir)
