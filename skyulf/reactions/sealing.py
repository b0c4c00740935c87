"""The sealer: follows the log to its stable head, keeps the Merkle tree over it, and signs checkpoints.

It only reads the log, in pages and with pauses, so that appends do not wait for it. Of several processes one seals. It
never signs what contradicts a checkpoint that was signed before, here or outside the database: it says so and stops.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from skyulf.errors import Damaged, Invalid, Misconfigured, SkyulfError, Unavailable
from skyulf.events.checkpoints import Checkpoint, Opened, opened, signed
from skyulf.events.keys import SigningKey
from skyulf.events.ledger import WIDTH, GrowingTree, leaf_at, leaf_of, root_at
from skyulf.events.ledger_store import Kept, LedgerMoved, LedgerStore, Sealed
from skyulf.events.log import EventLog
from skyulf.reactions.publishing import CheckpointSink

PAGE = 128
"""Events read and hashed at a stretch, in a millisecond: then whoever waits for the interpreter has it."""

PAGES = 16
"""So many pages are kept at once: to keep them costs a wait for the disk."""

PACE = 1.0
"""Seconds from one look at the log to the next, whatever happens there: many events cost little more than one."""

IDLE = 5.0
"""Seconds after which the log is looked at without a wake-up."""

FAREWELL = 3.0
"""Seconds for which events are sealed when the process ends; what is left is for the next start."""

GONE = 2 * FAREWELL
"""Seconds to wait at most for the sealer to end; one that hangs in a dead connection ends with its process."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SealerStatus:
    """What a sealer is at: whether it is the one that works, how far it is, and what keeps it, if anything does.

    ``sealed`` events stand in the tree, up to ``position``; ``signed`` of them under the newest checkpoint, made at
    ``signed_at``.
    """

    working: bool
    sealed: int = 0
    position: int = 0
    signed: int = 0
    signed_at: datetime | None = None
    problem: str | None = None


class Sealer:
    """Seals a log in a thread of its own once started.

    ``key`` gives the key, when it is first needed; ``leads`` tells whether it is for this process to seal, and
    ``resign`` lets another; ``now`` is the clock; a checkpoint is signed every ``interval`` seconds if there is
    something new, and at the end.
    """

    def __init__(
        self,
        log: EventLog,
        store: LedgerStore,
        sink: CheckpointSink | None,
        key: Callable[[], SigningKey],
        leads: Callable[[], bool],
        now: Callable[[], datetime],
        interval: float,
        resign: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._store = store
        self._sink = sink
        self._key = key
        self._leads = leads
        self._now = now
        self._interval = interval
        self._resign = resign
        self._tree: GrowingTree | None = None
        self._at = Sealed()
        self._earlier: list[Checkpoint] = []
        self._seen_outside = False
        self._unpublished: tuple[int, str] | None = None
        self._signed_when = -interval
        self._give_up = float("inf")
        self._status = SealerStatus(working=False)
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)

    def start(self) -> None:
        """Begin to seal, or to wait for one's turn."""
        self._unsubscribe = self._log.subscribe(self._news.set)
        self._thread.start()

    def close(self) -> None:
        """Seal and sign what there is, if this is the sealer that works, and end."""
        self._unsubscribe()
        self._give_up = time.monotonic() + FAREWELL
        self._stopping.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(GONE)
        self._resign()

    @property
    def working(self) -> bool:
        """Whether this is the sealer that works."""
        return self._status.working

    def status(self) -> SealerStatus:
        """What the sealer is at; from any thread."""
        return self._status

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                if self._leads():
                    self.seal(sign=time.monotonic() - self._signed_when >= self._interval)
                    self._recovered()
                else:
                    self._forget()
            except LedgerMoved:
                self._forget()  # another seals: what there is now is looked at anew
            except Unavailable as error:
                self._tell(error)  # what is sealed stays so
            except Exception as error:  # noqa: BLE001 - told, and tried again: the log must be sealed
                self._tell(error)
                self._forget()
            self._stopping.wait(PACE)
            if not self._behind():
                self._news.wait(IDLE)
        if self._tree is not None:
            try:
                self.seal(sign=True)
            except Exception as error:  # noqa: BLE001 - the next start seals what is left
                self._tell(error)

    def _behind(self) -> bool:
        """Whether something is to be done without a wake-up soon: signing, or publishing."""
        return self._tree is not None and (self._status.signed < self._at.size or self._unpublished is not None)

    def seal(self, *, sign: bool) -> None:
        """Bring the tree to the log's stable head, and sign a checkpoint if asked to and if there is anything new.

        From any thread; one at a time.
        Raises `LedgerMoved` when another sealer works, and `Damaged` when the log is not what was sealed of it.
        """
        with self._turn:
            self._seal(sign)

    def _seal(self, sign: bool) -> None:
        if self._tree is None:
            if self._log.head() == 0:  # the key, and the library that it needs, can wait for the first event
                self._status = replace(self._status, working=True)
                return
            self._open()
        begun = time.monotonic()
        while self._step() and time.monotonic() < self._give_up:
            # Whoever else runs in the process comes in between, on a long way to the head.
            self._stopping.wait(time.monotonic() - begun)
            begun = time.monotonic()
        if sign and not self._seen_outside:
            self._look_outside()
        if sign and self._at.size > self._status.signed:
            self._sign()
        if self._unpublished is not None:
            if self._sink is not None:
                self._sink.publish(*self._unpublished)
            self._unpublished = None

    def _open(self) -> None:
        """Take up the tree where it ends, and every promise that was made of it."""
        at = self._store.sealed()
        if at.size:
            self._need_same_log(at)
        key = self._key()
        kept = next(iter(self._store.checkpoints(1)), None)
        newest = of_this_key(kept.note, key) if kept is not None else None
        self._earlier = [newest.checkpoint] if newest is not None else []
        self._seen_outside = self._sink is None
        self._tree, self._at = GrowingTree(self._store, at.size), at
        self._status = SealerStatus(
            working=True,
            sealed=at.size,
            position=at.position,
            signed=newest.checkpoint.size if newest else 0,
            signed_at=newest.signed_at if newest else None,
            problem=self._status.problem,
        )

    def _look_outside(self) -> None:
        """See what was published, before anything is signed that may contradict it; publish what has not been."""
        assert self._sink is not None
        published = self._sink.newest()
        told = 0
        if published is not None:
            outside = of_this_key(published, self._key()).checkpoint
            told = outside.size
            self._earlier.append(outside)
        for kept in self._store.checkpoints(1):
            if kept.size > told:  # the process ended before it was published
                self._unpublished = (kept.size, kept.note)
        self._seen_outside = True

    def _need_same_log(self, at: Sealed) -> None:
        """Raise `Damaged` unless the log still has the last event that was sealed."""
        held = self._log.read(at.position - 1, 1, until=at.position).events
        if not held or leaf_of(held[0]) != leaf_at(self._store, at.size - 1):
            raise Damaged(
                f"the event at position {at.position}, the last that was sealed, is gone or changed: nothing more is "
                "signed. skyulf audit verify says what else is"
            )

    def _step(self) -> bool:
        """Seal the next pages; whether there may be more."""
        assert self._tree is not None
        events = self._log.read(self._at.position, PAGE).events
        if not events:
            return False
        positions: dict[int, list[int]] = defaultdict(list)
        number = self._at.size // WIDTH
        positions[number].extend(self._store.positions(number)[: self._at.size % WIDTH])
        last, pages = 0, 0
        try:
            while events:
                for recorded in events:
                    positions[self._tree.size // WIDTH].append(recorded.position)
                    self._tree.add(leaf_of(recorded))
                last, pages, more = events[-1].position, pages + 1, len(events) == PAGE
                time.sleep(0)
                events = self._log.read(last, PAGE).events if more and pages < PAGES else ()
            after = Sealed(self._tree.size, last)
            self._store.extend(self._at, after, self._tree.changed(), positions)
        except BaseException:
            self._tree = None  # it is ahead of what is kept
            raise
        self._at = after
        self._status = replace(self._status, sealed=after.size, position=after.position)
        return more

    def _sign(self) -> None:
        """Sign the tree as it is, and publish that."""
        assert self._tree is not None
        key, at = self._key(), self._now()
        checkpoint = Checkpoint(key.name, self._tree.size, self._tree.root(), key.introductions)
        for earlier in self._earlier:
            self._need_extended(earlier)
        note = signed(checkpoint, key, at)
        self._store.keep_checkpoint(Kept(checkpoint.size, note, str(key.first)))
        self._earlier = [checkpoint]
        self._signed_when = time.monotonic()
        self._status = replace(self._status, signed=checkpoint.size, signed_at=at)
        self._unpublished = (checkpoint.size, note)

    def _need_extended(self, earlier: Checkpoint) -> None:
        """Raise `Damaged` unless the tree continues one that was signed before."""
        if earlier.size > self._at.size:
            raise Damaged(
                f"a checkpoint was signed over {earlier.size} events, and the log has {self._at.size}: its end has "
                "been cut; nothing more is signed"
            )
        if root_at(self._store, earlier.size) != earlier.root:
            raise Damaged(
                f"the first {earlier.size} events are not those that a checkpoint was signed over; nothing more is "
                "signed. skyulf audit verify says what has been changed"
            )

    def _forget(self) -> None:
        self._tree = None
        self._status = replace(self._status, working=False)

    def _tell(self, error: Exception) -> None:
        """Say what is wrong, once for as long as it stays the same."""
        problem = error.detail if isinstance(error, SkyulfError) else f"{type(error).__name__}: {error}"
        if problem != self._status.problem:
            fault = None if isinstance(error, SkyulfError) else error
            logger.error("events are not sealed, and will be later: %s", problem, exc_info=fault)
        self._status = replace(self._status, problem=problem)

    def _recovered(self) -> None:
        if self._status.problem is not None:
            logger.warning("events are sealed again")
            self._status = replace(self._status, problem=None)


def of_this_key(note: str, key: SigningKey) -> Opened:
    """A checkpoint that was signed before, by the key or one before it; raises `Misconfigured` when another did."""
    try:
        found = opened(note, key.first)
    except Invalid as error:
        raise Misconfigured(
            f"SKYULF_SIGNING_KEY: {error.detail}; this log goes on with the key that signed before, or its successor"
        ) from error
    known = found.checkpoint.introductions
    if known != key.introductions[: len(known)]:
        raise Misconfigured(
            f"SKYULF_SIGNING_KEY: {key.public} is an earlier key of the log, and a later one has signed: give this "
            "process the file that skyulf audit rotate-key made"
        )
    return found
