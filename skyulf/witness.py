"""A witness: sees that a Skyulf log only grows, and cosigns its checkpoints. It runs where the log's operator does not.

    python witness.py FOLDER --make-key NAME                     once: makes FOLDER/witness.key, shows the public key
    python witness.py FOLDER --log URL --key LOGKEY              fetches, checks, cosigns; --every SECONDS goes on so

FOLDER/latest is the newest checkpoint that was cosigned, and each is kept under its size: skyulf audit verify and
verifier.py take it as --checkpoint, with --witness and the public key of this witness. A checkpoint is cosigned only if
the log's key signed it, or one that this introduced, and the log proves that it begins with all that was cosigned
before (RFC 9162, 2.1.4.2). What cannot be so ends it with 1: keep that checkpoint, which stands in FOLDER/refused. It
ends with 2 when the log does not answer. This file is all there is to read: it needs ``cryptography`` alone.
"""

import argparse
import base64
import json
import os
import sys
import time
import urllib.request
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG, WITNESS = 1, 4  # kinds of signatures: over the text of a checkpoint, and over a time and that text


class RefusedError(Exception):
    """Why a checkpoint is not cosigned: the log has done what a log must not do."""


def key_id(name: str, kind: int, raw: bytes) -> bytes:
    """The four bytes that tell the signatures of a key from others'."""
    return sha256(f"{name}\n".encode() + bytes([kind]) + raw).digest()[:4]


def parse(note: str) -> tuple[str, str, int, bytes, list[str]]:
    """The text of a checkpoint, its origin, its size, its root, and the lines of its signatures."""
    try:
        body, _, signatures = note.rpartition("\n\n")
        origin, size, root, *_ = body.split("\n")
        return f"{body}\n", origin, int(size), base64.b64decode(root, validate=True), signatures.splitlines()
    except ValueError:
        raise RefusedError("what the log answers is no checkpoint: expected origin, size, root, signatures") from None


def is_signed(text: str, lines: list[str], keys: dict[tuple[str, bytes], bytes]) -> bool:
    """Whether one of the keys, each by its name and id, has signed a text."""
    for _, signer, blob in (line.split(" ") for line in lines):
        signature = base64.b64decode(blob)
        if (raw := keys.get((signer, signature[:4]))) is not None:
            try:
                return Ed25519PublicKey.from_public_bytes(raw).verify(signature[4:], text.encode()) is None
            except InvalidSignature:
                raise RefusedError(f"the signature of {signer} does not hold") from None
    return False


def need_signed(text: str, origin: str, lines: list[str], key: str) -> None:
    """See that a checkpoint is of the log whose key was given, and signed by that, or one that it introduced."""
    name, keys = key.split("+", 1)[0], dict[tuple[str, bytes], bytes]()
    if origin != name:
        raise RefusedError(f"the checkpoint is of the log {origin}: expected {name}")
    for number, line in enumerate([f"key {key.strip()} given", *text.splitlines()[3:]]):
        _, each, signature = line.split(" ")
        if number == 0 or is_signed(f"skyulf-key-introduction/v1\n{name}\n{each}\n", [f"— {name} {signature}"], keys):
            raw = base64.b64decode(each.split("+", 2)[2])[1:]
            keys[name, key_id(name, LOG, raw)] = raw
    if not is_signed(text, lines, keys):
        raise RefusedError(f"the checkpoint is not signed by {name}, whose key was given")


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def extends(size: int, root: bytes, later: int, later_root: bytes, path: list[bytes]) -> bool:
    """Whether ``path`` proves that the tree of ``later`` leaves begins with that of ``size``, which is smaller."""
    path = path if size & (size - 1) else [root, *path]
    at, last = size - 1, later - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path:
        return False
    old = new = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node(each, old), node(each, new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            new = node(new, each)
        at, last = at >> 1, last >> 1
    return last == 0 and (old, new) == (root, later_root)


class Witness:
    """What a folder holds of a witness: its key, and what it has cosigned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name, encoded = (folder / "witness.key").read_text().split()
        self.key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(encoded))
        self.raw = self.key.public_key().public_bytes_raw()

    def look(self, log: str, key: str, headers: dict[str, str]) -> str:
        """Fetch the newest checkpoint, check it, cosign and keep it; what was done."""
        note = fetch(f"{log}/v1/audit/checkpoint", {**headers, "Accept": "text/plain"}).decode()
        try:
            return self.judge(note, log, key, headers)
        except RefusedError:
            self.write("refused", note)
            raise

    def judge(self, note: str, log: str, key: str, headers: dict[str, str]) -> str:
        """Cosign a checkpoint that continues the last one, and keep it."""
        text, origin, size, root, lines = parse(note)
        need_signed(text, origin, lines, key)
        if (self.folder / "latest").is_file():
            _, _, before, before_root, _ = parse((self.folder / "latest").read_text())
            if (size, root) == (before, before_root):
                return f"nothing new: {size} events"
            if size == before:
                raise RefusedError(f"the log showed another history of {size} events before")
            if size < before:
                raise RefusedError(f"the log has {size} events, and had {before}: its end has been cut")
            proof = json.loads(fetch(f"{log}/v1/audit/proofs/consistency?from={before}&to={size}", headers))
            if not extends(before, before_root, size, root, [base64.b64decode(each) for each in proof.get("path", ())]):
                raise RefusedError(f"the log of {size} events does not begin with the {before} that were cosigned")
        seconds = int(time.time())
        blob = key_id(self.name, WITNESS, self.raw) + seconds.to_bytes(8, "big")
        blob += self.key.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        cosigned = f"{note}— {self.name} {base64.b64encode(blob).decode()}\n"
        self.write(f"{size:012d}", cosigned)
        self.write("latest", cosigned)
        return f"cosigned: {size} events"

    def write(self, name: str, content: str) -> None:
        """Keep a file, whole or not at all."""
        beside = self.folder / f".{name}"
        with beside.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.folder / name)


def fetch(url: str, headers: dict[str, str]) -> bytes:
    """What a server answers."""
    if not url.startswith(("http://", "https://")):
        raise OSError(f"{url} is no address: expected https://HOST")
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:  # noqa: S310 - seen
        return bytes(answer.read(1 << 20))


def make_key(folder: Path, name: str) -> str:
    """Make the key of a witness; its public key."""
    folder.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    with os.fdopen(os.open(folder / "witness.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{name} {base64.b64encode(key.private_bytes_raw()).decode()}\n")
    raw = key.public_key().public_bytes_raw()
    return f"{name}+{key_id(name, WITNESS, raw).hex()}+{base64.b64encode(bytes([WITNESS]) + raw).decode()}"


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for option in ("--make-key", "--log", "--key", "--api-key-file"):
        parser.add_argument(option)
    parser.add_argument("--every", type=float)
    given = parser.parse_args(arguments)
    while True:
        try:
            if given.make_key:
                sys.stdout.write(f"{make_key(given.folder, given.make_key)}\n")
                return 0
            token = given.api_key_file and Path(given.api_key_file).read_text().strip()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            sys.stdout.write(f"{Witness(given.folder).look(given.log.rstrip('/'), given.key, headers)}\n")
        except RefusedError as error:
            sys.stderr.write(f"NOT cosigned: {error}\n")
            return 1
        except (OSError, ValueError) as error:
            sys.stderr.write(f"cannot look: {error}\n")
            if not given.every:
                return 2
        if not given.every:
            return 0
        time.sleep(given.every)


if __name__ == "__main__":
    sys.exit(main())
