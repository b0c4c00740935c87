"""``skyulf keys``: who may call a server, and for what."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from skyulf.cli.client import connected
from skyulf.cli.reader import Part, Reader, looking, moment, show_page, shown_id
from skyulf.cli.screen import Screen, table
from skyulf.cli.train_view import labelled
from skyulf.settings import Settings


def issue(
    screen: Screen,
    settings: Settings,
    name: str,
    roles: Sequence[str],
    kind: str,
    actor: str | None,
    expires_at: str | None,
) -> None:
    """Issue a key and show it."""
    with connected(screen, settings, lambda runtime: runtime.projector.start()) as client:
        body = {"name": name, "roles": list(roles), "kind": kind, "actor": actor, "expires_at": expires_at}
        answer = Reader(client, 0).send("POST", "keys", body=body)
    screen.document(answer)
    screen.show(
        labelled("id", answer["id"]),
        labelled("roles", ", ".join(roles)),
        labelled("expires", f"{moment(expires_at)} UTC" if expires_at else "never"),
        labelled("key", (answer["key"], "bold")),
    )
    screen.note("keep it now: it is shown this once. Send it as Authorization: Bearer KEY; the command line takes it")
    screen.note("from SKYULF_API_KEY. From the first key on, a server answers nobody without one.")


def expiry(days: int | None) -> str | None:
    """When a key expires that holds for so many days from now."""
    return None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat()


def revoke(screen: Screen, settings: Settings, text: str) -> None:
    """Revoke a key."""
    with looking(screen, settings) as reader:
        key = reader.id_of("keys", text)
        answer = reader.send("DELETE", "keys", key)
    screen.document(answer)
    screen.show(f"{answer['id']} opens nothing any more")


def show_all(screen: Screen, settings: Settings, part: Part) -> None:
    """List keys."""
    with looking(screen, settings, part.as_of) as reader:
        page = reader.get("keys", **part.params())
    made = table("name", "id", "actor", "roles", "issued (UTC)", "expires (UTC)")
    for item in page["items"]:
        made.add_row(
            f"{item['name']} (revoked)" if item["revoked"] else item["name"],
            shown_id(screen, item["id"]),
            "itself" if item["actor"] == item["id"] else item["actor"],
            ", ".join(item["roles"]),
            moment(item["created_at"]),
            moment(item["expires_at"]) if item["expires_at"] else "never",
            style="dim" if item["revoked"] else "",
        )
    show_page(screen, page, made, "There are no keys: every program of this machine may do everything.")
