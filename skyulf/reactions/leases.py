"""Who is at work on what: the port by which a lost worker is told from a slow one.

A lease says only when work may be taken up by somebody else. Whose results count is decided by the commands, which
know the attempt; a process that has lost its lease without noticing does no harm.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol


class Work(NamedTuple):
    """Something that one process at a time should do: an attempt at a job, or what follows from its model."""

    what: str
    attempt: int


class Leases(Protocol):
    """Leases on work; all of it may be called from any thread, and none of it raises because a database is away."""

    def take(self, work: Work) -> bool:
        """Hold the lease, and keep it until it is given up or this process ends.

        False when somebody else holds it, or when that cannot be known now.
        """
        ...

    def release(self, work: Work) -> None:
        """Give the lease up; one that is not held is left alone."""
        ...

    def lapsed(self, asked: Collection[Work]) -> frozenset[Work]:
        """Which of these nobody holds any more; none when that cannot be known now.

        To be asked at intervals: whoever has just been cut off gets the time to hold his leases on.
        """
        ...

    def close(self) -> None:
        """Hold nothing on any longer; what was not released lapses."""
        ...
