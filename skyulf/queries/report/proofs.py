"""What proves a report: each event as it stands in the log, with the path from it to a signed checkpoint."""

from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from skyulf.errors import NotAllowed, NotFound
from skyulf.events.base import Recorded
from skyulf.events.checkpoints import opened, parse_checkpoint, parse_note
from skyulf.events.keys import parse_key
from skyulf.events.ledger import canonical, includes, leaf_hash
from skyulf.events.ledger_store import Kept
from skyulf.queries.audit import AuditService
from skyulf.queries.report.sections import moment

Entry = dict[str, Any]


def proved(audit: AuditService, events: Iterable[Recorded], now: datetime) -> dict[str, Any]:
    """The events with their proofs under the newest checkpoint; what cannot be proved is named by its position.

    An event whose line is not the one that was sealed, or whose path does not lead to the root, is ``changed``.
    """
    try:
        kept: Kept | None = audit.newest()
    except NotFound:
        kept = None
    entries = [_entry(audit, kept, recorded) for recorded in events]
    unsealed = audit.unsealed(now)
    return {
        "checkpoint": kept and _checkpoint(audit, kept),
        "unsealed": {"events": unsealed.events, "seconds": round(unsealed.seconds, 3)},
        "proved": sum("path" in each for each in entries),
        "not_covered": [each["position"] for each in entries if "path" not in each],
        "changed": [each["position"] for each in entries if each.pop("changed", False)],
        "events": entries,
    }


def _checkpoint(audit: AuditService, kept: Kept) -> dict[str, Any]:
    found = opened(kept.note, parse_key(kept.key))
    return {
        "origin": found.checkpoint.origin,
        "size": kept.size,
        "position": audit.covered_position(kept),
        "root": _text(found.checkpoint.root),
        "signed_at": moment(found.signed_at),
        "key": kept.key,
        "note": kept.note,
    }


def _entry(audit: AuditService, kept: Kept | None, recorded: Recorded) -> Entry:
    """An event's line as an export has it, and how it is proved, if it is."""
    line = canonical(recorded)
    entry: Entry = {"position": recorded.position, "line": line.decode()}
    if kept is None:
        return entry
    try:
        proof = audit.inclusion(recorded.position, kept.size)
    except NotAllowed:  # newer than the checkpoint
        return entry
    except NotFound:  # an event stands where none was sealed
        return {**entry, "changed": True}
    root = parse_checkpoint(parse_note(kept.note).text).root
    leaf = leaf_hash(line)
    holds = includes(root, kept.size, leaf, proof.index, proof.path)
    return {**entry, "index": proof.index, "path": [_text(each) for each in proof.path], "changed": not holds}


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
