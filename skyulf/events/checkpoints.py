"""Signed checkpoints: what a log says of its tree, in the form that every C2SP tool reads. Pure.

A checkpoint is three lines: the log's origin, the tree's size and its root (C2SP tlog-checkpoint). It travels as a note
with signatures (signed-note), each of Ed25519: the log's own over the text, and statements over the text and a time
(tlog-cosignature, version 1), by the log itself, which so tells when it signed, and by witnesses. Whoever reads a
note passes over signatures of keys that it does not know.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from skyulf.errors import Damaged, Invalid
from skyulf.events.keys import (
    COSIGNED,
    INTRODUCES,
    SIGNED,
    STAMP,
    PublicKey,
    Signature,
    SigningKey,
    chain_from,
    stamped,
    verifies,
)
from skyulf.events.ledger import HASH

LONGEST_NOTE = 1 << 16
MOST_SIGNATURES = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: the tree over its first ``size`` events has this root.

    Lines of ``introductions`` lead from the log's first key to the one that signs (`keys.chain_from`).
    """

    origin: str
    size: int
    root: bytes
    introductions: tuple[str, ...] = ()

    def text(self) -> str:
        """The lines that are signed."""
        return "\n".join([self.origin, str(self.size), b64encode(self.root).decode(), *self.introductions, ""])


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of which has been verified."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"


def signed(checkpoint: Checkpoint, key: SigningKey, at: datetime) -> str:
    """The checkpoint as a note, signed by the log, which also says when."""
    text = checkpoint.text()
    return str(Note(text, (key.sign(text), key.cosign(text, at))))


# Reading


def parse_note(text: str) -> Note:
    """The text and the signatures of a note; raises `Invalid` where it is none."""
    expected = "a signed checkpoint is a text, an empty line and lines that begin with —"
    body, parted, rest = text.rpartition("\n\n")
    lines = rest.split("\n")
    if len(text) > LONGEST_NOTE or not parted or lines.pop() or not 0 < len(lines) <= MOST_SIGNATURES:
        raise Invalid(expected)
    signatures = []
    for line in lines:
        try:
            dash, name, encoded = line.split(" ")
            decoded = b64decode(encoded, validate=True)
        except ValueError:
            raise Invalid(expected) from None
        if dash != "—" or not name or len(decoded) < 5:
            raise Invalid(expected)
        signatures.append(Signature(name, decoded[:4], decoded[4:]))
    return Note(f"{body}\n", tuple(signatures))


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that the text of a note holds; raises `Invalid`. Nothing is verified."""
    expected = "a checkpoint is three lines, origin, size and root, and one for each key that took another's place"
    origin, _, rest = text.partition("\n")
    size, _, rest = rest.partition("\n")
    root, _, rest = rest.partition("\n")
    introductions = tuple(rest.removesuffix("\n").split("\n")) if rest else ()
    fit = (rest.endswith("\n") or not rest) and all(line.startswith(f"{INTRODUCES} ") for line in introductions)
    try:
        decoded = b64decode(root, validate=True)
    except ValueError:
        raise Invalid(expected) from None
    whole = size.isascii() and size.isdecimal() and len(size) < 20 and str(int(size)) == size
    if not origin or not whole or len(decoded) != HASH or not fit:
        raise Invalid(expected)
    return Checkpoint(origin, int(size), decoded, introductions)


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose log's signature holds: when the log signed it, and which witnesses did, and when."""

    checkpoint: Checkpoint
    signed_at: datetime | None
    witnesses: tuple[tuple[str, datetime], ...] = ()


def opened(text: str, key: PublicKey, witnesses: Sequence[PublicKey] = ()) -> Opened:
    """The checkpoint of a note that the log has signed, by this key or one that it introduced.

    Raises `Invalid` when the note is of another log, or not signed by its key, and `Damaged` when a signature that
    names a known key is not of that key.
    """
    note = parse_note(text)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise Invalid(f"the checkpoint is of the log {checkpoint.origin}, and the key of {key.name}")
    chain = chain_from(key.of_kind(SIGNED), checkpoint.introductions)
    if not any(_holds(note, signature, each) for each in chain for signature in note.signatures):
        raise Invalid(
            f"the checkpoint is not signed by the key {key}, nor by one that it introduced: it is signed by "
            + ", ".join(f"{each.name}+{each.key_id.hex()}" for each in note.signatures)
        )
    times = [_time_of(note, each, of_log.of_kind(COSIGNED)) for of_log in chain for each in note.signatures]
    seen = [(w.name, at) for w in witnesses for each in note.signatures if (at := _time_of(note, each, w)) is not None]
    return Opened(checkpoint, next((at for at in times if at is not None), None), tuple(seen))


def _holds(note: Note, signature: Signature, key: PublicKey) -> bool:
    """Whether a signature is the key's over the note's text; raises `Damaged` when it only says so."""
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        return False
    _need_verified(key, signature.signature, note.text.encode())
    return True


def _time_of(note: Note, signature: Signature, key: PublicKey) -> datetime | None:
    """When the key's owner cosigned the note, if the signature is that; raises `Damaged` when it only says so."""
    if (signature.name, signature.key_id) != (key.name, key.key_id) or key.kind != COSIGNED:
        return None
    seconds = int.from_bytes(signature.signature[:STAMP], "big")
    _need_verified(key, signature.signature[STAMP:], stamped(note.text, seconds))
    return datetime.fromtimestamp(seconds, UTC)


def _need_verified(key: PublicKey, signature: bytes, message: bytes) -> None:
    if not verifies(key, signature, message):
        raise Damaged(f"a signature of {key.name} does not hold: the checkpoint has been changed")
