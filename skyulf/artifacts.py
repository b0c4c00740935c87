"""The ArtifactStore port: files kept under the SHA-256 of their content, which no one can change unseen."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from skyulf.errors import Invalid

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")

PIECE = 1 << 20


class ArtifactStore(Protocol):
    """Content-addressed files; a digest is ``sha256:`` and 64 hexadecimal digits."""

    def put(self, source: Path) -> str:
        """Keep a copy of the file; its digest. It is durable when this returns; twice the same is kept once."""
        ...

    def path(self, digest: str) -> Path:
        """A local file with the content, verified; not to be changed. Raises `NotFound` and `Damaged`."""
        ...

    def read(self, digest: str) -> bytes:
        """The content, verified. Raises `NotFound` and `Damaged`."""
        ...

    def digests(self) -> Iterator[str]:
        """Every digest that is kept."""
        ...


def digest_of(path: Path) -> str:
    """The digest of a file's content."""
    content = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            content.update(piece)
    return f"sha256:{content.hexdigest()}"


def hexadecimal(digest: str) -> str:
    """The digits of a digest; raises `Invalid` when it is not one, so that none can name another file."""
    if not DIGEST.match(digest):
        raise Invalid("a digest is sha256: and 64 hexadecimal digits")
    return digest.removeprefix("sha256:")
