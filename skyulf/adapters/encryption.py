"""How an artifact is encrypted: AES-256-GCM, piece by piece, so that none has to fit into memory.

A file is `MAGIC`, random bytes, and pieces of `PIECE` bytes, the last one shorter or empty, each with a tag of 16. The
key of the file is derived from the dataset's by these random bytes and the digest of the content (BLAKE2b), and so
encrypts nothing else: the nonce can be the piece's number, with a last byte that tells the last piece from all others.
Pieces that were swapped, left out or cut off at the end do not decrypt (the construction is STREAM; Hoang,
Reyhanitabar, Rogaway, Vizár 2015). No two files are the same: one can be removed with no look at who writes another.
"""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from skyulf.artifacts import PIECE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"skyulf\x001"

TAG_BYTES = 16

SALT_BYTES = 32

PERSON = b"skyulf artifact"
"""What tells this use of BLAKE2b from others."""

LAST, NOT_LAST = b"\x01", b"\x00"


class NotDecrypted(Exception):
    """These bytes were not encrypted with that key, or not all of them."""


def encrypt(source: Path, target: Path, key: bytes, digest: str) -> None:
    """Write the encrypted form of a file, whose content has ``digest``, to a new file."""
    salt = secrets.token_bytes(SALT_BYTES)
    cipher = _cipher(key, salt, digest)
    with source.open("rb") as file, target.open("xb") as out:
        out.write(MAGIC + salt)
        for number, (piece, last) in enumerate(_pieces(file, PIECE)):
            out.write(cipher.encrypt(_nonce(number, last), piece, None))


def decrypted(source: Path, key: bytes, digest: str) -> Iterator[bytes]:
    """The content of an encrypted file, piece by piece; raises `NotDecrypted` at the first that is not right."""
    from cryptography.exceptions import InvalidTag

    with source.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise NotDecrypted
        cipher = _cipher(key, file.read(SALT_BYTES), digest)
        for number, (piece, last) in enumerate(_pieces(file, PIECE + TAG_BYTES)):
            try:
                yield cipher.decrypt(_nonce(number, last), piece, None)
            except InvalidTag:
                raise NotDecrypted from None


def _pieces(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """What is left of a file in pieces of ``size`` bytes, and whether each is the last; there is one at least."""
    piece = file.read(size)
    while following := file.read(size):
        yield piece, False
        piece = following
    yield piece, True


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + (LAST if last else NOT_LAST)


def _cipher(key: bytes, salt: bytes, digest: str) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 12 MB of memory, for who needs it

    return AESGCM(hashlib.blake2b(salt + digest.encode(), key=key, digest_size=32, person=PERSON).digest())
