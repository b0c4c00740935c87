"""Artifacts in memory, with files made on demand; for tests and throw-away systems."""

import hashlib
import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Collection, Iterator
from pathlib import Path

from skyulf.artifacts import Stored, digest_of, erased, hexadecimal, write_verified
from skyulf.errors import AnotherContent, Erased, NotFound


class MemoryArtifacts:
    """`DataStore` in memory; nothing is encrypted, as nothing outlives the process."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._datasets: dict[str, set[str]] = {}
        self._erased: dict[str, str] = {}
        self._gone: set[str] = set()
        self._at: dict[str, float] = {}
        self._files = Path(tempfile.mkdtemp(prefix="skyulf-artifacts-"))
        weakref.finalize(self, shutil.rmtree, self._files, ignore_errors=True)

    def put(self, source: Path) -> str:
        """See `ArtifactStore.put`."""
        digest = digest_of(source)
        self._contents[digest] = source.read_bytes()
        self._at[digest] = time.time()
        return digest

    def put_for(self, dataset: str, source: Path) -> str:
        """See `DataStore.put_for`."""
        if dataset in self._gone:
            raise Erased(f"{dataset} was erased")
        digest = self.put(source)
        self._datasets.setdefault(digest, set()).add(dataset)
        return digest

    def erase(self, dataset: str, also: Collection[str] = ()) -> None:
        """See `DataStore.erase`."""
        self._gone.add(dataset)
        own = [digest for digest, datasets in self._datasets.items() if dataset in datasets]
        for digest in own:
            self._datasets[digest].discard(dataset)
        for digest in {*own, *also}:
            if not self._datasets.get(digest):
                self._erased[digest] = dataset
                self.remove(digest)

    def close(self) -> None:
        """See `DataStore.close`."""

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
            if digest in self._erased:
                raise erased(digest, self._erased[digest]) from None
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

    def stored(self) -> Iterator[Stored]:
        """See `ArtifactStore.stored`."""
        for digest, content in sorted(self._contents.items()):
            yield Stored(
                digest, len(content), self._at[digest], digest, min(self._datasets.get(digest, ()), default=None)
            )

    def discard(self, file: Stored) -> None:
        """See `DataStore.discard`."""
        if self._at.get(file.digest) == file.at:
            self._datasets.pop(file.digest, None)
            self.remove(file.digest)
