"""Holding a log against its ledger: what has been changed, by position, and how much of the log that says. Pure.

The ledger's leaves are believed only as far as they make the roots of signed checkpoints; the log's events are then
compared with them one by one. What no leaf covers is only counted: nothing is said of it but whether it fits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from skyulf.events.base import Recorded
from skyulf.events.checkpoints import Checkpoint
from skyulf.events.ledger import Peaks, leaf_of

Kind = Literal["changed", "missing", "inserted", "unreadable", "order", "version", "id", "checkpoint"]

LOWEST = -(2**63)
"""Below every position that a database can hold: no event of ours stands at or below 0, and one that does is shown."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands at a position and is not an event as the log writes one, and why not; ``why`` holds no data value."""

    position: int
    why: str


Examined = Recorded | Unreadable
"""What a log holds at a position."""

Leaf = tuple[int, bytes]
"""The position of an event, and the hash of its leaf, as the ledger has them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was sealed, or never was right: where, from there to where, and what."""

    position: int
    until: int
    kind: Kind
    detail: str


@dataclass(slots=True)
class Examination:
    """What was read and what was found.

    ``events`` were read; the first ``covered`` of the ledger, up to ``position``, stand under the newest checkpoint
    that was given. ``unsealed`` events stand above that, the oldest recorded at ``oldest``: of them it is known only
    that they fit, and ``sealed_later`` of them have leaves that are not signed yet.
    """

    events: int = 0
    covered: int = 0
    position: int = 0
    unsealed: int = 0
    oldest: datetime | None = None
    findings: list[Finding] = field(default_factory=list)

    def found(self, position: int, kind: Kind, detail: str, until: int | None = None) -> None:
        """Note a finding."""
        self.findings.append(Finding(position, position if until is None else until, kind, detail))


def examine(
    items: Iterable[Examined],
    leaves: Iterable[Leaf],
    checkpoints: Sequence[Checkpoint],
    held: Sequence[Checkpoint] = (),
    leaf: Callable[[Recorded], bytes] = leaf_of,
) -> Examination:
    """Compare a log, in the order of its positions, with the leaves of its ledger, and these with checkpoints.

    ``checkpoints`` are those that the log has itself, and ``held`` those that were kept elsewhere; their signatures are
    for the caller to verify. What is missing in a row is one finding.
    """
    result = Examination(covered=max((checkpoint.size for checkpoint in (*checkpoints, *held)), default=0))
    sealed = _Sealed(leaves, (checkpoints, held), result)
    structure = _Structure(result)
    last: int | None = None
    for item in items:
        position = item.position
        result.events += 1
        if last is not None and position <= last:
            result.found(position, "order", f"position {position} does not rise above {last}")
            continue
        last = position
        sealed.missing_below(position)
        if isinstance(item, Unreadable):
            result.found(position, "unreadable", item.why)
        else:
            structure.see(item)
        if sealed.next is None:
            _unsealed(result, item)
        elif sealed.next[0] == position:
            if not isinstance(item, Unreadable) and leaf(item) != sealed.next[1]:
                result.found(position, "changed", "the event is not the one that was sealed")
            if sealed.passed >= result.covered:
                _unsealed(result, item)
            sealed.move()
        else:
            result.found(position, "inserted", "no event was sealed at this position, though later ones were")
    sealed.missing_below(None)
    sealed.finish()
    result.findings.sort(key=lambda finding: finding.position)
    return result


def _unsealed(result: Examination, item: Examined) -> None:
    result.unsealed += 1
    if result.oldest is None and isinstance(item, Recorded):
        result.oldest = item.metadata.recorded_at


class _Series:
    """Checkpoints of one origin, held against the tree as it grows; the first that it does not match is told.

    Those that were kept elsewhere are a series of their own: whoever has the key can sign another history, and all
    that the log itself has then agrees with it.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint], result: Examination) -> None:
        self._result = result
        self._waiting = sorted(checkpoints, key=lambda checkpoint: checkpoint.size, reverse=True)
        self._right_up_to: int | None = None

    def see(self, peaks: Peaks, position: int) -> None:
        """Take the tree up to a position."""
        while self._waiting and self._waiting[-1].size == peaks.size:
            checkpoint = self._waiting.pop()
            if peaks.root() == checkpoint.root:
                self._right_up_to = position
                continue
            since = "" if self._right_up_to is None else f" after position {self._right_up_to}, where one matches,"
            detail = f"the checkpoint of {peaks.size} events says otherwise: something was changed{since} up to here"
            self._result.found((self._right_up_to or 0) + 1, "checkpoint", detail, position)
            self._waiting.clear()

    def finish(self, size: int) -> None:
        """Tell when the tree is smaller than one of them."""
        if self._waiting:
            detail = f"a checkpoint covers {self._waiting[0].size} events, the ledger has {size}"
            self._result.found((self._right_up_to or 0) + 1, "checkpoint", detail)


class _Sealed:
    """The ledger's leaves one after the other; ``next`` is the one that has not been passed, None at the end."""

    def __init__(self, leaves: Iterable[Leaf], series: Iterable[Sequence[Checkpoint]], result: Examination) -> None:
        self._leaves: Iterator[Leaf] = iter(leaves)
        self._result = result
        self._peaks = Peaks()
        self._series = [_Series(checkpoints, result) for checkpoints in series]
        self.passed = 0
        self.next: Leaf | None = None
        self._take()

    def move(self) -> None:
        """Go on to the next leaf."""
        self.passed += 1
        self._take()

    def _take(self) -> None:
        before = self.next
        self.next = next(self._leaves, None)
        if self.next is None:
            return
        position, leaf = self.next
        if before is not None and position <= before[0]:
            self._result.found(position, "checkpoint", "the ledger's list of positions does not rise here")
        self._peaks.add(leaf)
        if self._peaks.size == self._result.covered:
            self._result.position = position
        for series in self._series:
            series.see(self._peaks, position)

    def missing_below(self, position: int | None) -> None:
        """Tell of events that were sealed below ``position``, or anywhere from here on, and are not there."""
        first = self.next
        count, until = 0, 0
        while self.next is not None and (position is None or self.next[0] < position):
            count, until = count + 1, self.next[0]
            self.move()
        if first is not None and count:
            many = "an event that was sealed is" if count == 1 else f"{count} events that were sealed are"
            self._result.found(first[0], "missing", f"{many} not there", until)

    def finish(self) -> None:
        """Tell when the ledger is shorter than a checkpoint."""
        for series in self._series:
            series.finish(self._peaks.size)
        if self._peaks.size < self._result.covered:
            self._result.covered = self._peaks.size


class _Structure:
    """What holds in every log, sealed or not: versions are dense in each stream, ids and commands are unique."""

    def __init__(self, result: Examination) -> None:
        self._result = result
        self._versions: dict[str, int] = {}
        self._ids: set[str] = set()

    def see(self, recorded: Recorded) -> None:
        """Take the next event."""
        expected = self._versions.get(recorded.stream, 0) + 1
        if recorded.version != expected:
            detail = f"{recorded.stream} continues with version {recorded.version}, not {expected}"
            self._result.found(recorded.position, "version", detail)
        self._versions[recorded.stream] = recorded.version
        if recorded.id in self._ids:
            self._result.found(recorded.position, "id", "an earlier event has the same id")
        self._ids.add(recorded.id)
