"""Artifacts in memory, with files made on demand; for tests and throw-away systems."""

import hashlib
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

from skyulf.artifacts import digest_of, hexadecimal, write_verified
from skyulf.errors import AnotherContent, NotFound


class MemoryArtifacts:
    """`ArtifactStore` in memory."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._files = Path(tempfile.mkdtemp(prefix="skyulf-artifacts-"))
        weakref.finalize(self, shutil.rmtree, self._files, ignore_errors=True)

    def put(self, source: Path) -> str:
        """See `ArtifactStore.put`."""
        digest = digest_of(source)
        self._contents[digest] = source.read_bytes()
        return digest

    def path(self, digest: str) -> Path:
        """See `ArtifactStore.path`."""
        path = self._files / hexadecimal(digest)
        if not path.exists():
            part = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            self.copy(digest, part)
            part.replace(path)
        return path

    def copy(self, digest: str, target: Path) -> None:
        """See `ArtifactStore.copy`."""
        write_verified([self.read(digest)], digest, target)

    def read(self, digest: str) -> bytes:
        """See `ArtifactStore.read`."""
        digits = hexadecimal(digest)
        try:
            content = self._contents[digest]
        except KeyError:
            raise NotFound(f"there is no artifact {digest}") from None
        if (found := hashlib.sha256(content).hexdigest()) != digits:
            raise AnotherContent(digest, f"sha256:{found}")
        return content

    def remove(self, digest: str) -> None:
        """See `ArtifactStore.remove`."""
        (self._files / hexadecimal(digest)).unlink(missing_ok=True)
        self._contents.pop(digest, None)

    def digests(self) -> Iterator[str]:
        """See `ArtifactStore.digests`."""
        yield from sorted(self._contents)
