"""Artifacts that hold data of a dataset, encrypted with its key before they reach a store: docs/decisions/0022."""

import logging
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from skyulf.adapters.artifact_keys import ArtifactKeys, Kept
from skyulf.adapters.cached_artifacts import CachedArtifacts
from skyulf.adapters.encryption import NotDecrypted, decrypted, encrypt
from skyulf.artifacts import PATH_SECONDS, ArtifactStore, Stored, digest_of, erased, write_verified
from skyulf.errors import AnotherContent, NotFound, SkyulfError

logger = logging.getLogger(__name__)

TIDY_SECONDS = 30.0
"""From one look at what lies decrypted to the next."""


class EncryptedArtifacts:
    """`DataStore` over a store that sees the encrypted form only of what is put for a dataset.

    The digest of an artifact is that of its content, whatever it is stored as; ``keys`` say where that is. ``folder``
    is where this process alone has decrypted copies, for as long as `path` says; what is under way lies beside it.
    What was put before there were keys, or for nobody, is read as it is.
    """

    def __init__(
        self, store: ArtifactStore, keys: ArtifactKeys, folder: Callable[[], Path], hold: float = PATH_SECONDS
    ) -> None:
        self.store = store
        self._keys = keys
        self._folder = folder
        self._hold = hold
        self._opened: CachedArtifacts | None = None
        self._opening = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_tidy, name="decrypted", daemon=True)

    def put(self, source: Path) -> str:
        """See `ArtifactStore.put`; it is not encrypted."""
        return self.store.put(source)

    def put_for(self, dataset: str, source: Path) -> str:
        """See `DataStore.put_for`."""
        digest = digest_of(source)
        key = self._keys.key(dataset)
        with tempfile.TemporaryDirectory(prefix="encrypted-", dir=self._folder().parent) as folder:
            target = Path(folder) / "file"
            encrypt(source, target, key, digest)
            stored = self.store.put(target)
        if before := self._keys.add(digest, dataset, stored):
            self.store.remove(before)
        return digest

    def path(self, digest: str) -> Path:
        """See `ArtifactStore.path`; though there is a copy, what became of the store is seen."""
        if (kept := self._found(digest)) is None:
            return self.store.path(digest)
        self._file(kept)
        return self._copies().path(digest)

    def copy(self, digest: str, target: Path) -> None:
        """See `ArtifactStore.copy`."""
        if (kept := self._found(digest)) is None:
            self.store.copy(digest, target)
        else:
            write_verified(self._content(kept), digest, target)

    def read(self, digest: str) -> bytes:
        """See `ArtifactStore.read`; what decrypts is what was encrypted, and needs no hash."""
        if (kept := self._found(digest)) is None:
            return self.store.read(digest)
        return b"".join(self._content(kept))

    def remove(self, digest: str) -> None:
        """See `ArtifactStore.remove`; no decrypted copy is left here either."""
        for kept in self._keys.find(digest):
            if kept.stored:
                self.store.remove(kept.stored)
            self._keys.forget(kept)
        self.store.remove(digest)
        self._drop(digest)

    def stored(self) -> Iterator[Stored]:
        """See `ArtifactStore.stored`; what is encrypted is there once for each dataset that has it."""
        named = {kept.stored: kept for kept in self._keys.all() if kept.stored}
        for each in self.store.stored():
            kept = named.get(each.digest)
            if kept is None or kept.key is None:  # what no key opens is nothing but a file
                yield each
            else:
                yield each._replace(digest=kept.digest, dataset=kept.dataset)

    def digests(self) -> Iterator[str]:
        """See `ArtifactStore.digests`."""
        unreadable = {kept.stored for kept in self._keys.all() if kept.key is None}
        yield from sorted({each.digest for each in self.stored()} - unreadable)

    def discard(self, file: Stored) -> None:
        """See `DataStore.discard`."""
        if file.dataset is not None:
            self._keys.forget(Kept(file.digest, file.dataset, file.name, None))
            if not self._keys.find(file.digest):
                self._drop(file.digest)
        self.store.remove(file.name)

    def erase(self, dataset: str, also: Collection[str] = ()) -> None:
        """See `DataStore.erase`. The key goes first: what follows only makes room."""
        self._keys.destroy(dataset, also)
        for kept in self._keys.of(dataset):
            self._drop_erased(kept.digest)
            if kept.stored:
                self.store.remove(kept.stored)
        for digest in also:
            self.store.remove(digest)
            if isinstance(self.store, CachedArtifacts):
                self.store.drop(digest)

    def close(self) -> None:
        """See `DataStore.close`."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._opened is not None:
            self._opened.clear()
        self._keys.close()

    def _found(self, digest: str) -> Kept | None:
        """How an artifact is kept encrypted, or None where it is not; raises `Erased` and `Invalid`."""
        found = self._keys.find(digest)
        if not found:
            return None
        if found[0].key is not None:
            return found[0]
        # Its data was erased; the same content may have been put before there were keys, for a dataset that was not.
        # What was erased as it was is asked for nowhere: a cache of another machine may have it yet.
        if not all(kept.stored for kept in found):
            raise erased(digest, found[0].dataset)
        try:
            self.store.path(digest)
        except NotFound:
            raise erased(digest, found[0].dataset) from None
        return None

    def _content(self, kept: Kept) -> Iterator[bytes]:
        assert kept.key is not None
        try:
            yield from decrypted(self._file(kept), kept.key, kept.digest)
        except NotDecrypted as error:
            raise AnotherContent(kept.digest, kept.stored) from error

    def _file(self, kept: Kept) -> Path:
        """The file of an encrypted artifact; one that was put again a moment ago has another name by now."""
        try:
            return self.store.path(kept.stored)
        except AnotherContent as error:
            raise AnotherContent(kept.digest, error.found) from error
        except NotFound:
            again = self._found(kept.digest)
            if again is None or again.stored == kept.stored:
                raise NotFound(f"there is no artifact {kept.digest}") from None
            return self.store.path(again.stored)

    # What lies decrypted

    def _copies(self) -> CachedArtifacts:
        with self._opening:
            if self._opened is None:
                self._opened = CachedArtifacts(self, self._folder(), 0, self._hold)
                self._thread.start()
            return self._opened

    def _drop(self, digest: str) -> None:
        if self._opened is not None:
            self._opened.drop(digest)

    def _drop_erased(self, digest: str) -> None:
        """Remove the copy of what nobody has any more."""
        found = self._keys.find(digest)
        if found and found[0].key is None:
            self._drop(digest)

    def _keep_tidy(self) -> None:
        while not self._closing.wait(TIDY_SECONDS):
            self.tidy()

    def tidy(self) -> None:
        """Remove decrypted copies that nobody asked for of late, and those whose data was erased, by whomever."""
        if self._opened is None:
            return
        try:
            self._opened.tidy()
            for digest in self._opened.entries():
                self._drop_erased(digest)
        except SkyulfError as error:
            logger.warning("decrypted copies could not be looked at, and are again soon: %s", error.detail)
