"""Artifacts as files in a local folder."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from skyulf.artifacts import Stored, digest_of, hexadecimal, pieces_of, write_verified
from skyulf.errors import AnotherContent, NotFound, Unavailable


class LocalArtifacts:
    """`ArtifactStore` under ``root``: ``ab/abcd…``, written beside and then renamed, so that none is half there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, source: Path) -> str:
        """See `ArtifactStore.put`."""
        digest = digest_of(source)
        target = self._place(digest)
        try:
            if target.exists() and target.stat().st_size == source.stat().st_size:
                return digest
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
            try:
                shutil.copyfile(source, beside)
                _flush(beside)
                beside.replace(target)
                _flush(target.parent)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the artifact store cannot be written: {error.strerror}", retry_after=10) from error
        return digest

    def path(self, digest: str) -> Path:
        """See `ArtifactStore.path`."""
        path = self._existing(digest)
        if (found := digest_of(path)) != digest:
            raise AnotherContent(digest, found)
        return path

    def copy(self, digest: str, target: Path) -> None:
        """See `ArtifactStore.copy`."""
        write_verified(pieces_of(self._existing(digest)), digest, target)

    def read(self, digest: str) -> bytes:
        """See `ArtifactStore.read`."""
        return self.path(digest).read_bytes()

    def remove(self, digest: str) -> None:
        """See `ArtifactStore.remove`."""
        try:
            self._place(digest).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the artifact store cannot be written: {error.strerror}", retry_after=10) from error

    def digests(self) -> Iterator[str]:
        """See `ArtifactStore.digests`."""
        for path in sorted(self._root.glob("??/*")):
            if not path.name.startswith("."):
                yield f"sha256:{path.name}"

    def stored(self) -> Iterator[Stored]:
        """See `ArtifactStore.stored`."""
        for digest in self.digests():
            with suppress(FileNotFoundError):  # it was removed a moment ago
                status = self._place(digest).stat()
                yield Stored(digest, status.st_size, status.st_mtime, digest)

    def _existing(self, digest: str) -> Path:
        path = self._place(digest)
        if not path.is_file():
            raise NotFound(f"there is no artifact {digest}")
        return path

    def _place(self, digest: str) -> Path:
        digits = hexadecimal(digest)
        return self._root / digits[:2] / digits


def _flush(path: Path) -> None:
    """Have the file's content, or the folder's list of names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
