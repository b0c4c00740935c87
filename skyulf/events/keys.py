"""The keys that sign checkpoints: a log's, which may be followed by others that it introduces, and witnesses'. Pure.

All are of Ed25519, written as C2SP signed-note has it. A log keeps its name; who knows one of its keys believes every
later one, since each was signed by the one before: the introductions stand in each checkpoint.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from skyulf.errors import Invalid
from skyulf.events.ledger import HASH

SIGNED, COSIGNED = 1, 4
"""The kinds of signature: over the text, and over the text with a time."""

STAMP = 8
"""Bytes of the time before a cosignature."""

PRIVATE = "PRIVATE+KEY"

INTRODUCES = "key"
"""The first word of a line of a checkpoint that introduces a key."""


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
    """The private key of a log or a witness; its text form is that of a note's signer, ``PRIVATE+KEY+…``.

    A key that took the place of another knows the ``first`` one, and how each introduced the next.
    """

    def __init__(
        self, name: str, seed: bytes, first: PublicKey | None = None, introductions: tuple[str, ...] = ()
    ) -> None:
        from nacl.signing import SigningKey as Ed25519Key  # takes memory: only who signs

        need_name(name)
        self.name = name
        self._seed = seed
        self._key = Ed25519Key(seed)
        self.first = first or self.public
        self.introductions = introductions

    @property
    def public(self) -> PublicKey:
        """What verifies its signatures over a text."""
        return PublicKey(self.name, bytes(self._key.verify_key))

    def secret_text(self) -> str:
        """The key as a file holds it, without a line feed at the end; for that file alone.

        One that took the place of another is followed by the first key and the introductions, a line each.
        """
        kind_and_seed = b64encode(bytes([SIGNED]) + self._seed).decode()
        lines = [f"{PRIVATE}+{self.name}+{self.public.key_id.hex()}+{kind_and_seed}"]
        return "\n".join([*lines, str(self.first), *self.introductions] if self.introductions else lines)

    def successor(self, seed: bytes) -> "SigningKey":
        """A key that takes the place of this one, which introduces it."""
        public = SigningKey(self.name, seed).public
        signature = self.sign(introduced(public))
        line = f"{INTRODUCES} {public} {b64encode(signature.key_id + signature.signature).decode()}"
        return SigningKey(self.name, seed, self.first, (*self.introductions, line))

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


def introduced(key: PublicKey) -> str:
    """What the key before it signs to introduce a key."""
    return f"skyulf-key-introduction/v1\n{key.name}\n{key}\n"


def chain_from(key: PublicKey, introductions: Sequence[str]) -> tuple[PublicKey, ...]:
    """The key, and all that it introduced, itself or through others; introductions by other keys are passed over.

    Raises `Invalid` where a line is no introduction.
    """
    chain = [key]
    for line in introductions:
        try:
            _, text, encoded = line.split(" ")
            signature = b64decode(encoded, validate=True)
        except ValueError:
            raise Invalid(f"a key is introduced by a line of three words: {INTRODUCES} KEY SIGNATURE") from None
        following = parse_key(text)
        message = introduced(following).encode()
        by = next((each for each in chain if each.key_id == signature[:4]), None)
        if by is not None and following.name == key.name and verifies(by, signature[4:], message):
            chain.append(following)
    return tuple(chain)


def need_name(name: str) -> None:
    """Raise `Invalid` unless a key may have this name."""
    if not name or not name.isprintable() or len(name) > 200 or any(sign.isspace() or sign == "+" for sign in name):
        raise Invalid("the name of a key, which is a log's origin, is 1 to 200 signs without blanks and +")


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
    line, *chain = text.strip().split("\n")
    if not line.startswith(f"{PRIVATE}+"):
        raise Invalid(expected)
    name, kind, seed = _named(line.removeprefix(f"{PRIVATE}+"), expected)
    key = SigningKey(name, seed, parse_key(chain[0]) if chain else None, tuple(chain[1:]))
    if kind != SIGNED or key.secret_text() != text.strip():
        raise Invalid(expected)
    if chain_from(key.first, key.introductions)[-1] != key.public:
        raise Invalid(
            "the lines after the key do not introduce it, each by the key before it: a line is lost, or changed"
        )
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


def verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether a signature over a message is the key's."""
    from nacl.exceptions import CryptoError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(key.raw).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True
