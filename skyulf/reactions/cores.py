"""How many of the machine's cores others leave free; of Linux's /proc/stat."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")

LEAST_TICKS = 4
"""Ticks of all cores together below which a stretch of time tells nothing: a tick is 10 ms of one core."""

MARGIN = 0.25
"""Share of a core that others may use and it still counts as free."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of all cores together since the start, those in which they worked, and those of this process."""

    passed: float
    worked: float
    own: float


class Cores:
    """Tells how many cores were free of others' work since it was made, or since it was last asked."""

    def __init__(self) -> None:
        self._before = usage()
        self._free = 1

    def free(self) -> int:
        """Return the number of free cores, at least 1; 1 also where nobody can tell.

        Asked again at once, it is the answer of before.
        """
        before, now = self._before, usage()
        if before is not None and now is not None and now.passed - before.passed >= LEAST_TICKS / _ticks():
            self._before = now
            self._free = free_between(before, now, os.cpu_count() or 1)
        return self._free


def free_between(before: Usage, now: Usage, cores: int) -> int:
    """Return how many of the ``cores`` others did not use between two looks, at least 1."""
    share = cores / (now.passed - before.passed)
    others = max(0.0, (now.worked - before.worked) - (now.own - before.own)) * share
    return max(1, int(cores - others + MARGIN))


def usage() -> Usage | None:
    """Return what the cores have done so far, or None where the system does not tell."""
    try:
        words = STAT.read_text("ascii").split(maxsplit=9)
    except OSError:
        return None
    user, nice, system, idle, waiting, interrupts, soft, stolen = (int(word) / _ticks() for word in words[1:9])
    worked = user + nice + system + interrupts + soft + stolen
    return Usage(worked + idle + waiting, worked, time.process_time())


def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")
