"""Proofs of what the log holds, from its ledger; and the whole log held against its checkpoints."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from skyulf.errors import Fault, Invalid, NotAllowed, NotFound
from skyulf.events.checkpoints import Opened, opened
from skyulf.events.examination import LOWEST, Examination, Examined, examine
from skyulf.events.keys import PublicKey, parse_key
from skyulf.events.ledger import HASH, WIDTH, consistency_proof, inclusion_proof, leaf_at, root_at
from skyulf.events.ledger_store import Kept, LedgerStore, leaves_of
from skyulf.events.log import EventLog

PAGE = 1_000

COUNTED = 10_000
"""At most so many events above the tree are counted; a sealer that is further behind than that is not at work."""

HELD_AGAINST = 1_000
"""The log is held against so many of its own newest checkpoints, so that it shows where a change begins."""


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What no checkpoint covers yet: so many events, and the age in seconds of the oldest; 0 when there is none."""

    events: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Proof that the event at ``position`` is the leaf ``index`` of the tree that a checkpoint was signed over."""

    position: int
    index: int
    leaf: bytes
    path: tuple[bytes, ...]
    checkpoint: Kept


@dataclass(frozen=True, slots=True)
class Consistency:
    """Proof that the tree of ``to_size`` leaves begins with all those of the tree of ``from_size``."""

    origin: str
    from_size: int
    from_root: bytes
    to_size: int
    to_root: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an export is verified by: the first ``covered`` leaves by position, and signed checkpoints by size."""

    covered: int
    leaves: Iterable[tuple[int, bytes]]
    checkpoints: Mapping[int, Kept]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holding a log against checkpoints came to.

    It is only ever said of the events that the ``newest`` checkpoint covers; ``examination`` says which, what was
    found, and what is unsealed. ``compared`` checkpoints were held against the log, each with its signature.
    """

    key: PublicKey
    newest: Opened
    compared: int
    examination: Examination

    @property
    def fine(self) -> bool:
        """Whether nothing was found, and there was something to be looked at."""
        return not self.examination.findings and self.examination.covered > 0


class AuditService:
    """What can be proved of a log."""

    def __init__(self, log: EventLog, ledger: LedgerStore) -> None:
        self._log = log
        self._ledger = ledger

    def newest(self) -> Kept:
        """The newest checkpoint; raises `NotFound` before the first."""
        for kept in self._ledger.checkpoints(1):
            return kept
        raise NotFound("no checkpoint has been signed yet: nothing of this log is proved")

    def checkpoint(self, size: int) -> Kept:
        """The checkpoint over so many events; raises `NotFound`."""
        found = self._ledger.checkpoint(size)
        if found is None:
            raise NotFound(f"no checkpoint was signed over {size} events; the newest is over {self.newest().size}")
        return found

    def checkpoints(self, limit: int, below: int | None = None) -> tuple[Kept, ...]:
        """The newest checkpoints, or the newest below a size, the newest first."""
        return self._ledger.checkpoints(limit, below)

    def unsealed(self, now: datetime) -> Unsealed:
        """What no checkpoint covers at this moment."""
        signed = next((kept.size for kept in self._ledger.checkpoints(1)), 0)
        sealed = self._ledger.sealed()
        above = len(self._log.read(sealed.position, COUNTED).events)
        events = sealed.size - signed + above
        if not events:
            return Unsealed(0, 0.0)
        covered = self._position_of(signed - 1) if signed else 0
        oldest = self._log.read(covered, 1).events
        seconds = (now - oldest[0].metadata.recorded_at).total_seconds() if oldest else 0.0
        return Unsealed(events, max(0.0, seconds))

    def covered_position(self, kept: Kept) -> int:
        """The position of the last event under a checkpoint."""
        return self._position_of(kept.size - 1)

    def _position_of(self, index: int) -> int:
        return self._ledger.positions(index // WIDTH)[index % WIDTH]

    # Proofs

    def inclusion(self, position: int, size: int | None = None, origin: str | None = None) -> Inclusion:
        """Prove that an event is under a checkpoint, the newest or that of a size.

        Raises `Invalid` for a position beyond the log's head, `NotAllowed` for one that is not sealed yet, and
        `NotFound` where there is no event, or no such checkpoint.
        """
        kept = self.newest() if size is None else self.checkpoint(size)
        need_origin(kept, origin)
        index = self._ledger.index_of(position)
        if index is None or index >= kept.size:
            head, covered = self._log.head(), self.covered_position(kept)
            if position > head:
                raise Invalid(
                    f"position {position} is beyond the log's head, {head}",
                    [Fault("position", f"at most {covered}, which is the last that this checkpoint covers")],
                )
            if position > covered:
                raise NotAllowed(
                    f"position {position} is not under this checkpoint, which goes up to {covered}: "
                    "ask again once a newer one has been signed"
                )
            raise NotFound(f"there is no event at position {position}")
        path = inclusion_proof(self._ledger, index, kept.size)
        return Inclusion(position, index, leaf_at(self._ledger, index), tuple(path), kept)

    def consistency(self, size: int, later: int | None = None, origin: str | None = None) -> Consistency:
        """Prove that the log only grew from one size to another, by default to the newest checkpoint's.

        Raises `Invalid` for sizes that no checkpoint of this log can have.
        """
        newest = self.newest()
        need_origin(newest, origin)
        later = newest.size if later is None else later
        if later > newest.size:
            raise Invalid(
                f"the newest checkpoint covers {newest.size} events, not {later}",
                [Fault("to", f"at most {newest.size}")],
            )
        if not 0 < size <= later:
            raise Invalid(
                f"a log of {later} events did not grow from one of {size}", [Fault("from", f"from 1 up to {later}")]
            )
        path = consistency_proof(self._ledger, size, later)
        return Consistency(
            origin_of(newest), size, root_at(self._ledger, size), later, root_at(self._ledger, later), tuple(path)
        )

    def tile(self, level: int, number: int, width: int = WIDTH) -> bytes:
        """The first ``width`` hashes of a tile; raises `NotFound` where there are fewer of them that are signed."""
        signed = self.newest().size >> 8 * level
        if number * WIDTH + width > signed:
            raise NotFound(f"level {level} of the tree has {signed} hashes, and tile {number} not that many yet")
        return self._ledger.tile(level, number)[: width * HASH]

    # The whole log

    def evidence(self) -> Evidence:
        """What the log's newest checkpoints say, for whoever has the events."""
        kept = {each.size: each for each in self._ledger.checkpoints(HELD_AGAINST)}
        covered = max(kept, default=0)
        return Evidence(covered, islice(leaves_of(self._ledger), covered), kept)

    def verify(
        self,
        key: PublicKey | None = None,
        held: Sequence[str] = (),
        witnesses: Sequence[PublicKey] = (),
        moved: Callable[[int], None] = lambda _: None,
    ) -> Verdict:
        """Hold the whole log against its newest checkpoints, and against those that someone ``held``.

        Without a ``key`` the one is used that the ledger itself names: that shows only that the log agrees with itself.
        Raises `NotFound` when there is no checkpoint, and what `opened` raises for one that is not of this key.
        """
        kept = self._ledger.checkpoints(HELD_AGAINST)
        sealed = self._ledger.sealed()  # before the log's head, so that none of these is too new to be read
        if not kept and not held:
            raise NotFound(
                "no checkpoint has been signed, and none was given: nothing of this log can be verified; a running "
                "server signs one within a minute"
            )
        key = key or parse_key(kept[0].key if kept else self.newest().key)
        ours = [opened(each.note, key, witnesses) for each in kept]
        theirs = [opened(note, key, witnesses) for note in held]
        newest = max([*ours, *theirs], key=lambda each: (each.checkpoint.size, len(each.witnesses)))
        own, kept_elsewhere = ([each.checkpoint for each in found] for found in (ours, theirs))
        result = examine(self._items(moved), islice(leaves_of(self._ledger), sealed.size), own, kept_elsewhere)
        return Verdict(key, newest, len(ours) + len(theirs), result)

    def _items(self, moved: Callable[[int], None]) -> Iterator[Examined]:
        """Everything that is stored, from the lowest position on, up to where the log is stable now."""
        head = self._log.head()
        after = LOWEST
        while True:
            page = self._log.examine(after, PAGE, head)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].position
            moved(after)


def need_origin(kept: Kept, origin: str | None) -> None:
    """Raise `Invalid` when something is asked of another log."""
    ours = origin_of(kept)
    if origin is not None and origin != ours:
        raise Invalid(f"this is the log {ours}, not {origin}", [Fault("origin", f"{ours}, or leave it out")])


def origin_of(kept: Kept) -> str:
    """The log that a checkpoint is of."""
    return kept.note.partition("\n")[0]
