"""``skyulf events tail``: what has happened and what happens, read from the log beside whoever writes it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from rich.table import Table
from rich.text import Text

from skyulf.cli.screen import Screen, UsageError
from skyulf.cli.summaries import short_id, summarize
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import to_json
from skyulf.events.log import EventLog
from skyulf.events.registry import EVENTS, former_types, stored_types
from skyulf.runtime import reading
from skyulf.settings import Settings

LOOK = 0.2
"""Seconds between two looks at the log."""

PAGE = 500

DEFAULT_COUNT = 20

TYPE_WIDTH = 22

ROOMY = 95
"""Columns of a terminal from which on types of events have a column of their own."""

WIDE = 150
"""Columns of a terminal from which on ids are shown whole."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for; ``count`` of them to begin with, or all after a position."""

    types: tuple[str, ...]
    stream: str | None
    after: int | None
    count: int | None


def known(types: Sequence[str]) -> tuple[str, ...]:
    """Types as the log names them, with what was stored as such before."""
    names = tuple(name.removeprefix("skyulf.") for name in types)
    for name in names:
        if name not in EVENTS and name not in former_types():
            raise UsageError(f"--type: there are no {name} events; there are {', '.join(EVENTS)}")
    return stored_types(*names)


def run(screen: Screen, settings: Settings, wanted: Wanted, follow: bool) -> None:
    """Print the newest events, and go on until an interrupt if ``follow``."""
    lines = Lines(screen)
    with reading(settings) as (log, _):
        position = log.head()
        lines.add(newest(log, wanted, position))
        try:
            while follow:
                page = log.read(position, PAGE, wanted.types, wanted.stream)
                lines.add(page.events)
                if page.position == position or not page.events:
                    time.sleep(LOOK)
                position = max(position, page.position)
        except KeyboardInterrupt:
            return  # the ordinary end of following


def newest(log: EventLog, wanted: Wanted, head: int) -> list[Recorded]:
    """The last events up to ``head`` that are wanted, in order."""
    count = DEFAULT_COUNT if wanted.count is None and wanted.after is None else wanted.count
    lowest = wanted.after or 0
    if count is None:
        return list(every(log, wanted, lowest, head))
    span = max(count, 1)
    while count:
        begin = max(head - span, lowest)
        found = list(every(log, wanted, begin, head))
        if len(found) >= count or begin == lowest:
            return found[-count:]
        span *= 4
    return []


def every(log: EventLog, wanted: Wanted, after: int, head: int) -> Iterator[Recorded]:
    """All wanted events above ``after`` and not above ``head``."""
    while after < head:
        page = log.read(after, PAGE, wanted.types, wanted.stream, until=head)
        yield from page.events
        after = page.position


class Lines:
    """Events, one on a line, in columns that stand still from page to page."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._wide = screen.out.width >= WIDE
        self._type_width = TYPE_WIDTH if screen.out.width >= ROOMY else 0
        self._headed = False

    def add(self, events: Sequence[Recorded]) -> None:
        """Print more."""
        if self._screen.as_json:
            for recorded in events:
                self._screen.line(to_json(recorded))
            return
        if not events:
            return
        rows = self._columns()
        for recorded in events:
            rows.add_row(*self._cells(recorded))
        self._screen.show(rows)

    def _columns(self) -> Table:
        made = Table(box=None, show_header=not self._headed, header_style="dim", padding=(0, 2, 0, 0))
        self._headed = True
        made.add_column("position", justify="right", min_width=8)
        made.add_column("time (UTC)", width=19 if self._wide else 14, style="dim")
        made.add_column("who", width=43 if self._wide else 12, style="cyan", no_wrap=True)
        made.add_column(f"{'what':<{self._type_width}}  of whom, and how")
        return made

    def _cells(self, recorded: Recorded) -> tuple[str | Text, ...]:
        metadata = recorded.metadata
        try:
            data = msgspec.json.decode(recorded.data)
        except msgspec.DecodeError:
            data = {}
        actor, stream = metadata.actor.id, recorded.stream
        if not self._wide:
            actor, stream = short_id(actor, 4), short_id(stream)
        return (
            str(recorded.position),
            f"{metadata.recorded_at:{'%Y-%m-%d %H:%M:%S' if self._wide else '%m-%d %H:%M:%S'}}",
            actor,
            Text.assemble(
                (f"{recorded.type:<{self._type_width}}", "bold"),
                "  ",
                (stream, "cyan"),
                "  ",
                summarize(recorded.type, data, metadata.reason),
            ),
        )
