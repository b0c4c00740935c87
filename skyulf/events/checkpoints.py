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
from hashlib import sha256

from skyulf.errors import Damaged, Invalid
from skyulf.events.ledger import HASH

SIGNED, COSIGNED = 1, 4
"""The kinds of signature: over the text, and over the text with a time."""

STAMP = 8
"""Bytes of the time before a cosignature."""

LONGEST_NOTE = 1 << 16
MOST_SIGNATURES = 100

PRIVATE = "PRIVATE+KEY"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: the tree over its first ``size`` events has this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a note: whose, by the name and the id of the key, and its bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The signature as a line of a note."""
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of which has been verified."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(signature.line() for signature in self.signatures)}"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key that verifies a signer's signatures of one kind; ``name`` is the origin, where it is a log's."""

    name: str
    raw: bytes
    kind: int = SIGNED

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell its signatures from others'."""
        return sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.raw).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.raw).decode()}"

    def of_kind(self, kind: int) -> "PublicKey":
        """The same key for signatures of another kind."""
        return PublicKey(self.name, self.raw, kind)


class SigningKey:
    """The private key of a log or a witness; its text form is that of a note's signer, ``PRIVATE+KEY+…``."""

    def __init__(self, name: str, seed: bytes) -> None:
        from nacl.signing import SigningKey as Ed25519Key  # takes memory: only who signs

        need_name(name)
        self.name = name
        self._seed = seed
        self._key = Ed25519Key(seed)

    @property
    def public(self) -> PublicKey:
        """What verifies its signatures over a text."""
        return PublicKey(self.name, bytes(self._key.verify_key))

    def secret_text(self) -> str:
        """The key as a line of a file; for that file alone."""
        kind_and_seed = b64encode(bytes([SIGNED]) + self._seed).decode()
        return f"{PRIVATE}+{self.name}+{self.public.key_id.hex()}+{kind_and_seed}"

    def sign(self, text: str) -> Signature:
        """Sign a text."""
        return Signature(self.name, self.public.key_id, self._key.sign(text.encode()).signature)

    def cosign(self, text: str, at: datetime) -> Signature:
        """Say that at this time the text was seen to be right; of a time, whole seconds are kept."""
        seconds = int(at.timestamp())
        signature = self._key.sign(stamped(text, seconds)).signature
        return Signature(self.name, self.public.of_kind(COSIGNED).key_id, seconds.to_bytes(STAMP, "big") + signature)


def stamped(text: str, seconds: int) -> bytes:
    """What a cosignature is made over."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def need_name(name: str) -> None:
    """Raise `Invalid` unless a key may have this name."""
    if not name or not name.isprintable() or len(name) > 200 or any(sign.isspace() or sign == "+" for sign in name):
        raise Invalid("the name of a key, which is a log's origin, is 1 to 200 signs without blanks and +")


def signed(checkpoint: Checkpoint, key: SigningKey, at: datetime) -> str:
    """The checkpoint as a note, signed by the log, which also says when."""
    text = checkpoint.text()
    return str(Note(text, (key.sign(text), key.cosign(text, at))))


# Reading


def parse_key(text: str) -> PublicKey:
    """The public key that a text holds: ``NAME+ID+KEY``; raises `Invalid`."""
    expected = "a public key is one line: NAME+ID+KEY, as skyulf audit key shows it"
    name, kind, raw = _named(text.strip(), expected)
    if text.strip().startswith(f"{PRIVATE}+"):
        raise Invalid(f"this is a private key, which nobody but the signer should have; {expected}")
    key = PublicKey(name, raw, kind)
    if str(key) != text.strip() or kind not in (SIGNED, COSIGNED):
        raise Invalid(f"the id of the key does not fit it, or it is of another kind; {expected}")
    return key


def parse_signing_key(text: str) -> SigningKey:
    """The private key that a file holds; raises `Invalid`, which never tells what it holds."""
    expected = "a signing key is one line that begins with PRIVATE+KEY+, as skyulf audit key makes it"
    text = text.strip()
    if not text.startswith(f"{PRIVATE}+"):
        raise Invalid(expected)
    name, kind, seed = _named(text.removeprefix(f"{PRIVATE}+"), expected)
    key = SigningKey(name, seed)
    if kind != SIGNED or key.secret_text() != text:
        raise Invalid(expected)
    return key


def _named(text: str, expected: str) -> tuple[str, int, bytes]:
    """The name, the kind and the 32 bytes of a key's text."""
    try:
        name, _, encoded = text.split("+", 2)
        decoded = b64decode(encoded, validate=True)
    except ValueError:
        raise Invalid(expected) from None
    if len(decoded) != 1 + HASH:
        raise Invalid(expected)
    need_name(name)
    return name, decoded[0], decoded[1:]


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
    expected = "a checkpoint is three lines: origin, size and root"
    origin, _, rest = text.partition("\n")
    size, _, rest = rest.partition("\n")
    root, _, rest = rest.partition("\n")
    try:
        decoded = b64decode(root, validate=True)
    except ValueError:
        raise Invalid(expected) from None
    whole = size.isascii() and size.isdecimal() and len(size) < 20 and str(int(size)) == size
    if not origin or not whole or len(decoded) != HASH or rest:
        raise Invalid(expected)
    return Checkpoint(origin, int(size), decoded)


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose log's signature holds: when the log signed it, and which witnesses did, and when."""

    checkpoint: Checkpoint
    signed_at: datetime | None
    witnesses: tuple[tuple[str, datetime], ...] = ()


def opened(text: str, key: PublicKey, witnesses: Sequence[PublicKey] = ()) -> Opened:
    """The checkpoint of a note that the log has signed.

    Raises `Invalid` when the note is of another log, or not signed by its key, and `Damaged` when a signature that
    names a known key is not of that key.
    """
    note = parse_note(text)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise Invalid(f"the checkpoint is of the log {checkpoint.origin}, and the key of {key.name}")
    if not any(_holds(note, signature, key.of_kind(SIGNED)) for signature in note.signatures):
        raise Invalid(
            f"the checkpoint is not signed by the key {key}: it is signed by "
            + ", ".join(f"{each.name}+{each.key_id.hex()}" for each in note.signatures)
        )
    times = [_time_of(note, each, key.of_kind(COSIGNED)) for each in note.signatures]
    seen = [(w.name, at) for w in witnesses for each in note.signatures if (at := _time_of(note, each, w)) is not None]
    return Opened(checkpoint, next((at for at in times if at is not None), None), tuple(seen))


def _holds(note: Note, signature: Signature, key: PublicKey) -> bool:
    """Whether a signature is the key's over the note's text; raises `Damaged` when it only says so."""
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        return False
    _verify(key, signature.signature, note.text.encode())
    return True


def _time_of(note: Note, signature: Signature, key: PublicKey) -> datetime | None:
    """When the key's owner cosigned the note, if the signature is that; raises `Damaged` when it only says so."""
    if (signature.name, signature.key_id) != (key.name, key.key_id) or key.kind != COSIGNED:
        return None
    seconds = int.from_bytes(signature.signature[:STAMP], "big")
    _verify(key, signature.signature[STAMP:], stamped(note.text, seconds))
    return datetime.fromtimestamp(seconds, UTC)


def _verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(key.raw).verify(message, signature)
    except CryptoError:
        raise Damaged(f"a signature of {key.name} does not hold: the checkpoint has been changed") from None
