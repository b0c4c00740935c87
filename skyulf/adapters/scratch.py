"""A scratch folder for each process: several may work on one data directory, and what a killed one left is removed."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"


class Scratch:
    """A folder under ``root`` of this process alone, with a file beside it that stays locked for as long as it lives.

    What the folders of dead processes hold is removed at the same time. ``OSError`` when nothing can be written there.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        name = uuid.uuid4().hex
        self.folder = root / name
        self._file = root / f"{name}{LOCK}"
        with one_at_a_time(root):
            sweep(root)
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self.folder.mkdir()

    def tell(self, text: bytes) -> None:
        """Leave a word for who looks at `told`."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def remove(self) -> None:
        """Give the folder up."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def told(root: Path) -> Iterator[bytes]:
    """What living processes that have a folder under ``root`` left word of."""
    for path in sorted(root.glob(f"*{LOCK}")):
        with suppress(OSError):  # it is gone, or not ours to look at
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if is_locked(descriptor):
                    yield os.pread(descriptor, 4096, 0)
            finally:
                os.close(descriptor)


def is_locked(descriptor: int) -> bool:
    """Whether a process has the file locked for itself."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Keep others from sweeping a folder whose file is not locked yet."""
    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep(root: Path) -> None:
    """Remove all that no living process has."""
    living = {path.stem for path in root.glob(f"*{LOCK}") if _is_held(path)}
    for path in root.iterdir():
        if path.stem in living:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # another user's: not ours to judge, or to remove
    try:
        return is_locked(descriptor)
    finally:
        os.close(descriptor)
