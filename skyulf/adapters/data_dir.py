"""The data directory: what lies where; one process owns that of an embedded system, several may share another."""

import fcntl
import os
import time
from pathlib import Path

import msgspec

from skyulf.adapters.scratch import Scratch, is_locked, told
from skyulf.errors import Misconfigured, Unavailable

LOCK_TRIES = 5
LOCK_PAUSE = 0.02
"""Seconds between two tries."""


class Owner(msgspec.Struct, frozen=True):
    """A process that has a data directory, and where it answers over HTTP, if it does."""

    pid: int
    url: str | None = None


class DataDirectory:
    """A folder that may also hold files that are not ours.

    ``shared`` is one without the log and the read models: those are in a database, and so any number of processes may
    have their artifacts, cache and scratch folders in it at once.
    """

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self.root = root
        self.events = root / "events.db"
        self.rows = root / "rows.db"
        self.ledger = root / "ledger.db"
        self.keys = root / "keys.db"
        self.webhooks = root / "webhooks.db"
        self.signing_key = root / "signing.key"
        self.checkpoints = root / "checkpoints"
        self.artifacts = root / "artifacts"
        self.cache = root / "cache"
        self._shared = shared
        self._scratches = root / "scratch"
        self._scratch: Scratch | None = None
        self._lock_file = root / "skyulf.lock"
        self._lock: int | None = None

    @property
    def scratch(self) -> Path:
        """A folder of this process's own, once the directory is owned; empty at the start."""
        assert self._scratch is not None
        return self._scratch.folder

    def own(self) -> None:
        """Make the directory ours until `release` or the end of the process, alone or, if shared, among others.

        Raises `Unavailable` naming the process that owns it, and `Misconfigured` when it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not self._shared:
                self._lock = self._locked_alone()
            self._scratch = Scratch(self._scratches)
        except OSError as error:
            self.release()
            raise Misconfigured(f"SKYULF_DATA_DIR: {self.root} cannot be written ({error.strerror})") from error
        self.announce(None)

    def _locked_alone(self) -> int:
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        if not locked(descriptor):
            os.close(descriptor)
            owner = self.owner()
            who = f"process {owner.pid}" if owner else "another process"
            raise Unavailable(f"{self.root} is in use by {who}; use its server, or another --data-dir")
        return descriptor

    def announce(self, url: str | None) -> None:
        """Tell other processes where this one answers."""
        assert self._scratch is not None
        text = msgspec.json.encode(Owner(os.getpid(), url))
        if self._lock is None:
            self._scratch.tell(text)
        else:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, text, 0)

    def owner(self) -> Owner | None:
        """The process that owns the directory now, or one of those that share it and answer; else None."""
        if self._shared:
            sharing = (self._named(text) for text in told(self._scratches))
            return next((owner for owner in sharing if owner.url is not None), None)
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return None  # there is none, or none that we could own either: `own` says why
        try:
            return self._named(os.pread(descriptor, 4096, 0)) if is_locked(descriptor) else None
        finally:
            os.close(descriptor)

    @staticmethod
    def _named(text: bytes) -> Owner:
        try:
            return msgspec.json.decode(text, type=Owner)
        except msgspec.DecodeError:
            return Owner(pid=0)

    def forget_rows(self) -> None:
        """Delete the read models: those of an empty log are of another one."""
        for path in self.root.glob(f"{self.rows.name}*"):
            path.unlink()

    def release(self) -> None:
        """Give the directory up."""
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def locked(descriptor: int) -> bool:
    """Lock a file for this process alone; whoever looks for the owner holds it for a moment, so more than once."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
        else:
            return True
    return False
