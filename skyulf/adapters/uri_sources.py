"""Files of this machine, below the roots that the settings allow."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from skyulf.artifacts import PIECE
from skyulf.ingest.uris import Place, unfit


class FileSource:
    """`UriSource` of ``file:///``: regular files; a link that leads out of the root is not followed."""

    def fetch(self, place: Place, root: Place, target: Path, most: int) -> None:
        """See `UriSource.fetch`."""
        try:
            path = Path("/", place.path).resolve(strict=True)
            if not path.is_relative_to(Path("/", root.path).resolve()):
                raise unfit("a file below the root that the settings allow, not a link out of it")
            # What was resolved is opened as it is; of a pipe or a device, nothing is waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise unfit("there is no such file") from error
        except OSError as error:
            raise unfit(f"a file that the server may read ({error.strerror})") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise unfit("a file, not a folder, a pipe or a device")
            pieces = iter(lambda: os.read(descriptor, PIECE), b"")
            write_limited(pieces, status.st_size, target, most)
        finally:
            os.close(descriptor)


def write_limited(pieces: Iterable[bytes], size: int, target: Path, most: int) -> None:
    """Write ``pieces``, of which there are said to be ``size`` bytes, unless there are more than ``most``."""
    left = most - size
    with target.open("wb") as file:
        if left >= 0:
            left = most
            for piece in pieces:
                left -= len(piece)
                if left < 0:
                    break
                file.write(piece)
    if left < 0:
        raise unfit(f"a file of at most {most} bytes, which is SKYULF_UPLOAD_BYTES")
