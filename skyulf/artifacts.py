"""The ArtifactStore port: files kept under the SHA-256 of their content, which no one can change unseen."""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from skyulf.errors import AnotherContent, Erased, Invalid

DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")

PIECE = 1 << 20

PATH_SECONDS = 600.0
"""For so long at least a file stays where `ArtifactStore.path` said that it is."""


class Stored(NamedTuple):
    """A file in a store: the digest of the content, its size in bytes, and when it was put, in seconds of the epoch.

    What is encrypted is ``dataset``'s, and lies under the digest ``name``; else that is the content's own.
    """

    digest: str
    size: int
    at: float
    name: str
    dataset: str | None = None


class ArtifactStore(Protocol):
    """Content-addressed files; a digest is ``sha256:`` and 64 hexadecimal digits.

    All of it may be called from any thread. A store that cannot be reached or written raises `Unavailable`.
    """

    def put(self, source: Path) -> str:
        """Keep a copy of the file; its digest. It is durable when this returns; twice the same is kept once."""
        ...

    def path(self, digest: str) -> Path:
        """A local file with the content, verified; not to be changed. Raises `NotFound` and `Damaged`.

        It stays there for `PATH_SECONDS`: open it soon, and ask again for a later use.
        """
        ...

    def copy(self, digest: str, target: Path) -> None:
        """Write the content, verified, to a new file at ``target``; none is left there by what this raises.

        Raises `NotFound` and `Damaged`.
        """
        ...

    def read(self, digest: str) -> bytes:
        """The content, verified. Raises `NotFound` and `Damaged`."""
        ...

    def remove(self, digest: str) -> None:
        """Keep the content no longer; nothing happens where it is not there. Caches may hold it a while longer."""
        ...

    def digests(self) -> Iterator[str]:
        """Every digest that is kept."""
        ...

    def stored(self) -> Iterator[Stored]:
        """Every file that is kept."""
        ...


class DataStore(ArtifactStore, Protocol):
    """An `ArtifactStore` that knows whose data it keeps, and can make an end of it.

    What was erased raises `Erased` instead of `NotFound`, until the same content is put for another dataset.
    """

    def put_for(self, dataset: str, source: Path) -> str:
        """`put` of a file that holds data of a dataset, under that dataset's key; raises `Erased` once it is erased."""
        ...

    def erase(self, dataset: str, also: Collection[str] = ()) -> None:
        """Destroy the dataset's key and all that was put for it, and ``also`` content that was put for nobody.

        What was put for another dataset as well stays there for that one. Once this returns it is durable; cut off or
        repeated, it is done from the start.
        """
        ...

    def discard(self, file: Stored) -> None:
        """Remove one file of `stored`; what was put of the same content since then stays."""
        ...

    def close(self) -> None:
        """Remove what was copied to be read, and let go of everything."""
        ...


def digest_of(path: Path) -> str:
    """The digest of a file's content."""
    content = hashlib.sha256()
    for piece in pieces_of(path):
        content.update(piece)
    return f"sha256:{content.hexdigest()}"


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file's content, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def write_verified(pieces: Iterable[bytes], digest: str, target: Path) -> None:
    """Write ``pieces`` to a new file, which is gone again unless they are what the digest says (`Damaged`)."""
    content = hashlib.sha256()
    try:
        with target.open("xb") as file:
            for piece in pieces:
                content.update(piece)
                file.write(piece)
        if (found := f"sha256:{content.hexdigest()}") != digest:
            raise AnotherContent(digest, found)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def erased(digest: str, dataset: str) -> Erased:
    """The error for content that went with a dataset."""
    return Erased(f"the artifact {digest} was erased with {dataset}")


def hexadecimal(digest: str) -> str:
    """The digits of a digest; raises `Invalid` when it is not one, so that none can name another file."""
    if not DIGEST.match(digest):
        raise Invalid("a digest is sha256: and 64 hexadecimal digits")
    return digest.removeprefix("sha256:")
