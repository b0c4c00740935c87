"""A full disk is no fault of the file: it is told as something that passes."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from skyulf.errors import Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Raise `Unavailable` in place of the error that a full disk makes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise Unavailable(
            "the server's disk is full, and nothing of the file was kept; make room there, then send it again", 60
        ) from error
