"""``skyulf audit``: verifying a log or an export, checkpoints, proofs, and the key that signs."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skyulf.cli.client import connected
from skyulf.cli.owner import owner_of
from skyulf.cli.screen import Screen, Unverifiable, UsageError, counted, table
from skyulf.cli.train_view import labelled
from skyulf.errors import Damaged, Invalid, NotFound
from skyulf.events.checkpoints import parse_checkpoint, parse_note
from skyulf.events.keys import parse_key
from skyulf.events.ledger import extends, includes
from skyulf.queries.audit import Verdict
from skyulf.runtime import Runtime, auditing, in_postgres, log_key, rotate_key
from skyulf.runtime.beside import LogKey
from skyulf.settings import Settings

SHOWN = 20
"""Faults that are shown to a person; a program is given them all."""


def verify_log(
    screen: Screen, settings: Settings, key: str | None, held: Sequence[Path], witnesses: Sequence[str]
) -> bool:
    """Hold the log against its checkpoints and those that were kept elsewhere; whether nothing was found."""
    with auditing(settings) as (log, _, audit):
        try:
            given = None if key is None else parse_key(text_of_key(key))
            others = [parse_key(text_of_key(witness)) for witness in witnesses]
            notes = [checkpoint_in(file) for file in held]
            with screen.bar("verifying", log.head()) as move:
                verdict = audit.verify(given, notes, others, move)
        except (NotFound, Invalid, Damaged) as error:
            raise Unverifiable(error.detail) from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"what was named cannot be read: {error}") from error
    told = document_of(verdict)
    screen.document(told)
    show_verdict(screen, told)
    if given is None and verdict.fine:
        screen.note(
            "the key is the one that the ledger itself names: this shows that the log agrees with itself. To hold it "
            "against what you know, give --key, and --checkpoint with one that was kept elsewhere",
            style="yellow",
        )
    return verdict.fine


def text_of_key(text: str) -> str:
    """A public key as it was given: itself, or a file with it; raises `UsageError`."""
    if "+" not in text and not Path(text).is_file():
        raise UsageError(f"{text} is neither a public key, NAME+ID+KEY, nor a file with one")
    return text if "+" in text else Path(text).read_text()


def checkpoint_in(file: Path) -> str:
    """The note that a file holds; raises `Unverifiable` where it holds none."""
    note = file.read_text()
    try:
        parse_checkpoint(parse_note(note).text)
    except Invalid as error:
        raise Unverifiable(f"{file} holds no checkpoint: {error.detail}") from error
    return note


def document_of(verdict: Verdict) -> dict[str, Any]:
    """A verdict in the form that the offline verifier gives it."""
    result, newest = verdict.examination, verdict.newest
    age = (datetime.now(UTC) - result.oldest).total_seconds() if result.oldest else 0.0
    return {
        "verified": verdict.fine,
        "origin": newest.checkpoint.origin,
        "key": str(verdict.key),
        "events": result.events,
        "covered": result.covered,
        "size": newest.checkpoint.size,
        "position": result.position,
        "signed_at": newest.signed_at.isoformat() if newest.signed_at else "",
        "witnesses": {name: at.isoformat() for name, at in newest.witnesses},
        "checkpoints": verdict.compared,
        "unsealed": result.unsealed,
        "unsealed_seconds": round(max(0.0, age), 3),
        "faults": [
            {"position": each.position, "until": each.until, "kind": each.kind, "detail": each.detail}
            for each in result.findings
        ],
    }


def verify_export(screen: Screen, file: Path, key: str | None, held: Sequence[Path], witnesses: Sequence[str]) -> bool:
    """Check an export by the verifier that stands alone; whether nothing was found."""
    from skyulf import verifier

    if key is None:
        raise UsageError("--key KEY: an export is checked with the log's public key; skyulf audit key shows it")
    for each in (key, *witnesses):
        text_of_key(each)
    try:
        for note in held:
            checkpoint_in(note)
        with screen.busy("verifying"):
            told = verifier.verify(str(file), key, [str(each) for each in held], list(witnesses))
    except verifier.CannotTellError as error:
        raise Unverifiable(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"what was named cannot be read: {error}") from error
    screen.document(told)
    show_verdict(screen, told)
    return bool(told["verified"])


def show_verdict(screen: Screen, told: Mapping[str, Any]) -> None:
    """Tell a person what a verdict says, and of what it says nothing."""
    faults = told["faults"]
    if faults:
        screen.show(f"NOT as it was sealed: {counted(len(faults), 'fault')} in {counted(told['events'], 'event')}")
        made = table("position", "what", "detail", right=("position",))
        for fault in faults[:SHOWN]:
            place = str(fault["position"])
            if fault["until"] != fault["position"]:
                place += f"–{fault['until']}"
            made.add_row(place, fault["kind"], fault["detail"])
        screen.show(made)
        if len(faults) > SHOWN:
            screen.show(f"and {len(faults) - SHOWN} more; --json has them all")
    else:
        screen.show(
            f"{counted(told['covered'], 'event')}, up to position {told['position']:,}, are as they were sealed"
        )
    by = ", ".join([told["origin"], *told["witnesses"]])
    screen.show(f"by the checkpoint of {counted(told['size'], 'event')}, signed {told['signed_at']} by {by}")
    if told["unsealed"]:
        why = "are not sealed yet" if told["size"] <= told["covered"] else "could be held against nothing"
        screen.show(f"{counted(told['unsealed'], 'event')} after that {why}: nothing is proved of them")


def show_checkpoint(screen: Screen, settings: Settings, output: Path | None) -> None:
    """Show the newest checkpoint, and keep it in a file; without a server, one is signed of all there is."""
    alone = not in_postgres(settings) and owner_of(settings) is None
    with auditing(settings), connected(screen, settings, seal_all if alone else nothing) as client:
        found = client.get("/v1/audit/checkpoint")
    if output is not None:
        try:
            output.write_text(found["note"])
        except OSError as error:
            raise UsageError(f"{output} cannot be written ({error.strerror})") from error
    screen.document(found)
    screen.show(
        labelled("log", found["origin"]),
        labelled("events", f"{found['size']:,}, up to position {found['position']:,}"),
        labelled("root", found["root"]),
        labelled("signed", str(found["signed_at"])),
        labelled("key", found["key"]),
    )
    if found["unsealed"]["events"]:
        screen.show(f"{counted(found['unsealed']['events'], 'event')} after that are not sealed yet")
    screen.note(f"kept in {output}" if output else "keep it where the log's operator cannot change it: --output FILE")


def seal_all(runtime: Runtime) -> None:
    """Seal and sign all there is."""
    if runtime.sealer is not None:
        runtime.sealer.seal(sign=True)


def nothing(_runtime: Runtime) -> None:
    """Looking starts no role."""


def show_inclusion(screen: Screen, settings: Settings, position: int) -> None:
    """Show the proof that an event is under the newest checkpoint, once it has been seen to hold."""
    with auditing(settings), connected(screen, settings, nothing) as client:
        proof = client.get("/v1/audit/proofs/inclusion", position=position)
    checkpoint = parse_checkpoint(parse_note(proof["note"]).text)
    path = [b64decode(each) for each in proof["path"]]
    if not includes(checkpoint.root, checkpoint.size, b64decode(proof["leaf"]), proof["index"], path):
        raise Damaged(f"the proof for position {position} does not hold: the ledger is damaged")
    screen.document(proof)
    screen.show(
        f"the event at position {position:,} is number {proof['index'] + 1:,} of the {checkpoint.size:,} under the "
        f"checkpoint with the root {proof['root']}"
    )
    screen.show(labelled("leaf", proof["leaf"]), *(labelled("path", each) for each in proof["path"]))


def show_consistency(screen: Screen, settings: Settings, size: int, later: int | None) -> None:
    """Show the proof that the log only grew between two sizes, once it has been seen to hold."""
    with auditing(settings), connected(screen, settings, nothing) as client:
        params = {"from": size} if later is None else {"from": size, "to": later}
        proof = client.get("/v1/audit/proofs/consistency", **params)
    path = [b64decode(each) for each in proof["path"]]
    roots = b64decode(proof["from_root"]), b64decode(proof["to_root"])
    if not extends(proof["from_size"], roots[0], proof["to_size"], roots[1], path):
        raise Damaged("the proof does not hold: the ledger is damaged")
    screen.document(proof)
    screen.show(f"the log of {proof['to_size']:,} events begins with that of {proof['from_size']:,}")
    screen.show(
        labelled("from", proof["from_root"]),
        labelled("to", proof["to_root"]),
        *(labelled("path", each) for each in proof["path"]),
    )


def show_key(screen: Screen, settings: Settings, origin: str | None) -> None:
    """Show the public key that verifies checkpoints, and make the key where there is none."""
    try:
        key = log_key(settings, origin)
    except Invalid as error:
        raise UsageError(error.detail) from error
    if origin is not None and key.first.name != origin:
        raise UsageError(f"{key.path} is the key of {key.first.name}; a log keeps its name")
    tell_key(screen, key)
    screen.note(f"the private key {'was made' if key.made else 'is'} in {key.path}; give this line to whoever verifies")


def tell_key(screen: Screen, key: LogKey) -> None:
    """Show the log's first key, and the one that signs now where that is another."""
    first, signs = str(key.first), str(key.signs)
    told = {"key": first, "signs": signs, "origin": key.first.name, "file": str(key.path), "made": key.made}
    screen.document(told)
    screen.show(first)
    if signs != first:
        screen.show(labelled("signs", signs))


def change_key(screen: Screen, settings: Settings, output: Path | None) -> None:
    """Let a new key take the place of the log's, which introduces it."""
    key = rotate_key(settings, output)
    tell_key(screen, key)
    screen.note(
        f"the private key is in {key.path}{', and the one before it is gone' if output is None else ''}. Every "
        "process that seals this log needs this file; the next checkpoint is signed with it. Who has an earlier key "
        "need not be told: each checkpoint shows that it introduced this one"
    )
