"""``skyulf projections``: how far they are, and rebuilding them."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from skyulf.cli.client import Client, connected
from skyulf.cli.screen import Screen, counted, number, table
from skyulf.errors import Fault, Invalid, SkyulfError
from skyulf.runtime import Runtime, reading
from skyulf.settings import Settings

LOOK = 0.1
"""Seconds between two looks at a rebuild."""


class Unfinished(SkyulfError):
    """What was waited for was stopped by somebody else."""


def show(screen: Screen, settings: Settings) -> None:
    """Show every projection."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        answer = client.get("/v1/projections")
    screen.document(answer)
    made = table(
        "projection", "version", "status", "position", "lag", "parked", "rebuilding",
        right=("version", "position", "lag", "parked", "rebuilding"),
    )  # fmt: skip
    for item in answer["items"]:
        made.add_row(
            item["name"],
            str(item["version"]),
            item["status"],
            number(item["position"]),
            number(item["lag"]),
            number(item["parked_events"]),
            rebuilding(item),
            style="yellow" if item["parked"] or item["status"] != "live" else "",
        )
    screen.show(made)
    if any(item["parked"] for item in answer["items"]):
        screen.show("skyulf projections parked shows what waits, and why")
    if purged := sum(len(item["purged"]) for item in answer["items"]):
        screen.show(f"{counted(purged, 'event')} purged; skyulf projections parked purged NAME says which, and why")


def rebuilding(item: Mapping[str, Any]) -> str:
    """How far a projection's rebuild is."""
    under_way = item["rebuild"]
    if under_way is None:
        return ""
    return f"{under_way['fraction']:.0%}{', stopped' if under_way['stopped'] else ''}"


def rebuild(screen: Screen, settings: Settings, names: Sequence[str]) -> None:
    """Rebuild the projections that are named, or all, and wait until the new rows are read."""
    see_log(settings)
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
    if purged := sum(len(after[name]["purged"]) for name in wanted):
        screen.show(f"{counted(purged, 'event')} left out, as purged")
    if parked := sum(after[name]["parked_events"] for name in wanted):
        screen.show(f"{counted(parked, 'event')} parked; skyulf projections parked shows why")


def stop(screen: Screen, settings: Settings, names: Sequence[str]) -> None:
    """Leave rebuilds where they are: those that are named, or all."""
    see_log(settings)
    with connected(screen, settings, nothing) as client:
        under_way = [name for name, item in _by_name(client).items() if item["rebuild"]]
        wanted = list(dict.fromkeys(names)) or under_way
        stopped = [client.send("DELETE", f"/v1/projections/{name}/rebuild") for name in wanted]
    screen.document({"items": stopped})
    screen.show(
        f"Stopped: {', '.join(wanted)}. skyulf projections rebuild NAME goes on from there."
        if wanted
        else "No rebuild is under way."
    )


def _finish(screen: Screen, client: Client, builds: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    with screen.bar("rebuilding", len(builds)) as move:
        while True:
            now = _by_name(client)
            done = {name: share(now[name], build) for name, build in builds.items()}
            left = [name for name in builds if done[name] < 1]
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            move(sum(done.values()), f"rebuilding {left[0]}{more}" if left else "rebuilt")
            if not left:
                return now
            if stopped := [name for name in left if now[name]["rebuild"] and now[name]["rebuild"]["stopped"]]:
                raise Unfinished(f"the rebuild of {', '.join(stopped)} was stopped; asked for again, it goes on")
            time.sleep(LOOK)


def share(status: Mapping[str, Any], build: int) -> float:
    """How much of a build is done: 1 once it is what is read, and less before."""
    if status["status"] == "live" and status["build"] >= build:
        return 1.0
    return float(status["rebuild"]["fraction"]) if status["rebuild"] else 0.0


def _by_name(client: Client) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in client.get("/v1/projections")["items"]}


def see_log(settings: Settings) -> None:
    """Refuse a directory without a log, which looking must not create."""
    with reading(settings):
        pass


def nothing(_runtime: Runtime) -> None:
    """Looking starts no role."""
