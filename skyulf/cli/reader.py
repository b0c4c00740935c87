"""Looking at things: answers that hold all that is recorded, ids cut short, times and pages as people read them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from rich.table import Table

from skyulf.cli.client import Client, connected
from skyulf.cli.screen import Screen
from skyulf.cli.summaries import short_id
from skyulf.errors import Fault, Invalid
from skyulf.runtime import Runtime, reading
from skyulf.settings import Settings

WIDE = 150
"""Columns of a terminal from which on ids are shown whole."""

SHORTEST_END = 4
"""Signs of an id's end that are enough to mean it."""

LOOKED_AT = 1_000
"""How many of the newest are looked through for a name or for the end of an id."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is asked for."""

    limit: int
    cursor: str | None = None
    order: str | None = None
    as_of: str | None = None

    def params(self) -> dict[str, str | int | None]:
        """The part as a query has it."""
        return {"limit": self.limit, "cursor": self.cursor, "order": self.order}


class Reader:
    """Asks the system; answers hold everything up to a position, and what was sent through it.

    With ``as_of``, a position or a time, they show what was shown then.
    """

    def __init__(self, client: Client, position: int, as_of: str | None = None) -> None:
        self._client = client
        self._position = position
        self._when = {} if as_of is None else {"as_of": as_of}

    def get(self, *path: str, **params: str | int | None) -> dict[str, Any]:
        """Read something; what is None is left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._client.get(_url(path), min_position=self._position, **self._when, **given)

    def download(self, target: Path, *path: str) -> None:
        """Write what stands there into a file."""
        self._client.download(_url(path), target, min_position=self._position)

    def ask_log(self, *path: str, **params: str | int | None) -> dict[str, Any]:
        """Read something of the log itself, which is never behind; what is None is left out."""
        return self._client.get(_url(path), **{name: value for name, value in params.items() if value is not None})

    def send(self, method: str, *path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a command; what is None in its body is left out."""
        given = {name: value for name, value in (body or {}).items() if value is not None}
        answer = self._client.send(method, _url(path), given or None)
        self._position = max(self._position, answer["position"])
        return answer

    def delete(self, *path: str, **params: str | int) -> dict[str, Any]:
        """Remove something that no event is about."""
        return self._client.send("DELETE", f"{_url(path)}?{urlencode(params)}")

    def ask(self, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask something that takes a body; nothing is changed by it."""
        return self._client.send("POST", f"{_url(path)}?min_position={self._position}", body)

    def id_of(self, nouns: str, text: str) -> str:
        """The id that a person meant: whole, the end of one (as lists show it), or the name of what has one.

        Raises `Invalid` when there are several such.
        """
        noun = nouns.removesuffix("s")
        if len(text) == len(noun) + 37 and text.startswith(f"{noun}-"):
            return text
        end = text.rpartition("…")[2].removeprefix(f"{noun}-")
        found = {
            item["id"]: item
            for item in self.get(nouns, limit=LOOKED_AT)["items"]
            if item.get("name") == text or (len(end) >= SHORTEST_END and item["id"].endswith(end))
        }
        if len(found) > 1:
            faults = [Fault(id_, f"created {moment(item['created_at'])}") for id_, item in found.items()]
            raise Invalid(f"{text} could be any of {len(found)} {nouns}; give the id of one", faults)
        return next(iter(found), text)


def _url(path: tuple[str, ...]) -> str:
    return "/".join(["/v1", *(quote(part, safe="") for part in path)])


def projecting(runtime: Runtime) -> None:
    """Begin what a system in this process needs to be asked."""
    runtime.projector.start()


@contextmanager
def looking(
    screen: Screen,
    settings: Settings,
    as_of: str | None = None,
    begin: Callable[[Runtime], None] = projecting,
) -> Iterator[Reader]:
    """A reader of all that is recorded by now, or was then; a directory without a log is refused, and not made."""
    with reading(settings) as (log, _):
        head = log.head()
    with connected(screen, settings, begin) as client:
        yield Reader(client, head, as_of)


def shown_id(screen: Screen, text: str) -> str:
    """An id, cut short where there is little room."""
    return text if screen.out.width >= WIDE else short_id(text)


def show_page(screen: Screen, page: dict[str, Any], made: Table, nothing: str) -> None:
    """Show a page of a list: the answer itself, or its table, and how to go on."""
    screen.document(page)
    if not page["items"]:
        screen.show(nothing)
        return
    screen.show(made)
    if page["next_cursor"]:
        screen.note(f"there is more: --cursor {page['next_cursor']}, or a higher --limit", style="dim")


def moment(text: str | None) -> str:
    """A time to the minute, in UTC."""
    return "–" if text is None else f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M}"


def shown_moment(screen: Screen, text: str) -> str:
    """A time to the minute, without its year where there is little room."""
    whole = moment(text)
    return whole if screen.out.width >= WIDE else whole.partition("-")[2]


def seconds(job: Mapping[str, Any]) -> float | None:
    """How long a job took from its first start, in seconds; None while it has no end."""
    if not job["started_at"] or not job["finished_at"]:
        return None
    return (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])).total_seconds()


def duration(length: float | None) -> str:
    """A length of time, of seconds, as a person says it."""
    if length is None:
        return "–"
    if length < 60:
        return f"{length:.1f} s"
    minutes, rest = divmod(round(length), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def version_of(model: str | None, number: int | None) -> str:
    """A model's version as it is written everywhere: ``name:3``."""
    return "–" if model is None else model if number is None else f"{model}:{number}"
