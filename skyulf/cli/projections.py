"""``skyulf projections``: how far they are, rebuilding them, and what is parked."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from skyulf.cli.client import Client, connected
from skyulf.cli.screen import Screen, counted, number, table
from skyulf.errors import Fault, Invalid
from skyulf.runtime import Runtime, reading
from skyulf.settings import Settings

LOOK = 0.1
"""Seconds between two looks at a rebuild."""


def show(screen: Screen, settings: Settings) -> None:
    """Show every projection."""
    _see_log(settings)
    with connected(screen, settings, _nothing) as client:
        answer = client.get("/v1/projections")
    screen.document(answer)
    made = table(
        "projection", "version", "status", "position", "lag", "parked", "rebuilding",
        right=("version", "position", "lag", "parked", "rebuilding"),
    )  # fmt: skip
    for item in answer["items"]:
        rebuilding = item["rebuild_position"]
        made.add_row(
            item["name"],
            str(item["version"]),
            item["status"],
            number(item["position"]),
            number(item["lag"]),
            number(len(item["parked"])),
            "" if rebuilding is None else f"at {rebuilding:,}",
            style="yellow" if item["parked"] or item["status"] != "live" else "",
        )
    screen.show(made)
    if any(item["parked"] for item in answer["items"]):
        screen.show("skyulf projections parked shows what waits, and why")


def show_parked(screen: Screen, settings: Settings) -> None:
    """Show what is parked: events that no row shows yet, and messages that were to wake a reaction."""
    _see_log(settings)
    with connected(screen, settings, _nothing) as client:
        items = client.get("/v1/projections")["items"]
        reactions = client.get("/v1/reactions")["items"]
    parked = [{"projection": item["name"], **event} for item in items for event in item["parked"]]
    messages = [{"reaction": item["name"], **message} for item in reactions for message in item["parked"]]
    screen.document({"items": parked, "messages": messages})
    if parked:
        made = table("projection", "position", "key", "attempts", "why it waits", right=("position", "attempts"))
        for event in parked:
            why = event["error"] or "behind an earlier event of its key"
            made.add_row(event["projection"], number(event["position"]), event["key"], number(event["attempts"]), why)
        screen.show(made)
    else:
        screen.show("Nothing is parked: every projection has taken every event.")
    if messages:
        made = table("reaction", "message", "since", "why it was passed over")
        for message in messages:
            made.add_row(message["reaction"], message["place"], message["since"][:19], message["error"])
        screen.show(made)


def rebuild(screen: Screen, settings: Settings, names: Sequence[str]) -> None:
    """Rebuild the projections that are named, or all, and wait until the new rows are read."""
    _see_log(settings)
    with connected(screen, settings, lambda runtime: runtime.projector.start()) as client:
        before = _by_name(client)
        if unknown := [name for name in names if name not in before]:
            raise Invalid(
                "there is no such projection", [Fault(name, f"one of {', '.join(before)}") for name in unknown]
            )
        wanted = list(dict.fromkeys(names)) or list(before)
        begun = time.monotonic()
        builds = {name: client.send("POST", f"/v1/projections/{name}/rebuild")["build"] for name in wanted}
        after = _finish(screen, client, builds)
    seconds = time.monotonic() - begun
    screen.document({"items": [after[name] for name in wanted], "seconds": round(seconds, 3)})
    screen.show(f"Rebuilt {counted(len(wanted), 'projection')} in {seconds:.1f} s: {', '.join(wanted)}.")
    if parked := sum(len(after[name]["parked"]) for name in wanted):
        screen.show(f"{counted(parked, 'event')} parked; skyulf projections parked shows why")


def _finish(screen: Screen, client: Client, builds: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    with screen.bar("rebuilding", len(builds)) as move:
        while True:
            now = _by_name(client)
            done = {name: share(now[name], build) for name, build in builds.items()}
            current = next((name for name in builds if done[name] < 1), None)
            move(sum(done.values()), f"rebuilding {current}")
            if current is None:
                return now
            time.sleep(LOOK)


def share(status: Mapping[str, Any], build: int) -> float:
    """How much of a build is done: 1 once it is what is read, and less before."""
    if status["status"] == "live" and status["build"] >= build:
        return 1.0
    head = status["position"] + status["lag"]
    reached = status["rebuild_position"] or 0
    return min(reached / head, 0.99) if head else 0.0


def _by_name(client: Client) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in client.get("/v1/projections")["items"]}


def _see_log(settings: Settings) -> None:
    """Refuse a directory without a log, which looking must not create."""
    with reading(settings):
        pass


def _nothing(_runtime: Runtime) -> None:
    """Looking starts no role."""
