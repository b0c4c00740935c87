"""The data directory of an embedded system: what lies where, and which one process owns it."""

import fcntl
import os
import shutil
import time
from pathlib import Path

import msgspec

from skyulf.errors import Misconfigured, Unavailable

LOCK_TRIES = 5
LOCK_PAUSE = 0.02
"""Seconds between two tries."""


class Owner(msgspec.Struct, frozen=True):
    """The process that owns a data directory, and where it answers over HTTP, if it does."""

    pid: int
    url: str | None = None


class DataDirectory:
    """A folder that may also hold files that are not ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events = root / "events.db"
        self.rows = root / "rows.db"
        self.artifacts = root / "artifacts"
        self.cache = root / "cache"
        self.scratch = root / "scratch"
        self._lock_file = root / "skyulf.lock"
        self._lock: int | None = None

    def own(self) -> None:
        """Make the directory ours until `release` or the end of the process.

        Raises `Unavailable` naming the process that owns it, and `Misconfigured` when it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Misconfigured(f"SKYULF_DATA_DIR: {self.root} cannot be written ({error.strerror})") from error
        if not locked(descriptor):
            os.close(descriptor)
            owner = self.owner()
            who = f"process {owner.pid}" if owner else "another process"
            raise Unavailable(f"{self.root} is in use by {who}; use its server, or another --data-dir") from None
        self._lock = descriptor
        self.announce(None)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()

    def announce(self, url: str | None) -> None:
        """Tell other processes where the owner answers."""
        assert self._lock is not None
        text = msgspec.json.encode(Owner(os.getpid(), url))
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, text, 0)

    def owner(self) -> Owner | None:
        """The process that owns the directory now, or None."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY)
        except OSError:
            return None  # there is none, or none that we could own either: `own` says why
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._named(os.pread(descriptor, 4096, 0))
        finally:
            os.close(descriptor)
        return None

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
