"""``skyulf projections parked``: what could not be taken, trying it again, and going on without it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from skyulf.cli.client import Client, connected
from skyulf.cli.projections import nothing, see_log
from skyulf.cli.reader import moment
from skyulf.cli.screen import Screen, UsageError, counted, number, table
from skyulf.cli.train_view import labelled
from skyulf.errors import NotFound
from skyulf.runtime import Runtime
from skyulf.settings import Settings

BEHIND = "behind an earlier event of its key"

SHOWN = 50
"""Parked events that are shown to a person; a program is given them all."""


def show_all(screen: Screen, settings: Settings) -> None:
    """Show what is parked: events that no row shows yet, and messages that were to wake a reaction."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        names = [item["name"] for item in client.get("/v1/projections")["items"] if item["parked"]]
        parked = [{"projection": name, **event} for name in names for event in all_of(client, name)]
        reactions = client.get("/v1/reactions")["items"]
    messages = [{"reaction": item["name"], **message} for item in reactions for message in item["parked"]]
    screen.document({"items": parked, "messages": messages})
    if parked:
        made = table("projection", "position", "key", "attempts", "why it waits", right=("position", "attempts"))
        for event in parked[:SHOWN]:
            why = event["error"] or BEHIND
            made.add_row(event["projection"], str(event["position"]), event["key"], number(event["attempts"]), why)
        screen.show(made)
        if len(parked) > SHOWN:
            screen.show(f"and {len(parked) - SHOWN:,} more; --json has them all")
        screen.show("skyulf projections parked show NAME POSITION shows one; retry NAME folds them again")
    else:
        screen.show("Nothing is parked: every projection has taken every event.")
    if messages:
        made = table("reaction", "message", "since", "why it was passed over")
        for message in messages:
            made.add_row(message["reaction"], message["place"], message["since"][:19], message["error"])
        screen.show(made)


def all_of(client: Client, name: str) -> list[dict[str, Any]]:
    """Every parked event of a projection."""
    found: list[dict[str, Any]] = []
    page = client.get(f"/v1/projections/{name}/parked", limit=1000)
    while True:
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        page = client.get(f"/v1/projections/{name}/parked", limit=1000, cursor=page["next_cursor"])


def show_one(screen: Screen, settings: Settings, name: str, position: int) -> None:
    """Show one parked event: as it stands in the log, and why it waits."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        found = client.get(f"/v1/projections/{quote(name, safe='')}/parked/{position}")
    screen.document(found)
    event = found["event"]
    waits = f"behind the event at position {found['waits_for']}" if found["waits_for"] else found["error"]
    screen.show(
        labelled("event", f"{event['type'].removeprefix('skyulf.')} of {event['subject']}, position {position}"),
        labelled("schema", event["dataschema"].rpartition(":")[2]),
        labelled("recorded", f"{moment(event['time'])} UTC by {event['actor']}"),
        labelled("key", found["key"]),
        labelled("why", str(waits)),
        labelled("attempts", str(found["attempts"])),
        labelled("behind", counted(found["behind_it"], "event")),
    )
    screen.show(labelled("data", str(event.get("data"))))


def retry(screen: Screen, settings: Settings, name: str, key: str | None) -> None:
    """Fold what is parked again, of one key or of all; of a reaction, look again at what it could not read."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        projection = f"/v1/projections/{quote(name, safe='')}"
        if is_reaction(client, name):
            answer = client.send("POST", f"/v1/reactions/{quote(name, safe='')}/parked/retry")
        elif key is None:
            answer = client.send("POST", f"{projection}/retry")
        else:
            answer = client.send("POST", f"{projection}/parked/{quote(key, safe='')}/retry")
    screen.document(answer)
    screen.show(f"{counted(answer['released'], 'event')} released")
    for event in answer.get("failing", ()):
        screen.show(f"position {event['position']} of {event['key']} still cannot be folded: {event['error']}")


def purge(screen: Screen, settings: Settings, name: str, position: int, reason: str | None) -> None:
    """Have a projection go on without an event, and show what became of those behind it."""
    if reason is None:
        raise UsageError("--reason WORDS: why the projection goes on without the event stays in the record")
    see_log(settings)
    with connected(screen, settings, projecting) as client:
        projection = f"/v1/projections/{quote(name, safe='')}"
        answer = client.send("DELETE", f"{projection}/parked/{position}", {"reason": reason})
        after = client.get(projection, min_position=answer["position"])
    screen.document({**answer, "parked_events": after["parked_events"]})
    screen.show(f"{name} goes on without the event at position {position}; rebuilds leave it out, too.")
    if after["parked_events"]:
        screen.show(f"{counted(after['parked_events'], 'event')} still parked; skyulf projections parked shows why")


def show_purged(screen: Screen, settings: Settings, name: str) -> None:
    """Show what a projection goes without."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        found = client.get(f"/v1/projections/{quote(name, safe='')}/purged")
    screen.document(found)
    if not found["items"]:
        screen.show(f"Nothing was purged: {name} goes without no event.")
        return
    made = table("position", "key", "left out", "purged (UTC)", "by", "reason", right=("position",))
    for item in found["items"]:
        left_out = "yes" if item["left_out"] else "not yet"
        place = str(item["position"])
        made.add_row(place, item["key"], left_out, moment(item["purged_at"]), item["actor"], item["reason"])
    screen.show(made)


def forget(screen: Screen, settings: Settings, name: str, place: str | None) -> None:
    """Show messages that a reaction could not read no longer."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        if not is_reaction(client, name):
            raise NotFound(f"there is no reaction {name}; events of a projection are purged, with a reason")
        query = f"?place={quote(place, safe='')}" if place else ""
        answer = client.send("DELETE", f"/v1/reactions/{quote(name, safe='')}/parked{query}")
    screen.document(answer)
    screen.show(f"{counted(answer['released'], 'message')} forgotten")


def is_reaction(client: Client, name: str) -> bool:
    """Whether it is a reaction that is called so."""
    items: list[Mapping[str, Any]] = client.get("/v1/reactions")["items"]
    return any(item["name"] == name for item in items)


def projecting(runtime: Runtime) -> None:
    """Follow the log, so that what was asked for comes about."""
    runtime.projector.start()
