"""``skyulf webhooks``: which systems are told of events, and what they took."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from skyulf.cli.client import connected
from skyulf.cli.reader import Part, Reader, looking, moment, show_page, shown_id, shown_moment
from skyulf.cli.screen import Screen, number, table
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings

Webhook = Mapping[str, Any]


def show_all(screen: Screen, settings: Settings, part: Part, removed: bool | None) -> None:
    """List webhooks."""
    with looking(screen, settings, part.as_of) as reader:
        asked = None if removed is None else str(removed).lower()
        page = reader.get("webhooks", **part.params(), removed=asked)
    made = table("webhook", "URL", "gets", "state", "lag", "waiting", right=("lag", "waiting"))
    for item in page["items"]:
        made.add_row(
            shown_id(screen, item["id"]),
            Text(item["url"]),
            _wanted(item),
            _state(item),
            number(None if item["removed"] else item["lag"]),
            number(item["waiting"]),
            style="dim" if item["removed"] else "yellow" if item["parked"] or item["has_secret"] is False else "",
        )
    show_page(screen, page, made, "There are no webhooks; skyulf webhooks add URL makes one.")


def show_one(screen: Screen, settings: Settings, text: str, limit: int, as_of: str | None) -> None:
    """Show a webhook, and what waits, which is known of now alone."""
    with looking(screen, settings, as_of) as reader:
        webhook = reader.get(*_path(reader, text))
        waiting: dict[str, Any] = {"items": [], "next_cursor": None}
        if as_of is None:
            waiting = reader.ask_log("webhooks", webhook["id"], "waiting", limit=limit)
    screen.document({**webhook, "streams_waiting": waiting["items"]})
    screen.show(
        labelled("webhook", (webhook["id"], "bold")),
        labelled("URL", webhook["url"]),
        labelled("gets", _wanted(webhook)),
        labelled("state", _state(webhook)),
        labelled("since", f"{moment(webhook['created_at'])} UTC, events above {webhook['after']:,}"),
    )
    if webhook["position"] is not None:
        screen.show(labelled("is at", f"{webhook['position']:,}, {webhook['lag']:,} behind the log"))
    if not waiting["items"]:
        return
    made = table("stream", "position", "failed", "since (UTC)", "again (UTC)", "why", right=("position", "failed"))
    for item in waiting["items"]:
        made.add_row(
            shown_id(screen, item["stream"]),
            number(item["position"]),
            number(item["attempts"]),
            shown_moment(screen, item["since"]) if item["since"] else "–",
            shown_moment(screen, item["due"]) if item["due"] else "now",
            item["error"] or "catching up",
            style="yellow" if item["parked"] else "",
        )
    screen.show(made)
    if waiting["next_cursor"]:
        screen.note("there is more: a higher --limit", style="dim")
    if webhook["parked"]:
        screen.show("skyulf webhooks retry tries one now; skyulf webhooks skip leaves its event out")


def add(screen: Screen, settings: Settings, body: Mapping[str, Any]) -> None:
    """Make a webhook, and show its secret."""
    with connected(screen, settings, lambda runtime: runtime.projector.start()) as client:
        answer = Reader(client, 0).send("POST", "webhooks", body=body)
    _show_secret(screen, answer)


def replace_secret(screen: Screen, settings: Settings, text: str, reason: str | None) -> None:
    """Replace a webhook's secret, and show the new one."""
    with looking(screen, settings) as reader:
        answer = reader.send("POST", *_path(reader, text), "secret", body={"reason": reason})
    _show_secret(screen, answer)


def pause(screen: Screen, settings: Settings, text: str, paused: bool, reason: str | None) -> None:
    """Pause a webhook, or resume it."""
    with looking(screen, settings) as reader:
        webhook = reader.get(*_path(reader, text))
        kept = {name: webhook[name] for name in ("url", "types", "nouns", "streams")}
        answer = reader.send("PUT", "webhooks", webhook["id"], body={**kept, "paused": paused, "reason": reason})
    screen.document(answer)
    screen.show(f"{answer['id']} " + ("is paused" if paused else "goes on"))


def remove(screen: Screen, settings: Settings, text: str, reason: str | None) -> None:
    """Remove a webhook."""
    with looking(screen, settings) as reader:
        answer = reader.send("DELETE", *_path(reader, text), body={"reason": reason})
    screen.document(answer)
    screen.show(f"{answer['id']} is removed")


def replay(screen: Screen, settings: Settings, text: str, after: int, reason: str | None) -> None:
    """Deliver everything above a position."""
    with looking(screen, settings) as reader:
        answer = reader.send("POST", *_path(reader, text), "replay", body={"after": after, "reason": reason})
    screen.document(answer)
    screen.show(f"{answer['id']} gets everything above position {after:,}, from a running server")


def retry(screen: Screen, settings: Settings, text: str, stream: str, reason: str | None) -> None:
    """Try what waits of a stream now."""
    with looking(screen, settings) as reader:
        answer = reader.send("POST", *_path(reader, text), "waiting", stream, "retry", body={"reason": reason})
    screen.document(answer)
    screen.show(f"{stream} is tried again by a running server; skyulf webhooks show tells what came of it")


def skip(screen: Screen, settings: Settings, text: str, stream: str, position: int, reason: str) -> None:
    """Leave an event out."""
    body = {"position": position, "reason": reason}
    with looking(screen, settings) as reader:
        answer = reader.send("POST", *_path(reader, text), "waiting", stream, "skip", body=body)
    screen.document(answer)
    screen.show(f"position {position:,} is never delivered to {answer['id']}")


def _path(reader: Reader, text: str) -> tuple[str, str]:
    return "webhooks", reader.id_of("webhooks", text)


def _show_secret(screen: Screen, answer: Webhook) -> None:
    screen.document(answer)
    screen.show(labelled("id", answer["id"]), labelled("secret", (answer["secret"] or "shown before", "bold")))
    screen.note("keep it now: it is shown this once. The receiver verifies signatures with it (docs/webhooks.md)")


def _wanted(webhook: Webhook) -> str:
    """Which events a webhook gets."""
    parts = [", ".join(webhook[name]) for name in ("types", "nouns", "streams") if webhook[name]]
    return "; ".join(parts) or "every event"


def _state(webhook: Webhook) -> str:
    if webhook["removed"]:
        return "removed"
    if webhook["paused"]:
        return "paused"
    if webhook["has_secret"] is False:
        return "without its secret: skyulf webhooks secret makes another"
    return f"{webhook['parked']} streams parked" if webhook["parked"] else "active"
