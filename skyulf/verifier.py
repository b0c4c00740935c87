"""Checks an export of a Skyulf log without Skyulf, without the server, and without trust in whoever runs it.

    python verifier.py EXPORT --key KEY [--checkpoint FILE]... [--witness KEY]...

EXPORT is what ``skyulf events export`` wrote, with EXPORT.ledger beside it; KEY the log's public key, or a file with
it, from elsewhere than the export; a FILE is a checkpoint that you or a witness kept. It ends with 0 when every event
that the newest checkpoint covers is what was sealed, with 1 when one is not, and with 2 when that cannot be told. This
file is all there is to read: it needs ``cryptography`` and shares no code with Skyulf. A leaf is the hash of a line of
the export (RFC 6962, 2.1: SHA-256 of a zero byte and the line); the tree over the leaves has the root that a checkpoint
names, which is signed with Ed25519 (C2SP signed-note and tlog-cosignature) by KEY, or one that it introduced there.
"""

import argparse
import base64
import json
import sys
from datetime import UTC, datetime
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG, WITNESS = 1, 4  # kinds of signatures: over the text of a checkpoint, and over a time and that text
Key = tuple[str, bytes]  # its name, which is the origin of the log that it signs, and its 32 bytes
Checkpoint = tuple[int, bytes, str, dict[str, str]]  # size, root, when it was signed, witnesses and when


class CannotTellError(Exception):
    """Why nothing can be said of an export; the text names what was expected."""


def read_key(text: str, kind: int) -> Key:
    """A public key, given as NAME+ID+KEY or as a file that holds that."""
    try:
        name, key_id, encoded = (text if "+" in text else Path(text).read_text()).strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        if len(raw) != 33 or raw[0] != kind or key_id != sha256(f"{name}\n".encode() + raw).hexdigest()[:8]:
            raise ValueError
        return name, raw[1:]
    except ValueError:
        raise CannotTellError(f"{text[:99]!r}: expected a public key of kind {kind}, NAME+ID+KEY or a file") from None


def signed_at(text: str, signatures: str, key: Key, kind: int) -> str | None:
    """When the key signed a text, empty where it does not say when; None when it did not sign at all."""
    key_id = sha256(f"{key[0]}\n".encode() + bytes([kind]) + key[1]).digest()[:4]
    for _, signer, encoded in (line.split(" ") for line in signatures.splitlines()):
        blob = base64.b64decode(encoded, validate=True)
        if (signer, blob[:4]) == (key[0], key_id):
            seconds = int.from_bytes(blob[4:12], "big")
            signed = (blob[4:], text) if kind == LOG else (blob[12:], f"cosignature/v1\ntime {seconds}\n{text}")
            try:
                Ed25519PublicKey.from_public_bytes(key[1]).verify(signed[0], signed[1].encode())
            except InvalidSignature:
                raise CannotTellError(f"a signature of {key[0]} does not hold: the checkpoint was changed") from None
            return "" if kind == LOG else datetime.fromtimestamp(seconds, UTC).isoformat()
    return None


def open_checkpoint(note: str, key: Key, witnesses: list[Key]) -> Checkpoint:
    """What a checkpoint says, if the log's key has signed it, or one that this introduced."""
    try:
        body, _, signatures = note.rpartition("\n\n")
        origin, size, root, *introductions = body.split("\n")
        if origin != key[0]:
            raise CannotTellError(f"a checkpoint is of the log {origin}: expected {key[0]}, whose key was given")
        keys = [key]
        for _, following, signature in (line.split(" ") for line in introductions):
            message = f"skyulf-key-introduction/v1\n{origin}\n{following}\n"
            if any(signed_at(message, f"— {origin} {signature}", each, LOG) is not None for each in keys):
                keys.append(read_key(following, LOG))
        if all(signed_at(f"{body}\n", signatures, each, LOG) is None for each in keys):
            raise CannotTellError(f"the checkpoint of {size} events is not signed by the key given for {origin}")
        times = [(each[0], signed_at(f"{body}\n", signatures, each, WITNESS)) for each in [*keys, *witnesses]]
        when = next((at for _, at in times[: len(keys)] if at), "")
        return int(size), base64.b64decode(root, validate=True), when, {n: at for n, at in times[len(keys) :] if at}
    except ValueError:
        raise CannotTellError("this is no checkpoint: expected origin, size, root, and signatures") from None


def read_ledger(path: Path) -> tuple[list[tuple[int, bytes]], list[str]]:
    """What EXPORT.ledger holds: a leaf for each event, with its position, and checkpoints as they were signed."""
    try:
        entries = [json.loads(line) for line in path.read_bytes().splitlines()]
        leaves = [(int(e["position"]), base64.b64decode(e["leaf"], validate=True)) for e in entries if "leaf" in e]
        return leaves, [str(entry["checkpoint"]) for entry in entries if "checkpoint" in entry]
    except (OSError, ValueError, TypeError, KeyError):
        raise CannotTellError(f"{path} is not there, or cut: expected a leaf or a checkpoint in each line") from None


class Check:
    """Holds the events of an export against leaves, and those against checkpoints."""

    def __init__(self, leaves: list[tuple[int, bytes]]) -> None:
        self.leaves, self.events, self.at, self.last = leaves, 0, 0, -(2**63)
        self.faults, self.versions, self.ids = list[dict[str, Any]](), dict[str, int](), set[str]()

    def fault(self, position: int, kind: str, detail: str, until: int | None = None) -> None:
        """Note what is wrong, and where."""
        self.faults.append({"position": position, "until": until or position, "kind": kind, "detail": detail})

    def ledger(self, checkpoints: list[Checkpoint]) -> None:
        """Hold the leaves against checkpoints, the smallest first; nothing else makes them believed."""
        subtrees, good, size = list[bytes](), 0, 0  # the roots of whole subtrees, the largest first
        for size, (position, subtree) in enumerate(self.leaves, start=1):
            ends = size
            while ends % 2 == 0:
                subtree, ends = sha256(b"\x01" + subtrees.pop() + subtree).digest(), ends // 2
            subtrees.append(subtree)
            while checkpoints and checkpoints[0][0] == size:
                root = reduce(lambda right, left: sha256(b"\x01" + left + right).digest(), reversed(subtrees))
                if root != checkpoints.pop(0)[1]:
                    self.fault(good + 1, "checkpoint", f"the one of {size} events says otherwise", position)
                    checkpoints.clear()
                good = position
        if checkpoints:
            self.fault(good + 1, "checkpoint", f"a checkpoint covers {checkpoints[0][0]} events, the ledger has {size}")

    def event(self, line: bytes) -> None:
        """Hold the next line of the export against the next leaf."""
        self.events += 1
        try:
            event = json.loads(line)
            position, stream = int(event["position"]), str(event["subject"])
            version, event_id = int(event["streamversion"]), str(event["id"])
        except (ValueError, TypeError, KeyError):
            where = self.leaves[self.at][0] if self.at < len(self.leaves) else max(self.last, 0) + 1
            self.fault(where, "unreadable", f"line {self.events} is not an event, or is cut")
            return
        if position <= self.last:
            self.fault(position, "order", f"position {position} does not rise above {self.last}")
            return
        self.missing_below(position)
        if version != self.versions.get(stream, 0) + 1 or event_id in self.ids:
            self.fault(position, "version", f"{stream} continues with version {version}, or an id is used again")
        self.last, self.versions[stream] = position, version
        self.ids.add(event_id)
        if self.at < len(self.leaves) and self.leaves[self.at][0] != position:
            self.fault(position, "inserted", "no event was sealed at this position, though later ones were")
        elif self.at < len(self.leaves):
            if sha256(b"\x00" + line.rstrip(b"\n")).digest() != self.leaves[self.at][1]:
                self.fault(position, "changed", "the event is not the one that was sealed")
            self.at += 1

    def missing_below(self, position: int | None) -> None:
        """Pass over leaves whose events are not there."""
        first = self.at
        while self.at < len(self.leaves) and (position is None or self.leaves[self.at][0] < position):
            self.at += 1
        if gone := self.leaves[first : self.at]:
            self.fault(gone[0][0], "missing", f"sealed and not there: {len(gone)}", gone[-1][0])


def verify(export: str, key: str, checkpoint: list[str], witness: list[str]) -> dict[str, Any]:
    """What is known of an export; of the events that are ``unsealed``, nothing is proved. Raises CannotTellError."""
    leaves, notes = read_ledger(Path(f"{export}.ledger"))
    if not notes and not checkpoint:
        raise CannotTellError("nothing in this export is sealed: expected a checkpoint in its ledger, or --checkpoint")
    log, others = read_key(key, LOG), [read_key(text, WITNESS) for text in witness]
    own = [open_checkpoint(note, log, others) for note in notes]
    held = [open_checkpoint(Path(file).read_text(), log, others) for file in checkpoint]
    newest = max([*own, *held], key=lambda each: (each[0], len(each[3])))
    check = Check(leaves)
    for each in (own, held):  # each by itself: whoever has the key can sign another history, which agrees with itself
        check.ledger(sorted(each, key=lambda one: one[0]))
    with Path(export).open("rb") as lines:
        for line in lines:
            check.event(line)
    check.missing_below(None)
    covered = min(newest[0], len(leaves))
    return {
        "verified": covered > 0 and not check.faults, "origin": log[0], "events": check.events, "covered": covered,
        "position": leaves[covered - 1][0] if covered else 0, "unsealed": max(0, check.events - covered),
        "size": newest[0], "signed_at": newest[2], "witnesses": newest[3],
        "faults": sorted(check.faults, key=lambda each: each["position"]),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Check what the command line names, and say what is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export")
    parser.add_argument("--key", required=True)
    for option in ("--checkpoint", "--witness"):
        parser.add_argument(option, action="append", default=[])
    try:
        verdict = verify(**vars(parser.parse_args(arguments)))
    except (CannotTellError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"cannot be verified: {error}\n")
        return 2
    sys.stdout.write(json.dumps(verdict, indent=2, ensure_ascii=False) + "\n")
    return 0 if verdict["verified"] else 1


if __name__ == "__main__":
    sys.exit(main())
