"""A folder of local copies before a store that has no local files, held to a size; docs/decisions/0009 says why so."""

import errno
import fcntl
import os
import stat
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from skyulf.artifacts import DIGEST, PATH_SECONDS, ArtifactStore, Stored, digest_of, hexadecimal
from skyulf.errors import Unavailable

ABANDONED = 3600.0
"""Seconds after its last byte from which a download's file is one that a killed process left."""

FULL = (errno.ENOSPC, errno.EDQUOT)

PART = ".part"

Signature = tuple[int, int, int]
"""Of a file as it was when its content was verified: inode, size in bytes, time of its last change in ns."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the cache: its size in bytes, and when it was used last, in seconds of the wall clock."""

    path: Path
    size: int
    used: float


class CachedArtifacts:
    """`ArtifactStore` that keeps what is asked for in ``folder``, up to ``limit`` bytes, what was used last.

    Any number of processes may share the folder, be killed in it, and find it emptied. A copy appears under its name
    only once it is whole and verified, and each process verifies it again at its first use: what a crash of the
    machine tore is fetched anew, not served. What `path` gave within ``hold`` seconds is not removed, even above the
    limit; an access time tells when that was, written under a lock of the file that whoever removes it takes, too.
    """

    def __init__(self, store: ArtifactStore, folder: Path, limit: int, hold: float = PATH_SECONDS) -> None:
        self._store = store
        self._folder = folder
        self._limit = limit
        self._hold = hold
        self._unseen = 0
        """Bytes that may still be fetched before the folder is looked through."""
        self._verified: dict[str, Signature] = {}
        self._fetching = [threading.Lock() for _ in range(256)]
        self.requests: Counter[str] = Counter()
        """How often what was asked for was there (``hit``) or had to be fetched (``miss``), by and large."""

    def put(self, source: Path) -> str:
        """See `ArtifactStore.put`; what is put is cached by who reads it, mostly another machine."""
        return self._store.put(source)

    def path(self, digest: str) -> Path:
        """See `ArtifactStore.path`."""
        entry = self._folder / hexadecimal(digest)
        with self._telling():
            if self._ready(digest, entry):
                self.requests["hit"] += 1
                return entry
            self.requests["miss"] += 1
            with self._fetching[int(entry.name[:2], 16)]:  # of threads that want the same, one fetches it
                if not self._ready(digest, entry):
                    self._fetch(digest, entry)
        return entry

    def size(self) -> int:
        """Bytes in the folder; looks through it."""
        return sum(entry.size for entry in self._entries()) if self._folder.is_dir() else 0

    def copy(self, digest: str, target: Path) -> None:
        """See `ArtifactStore.copy`; past the cache, which an export would fill with what nobody uses."""
        self._store.copy(digest, target)

    def read(self, digest: str) -> bytes:
        """See `ArtifactStore.read`."""
        return self.path(digest).read_bytes()

    def remove(self, digest: str) -> None:
        """See `ArtifactStore.remove`; who was given the file a moment ago may still read it here."""
        self._store.remove(digest)
        with self._telling():
            self._removed(self._folder / hexadecimal(digest))

    def digests(self) -> Iterator[str]:
        """See `ArtifactStore.digests`."""
        return self._store.digests()

    def stored(self) -> Iterator[Stored]:
        """See `ArtifactStore.stored`."""
        return self._store.stored()

    def entries(self) -> list[str]:
        """The digests of which a copy is here."""
        paths = (entry.path for entry in self._entries()) if self._folder.is_dir() else ()
        return [digest for path in paths if DIGEST.match(digest := f"sha256:{path.name}")]

    def tidy(self) -> None:
        """Remove what is above the limit and was not asked for of late, though nothing is fetched."""
        with self._telling():
            if self._folder.is_dir():
                self._make_room(self._limit)

    def drop(self, digest: str) -> None:
        """Remove a copy at once, whoever was given it; who has opened it may read on."""
        with self._telling():
            (self._folder / hexadecimal(digest)).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every copy at once."""
        for digest in self.entries():
            self.drop(digest)

    # What is there

    def _ready(self, digest: str, entry: Path) -> bool:
        """Whether the file is there and verified; if so, it stays for as long as `path` says."""
        signature = used_now(entry)
        if signature is None:
            return False
        if self._verified.get(digest) != signature:
            if digest_of(entry) != digest:
                return False  # not removed: another process may have put a good one in its place by now
            self._verified[digest] = signature
        return True

    def _fetch(self, digest: str, entry: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{entry.name}.{uuid.uuid4().hex}{PART}"
        try:
            try:
                self._store.copy(digest, part)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self._make_room(0)
                self._store.copy(digest, part)
            part.chmod(0o444)
            os.utime(part)
            signature = signature_of(part.stat())
            self._verified[digest] = signature
            part.replace(entry)
        finally:
            part.unlink(missing_ok=True)
        self._unseen -= signature[1]
        if self._unseen < 0:
            self._make_room(self._limit)

    # What has to go

    def _make_room(self, limit: int) -> None:
        """Remove what was used longest ago until the cache is within ``limit``, or holds only what is in use.

        Looking through the folder takes longer than many a fetch: so more is removed than is needed, and the next look
        is due once a quarter of what is free then was fetched, as other processes may fetch into it, too.
        """
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        total = sum(entry.size for entry in entries)
        wanted = total if total <= limit else limit * 9 // 10
        for entry in entries:
            if total <= wanted:
                break
            if self._removed(entry.path):
                total -= entry.size
        self._unseen = max(0, self._limit - total) // 4

    def _entries(self) -> Iterator[Entry]:
        """Every file of the cache, parts under way among them; those that nobody writes any more are removed."""
        now = time.time()
        with os.scandir(self._folder) as found:
            for each in found:
                with suppress(FileNotFoundError):  # another process was faster
                    status = each.stat(follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        continue
                    path = Path(each.path)
                    if path.suffix == PART and abs(now - status.st_mtime) > ABANDONED:
                        path.unlink()
                    else:
                        yield Entry(path, status.st_size, status.st_atime)

    def _removed(self, path: Path) -> bool:
        """Remove a file, unless it is under way, or was given to someone who may be about to open it."""
        if path.suffix == PART:
            return False
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False  # it is being used this moment
            status = os.fstat(file.fileno())
            if status.st_nlink == 0 or abs(time.time() - status.st_atime) < self._hold:
                return False
            path.unlink()
            return True
        return False

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            told = f"the cache of artifacts cannot be written: {error.strerror}; make room in {self._folder}"
            raise Unavailable(told, retry_after=60) from error


def used_now(entry: Path) -> Signature | None:
    """Note on the file that it is used now, safe from removal meanwhile; None when there is no such file."""
    while True:
        try:
            with entry.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                status = os.fstat(file.fileno())
                if status.st_nlink:
                    os.utime(file.fileno(), ns=(time.time_ns(), status.st_mtime_ns))
                    return signature_of(status)
        except FileNotFoundError:
            return None
        # It was removed or replaced between the two: there may be another one under the name.


def signature_of(status: os.stat_result) -> Signature:
    """What must be as it was for a verified file to count as verified."""
    return status.st_ino, status.st_size, status.st_mtime_ns
