"""Waiting out what is away for now, the log or the store of artifacts: hours of work must not be lost over it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from skyulf.errors import Unavailable

PATIENCE = 600.0
"""Seconds that something may be away before what waits for it is given up."""

FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0
"""Seconds before it is tried again: the first time, and at most."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


def patiently(call: Callable[[], T], hurry: threading.Event, hurried: float = 0.0, seconds: float = PATIENCE) -> T:
    """What ``call`` answers, tried again for ``seconds`` while it is `Unavailable`, which is raised in the end.

    Once ``hurry`` is set it is tried at once, and for not more than ``hurried`` seconds from then.
    """
    until, pause, was_hurried = time.monotonic() + seconds, FIRST_PAUSE, False
    while True:
        try:
            return call()
        except Unavailable as error:
            now = time.monotonic()
            if hurry.is_set() and not was_hurried:
                was_hurried = True
                until, pause = min(until, now + hurried), FIRST_PAUSE
            if now >= until:
                raise
            if pause == FIRST_PAUSE:
                logger.warning("waiting for up to %.0f s: %s", until - now, error.detail)
            wait = min(pause, until - now)
            if was_hurried:
                time.sleep(wait)
            else:
                hurry.wait(wait)
            pause = min(2 * pause, LAST_PAUSE)
