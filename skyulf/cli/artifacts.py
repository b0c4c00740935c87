"""``skyulf artifacts``: files that no event names."""

from typing import Any

from skyulf.cli.reader import looking
from skyulf.cli.screen import Screen, UsageError, counted
from skyulf.settings import Settings

SHOWN = 20


def collect(screen: Screen, settings: Settings, hours: int, dry_run: bool, yes: bool) -> None:
    """Say which files no event names, and remove them once that is meant."""
    older_than = hours * 3600
    with looking(screen, settings) as reader:
        found = reader.ask_log("artifacts", "unnamed", older_than=older_than)
        removing = not dry_run and found["files"]
        if removing and not yes:
            _tell(screen, found, "no event names")
            if not screen.confirmed("Remove them?"):
                raise UsageError("nothing was removed; --yes removes without asking, --dry-run asks nothing")
        if removing:
            found = reader.delete("artifacts", "unnamed", older_than=older_than)
    screen.document({**found, "removed": bool(removing)})
    _tell(screen, found, "removed" if removing else "no event names")


def _tell(screen: Screen, found: dict[str, Any], what: str) -> None:
    kept = ", ".join(f"{noun} {number:,}" for noun, number in found["kept"].items())
    files = found["files"]
    screen.show(f"{what}: {counted(files, 'file')}, {found['bytes']:,} bytes")
    for digest in found["digests"][:SHOWN]:
        screen.show(f"  {digest}")
    if files > SHOWN:
        screen.show(f"  and {files - SHOWN:,} more")
    screen.show(f"too new to say: {found['young']}; kept, since events name them: {kept or 'none'}")
