"""``skyulf migrate``: the tables in Postgres, made or brought to what this Skyulf needs."""

from skyulf.cli.screen import Screen
from skyulf.runtime import migrate
from skyulf.settings import Settings


def run(screen: Screen, settings: Settings, role: str | None) -> None:
    """Migrate, and tell what was done."""
    versions = migrate(settings, role)
    before, after = versions if versions else (None, None)
    screen.document({"before": before, "after": after})
    if versions is None:
        screen.show(
            "Nothing to migrate: SKYULF_DATABASE_URL names no Postgres, and files are made when they are needed."
        )
    elif before == after:
        screen.show(f"The database is at version {after} already.")
    elif before == 0:
        screen.show(f"The tables were made, at version {after}.")
    else:
        screen.show(f"The database was brought from version {before} to version {after}.")
    if role is not None and versions is not None:
        screen.show(f"{role} may append and read events, and change none.")
