"""``skyulf deployments``: what is served under which name, and changing it."""

from typing import Any

from rich.text import Text

from skyulf.cli.models import parse
from skyulf.cli.reader import Part, looking, moment, show_page, version_of
from skyulf.cli.screen import Screen, number, table
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings

ACTIONS = {"rolled_out": "rolled out", "rolled_back": "rolled back", "retired": "retired"}


def show_all(screen: Screen, settings: Settings, part: Part, status: str | None, model: str | None) -> None:
    """List deployments."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("deployments", **part.params(), status=status, model=model)
    made = table("deployment", "status", "serves", "since (UTC)", "why")
    for item in page["items"]:
        last = item["history"][-1] if item["history"] else {}
        made.add_row(
            item["name"],
            item["status"],
            version_of(item["model"], item["model_version"]),
            moment(last.get("at", item["created_at"])),
            last.get("reason") or "",
            style="dim" if item["status"] == "retired" else "",
        )
    show_page(screen, page, made, "There are no such deployments; skyulf deployments deploy NAME MODEL makes one.")


def show_one(screen: Screen, settings: Settings, name: str, as_of: str | None) -> None:
    """Show a deployment and its history."""
    with looking(screen, settings, as_of) as reader:
        deployment = reader.get("deployments", name)
    screen.document(deployment)
    if (drift := deployment["drift"]) is not None:
        seen = f"acknowledged by {drift['acknowledged_by']}" if drift["acknowledged_at"] else "not acknowledged"
        columns = ", ".join(column["name"] for column in drift["columns"])
        screen.show(labelled("drift", (drift["level"], "yellow"), f"  {moment(drift['at'])} UTC, {columns}; {seen}"))
    made = table("when (UTC)", "what", "before", "after", "who", "why", right=("before",))
    for change in reversed(deployment["history"]):
        made.add_row(
            moment(change["at"]),
            ACTIONS.get(change["action"], change["action"]),
            number(change["before"]),
            version_of(change["model"], change["model_version"]),
            change["actor"],
            change["reason"] or "",
        )
    screen.show(_serving(deployment), made)


def deploy(screen: Screen, settings: Settings, name: str, model: str, reason: str) -> None:
    """Serve a version of a model, or what an alias means, under a name; the newest version when none is named."""
    model_name, version = parse(model)
    with looking(screen, settings) as reader:
        body: dict[str, Any] = {"model": model_name, "reason": reason}
        if version is None:
            body["model_version"] = reader.get("models", model_name)["model_version"]
        else:
            body |= {"model_version": int(version)} if version.isdecimal() else {"alias": version}
        answer = reader.send("PUT", "deployments", name, body=body)
    _done(screen, name, answer)


def roll_back(screen: Screen, settings: Settings, name: str, reason: str | None) -> None:
    """Serve again what was served before."""
    with looking(screen, settings) as reader:
        answer = reader.send("POST", "deployments", name, "rollback", body={"reason": reason})
    _done(screen, name, answer)


def retire(screen: Screen, settings: Settings, name: str, reason: str | None) -> None:
    """Serve nothing under the name any more."""
    with looking(screen, settings) as reader:
        answer = reader.send("DELETE", "deployments", name, body={"reason": reason})
    _done(screen, name, answer)


def set_log(screen: Screen, settings: Settings, name: str, asked: dict[str, Any]) -> None:
    """Log a share of the requests from now on."""
    with looking(screen, settings) as reader:
        screen.document(reader.send("PUT", "deployments", name, "log", body=asked))
    share = asked["share"]
    words = f"{share:.3g} of the requests, the newest {asked['keep_rows']:,} rows" if share else "nothing"
    screen.show(labelled("logged", (name, "bold"), f"  {words}"))


def show_log(screen: Screen, settings: Settings, name: str, part: Part) -> None:
    """List the parts of a deployment's log of predictions, the newest first."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("deployments", name, "log", **part.params())
    made = table("from (UTC)", "to (UTC)", "model", "requests", "rows", "lost", right=("requests", "rows", "lost"))
    for item in page["items"]:
        counts = (number(item[what]) for what in ("requests", "rows", "lost"))
        made.add_row(
            moment(item["since"]), moment(item["until"]), version_of(item["model"], item["model_version"]), *counts
        )
    show_page(screen, page, made, "Nothing was logged; skyulf deployments log NAME --share 0.1 begins it.")


def acknowledge(screen: Screen, settings: Settings, name: str, reason: str | None) -> None:
    """Say that the drift that was told of has been seen to."""
    with looking(screen, settings) as reader:
        body = {"reason": reason or "skyulf deployments drift --acknowledge"}
        screen.document(reader.send("POST", "deployments", name, "drift", "acknowledge", body=body))
    screen.show(labelled("drift", (name, "bold"), "  acknowledged"))


def _done(screen: Screen, name: str, answer: dict[str, Any]) -> None:
    screen.document(answer)
    screen.show(_serving({**answer, "name": name}))


def _serving(deployment: dict[str, Any]) -> Text:
    if deployment["model"] is None:
        return labelled("retired", (deployment["name"], "bold"), "  serves nothing")
    serves = version_of(deployment["model"], deployment["model_version"])
    return labelled("served", (deployment["name"], "bold"), "  is ", (serves, "bold green"))
