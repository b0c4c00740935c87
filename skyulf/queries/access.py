"""Access keys: as they are shown, and as they are looked up at every request."""

import hashlib
import hmac
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from skyulf.events.access import AccessState, Role
from skyulf.events.base import Actor, Recorded
from skyulf.events.log import EventLog
from skyulf.events.registry import Undecodable, replay, stored_types
from skyulf.projections.access import KEYS, KeyRow
from skyulf.projections.store import ReadStore
from skyulf.queries.base import Repository

PREFIX = "sk_"
"""What every key begins with, so that one that has leaked is found by those who look for such."""

TYPES = stored_types("KeyIssued", "KeyRevoked", "RoleGranted", "RoleRevoked")

LOOK = 1.0
"""Seconds after which the log is looked at even where nothing woke: how long a key outlives its end elsewhere."""

SPACING = 0.05
"""Seconds from being woken to a look: every append wakes, and a look at each of many costs more than they do."""

PAGE = 1_000

logger = logging.getLogger(__name__)


class KeyRepository(Repository[KeyRow]):
    """Keys, by id; neither they nor their hashes stand in these rows."""

    noun = "access"

    def __init__(self, store: ReadStore) -> None:
        super().__init__(store, KEYS)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, by the key that came with it."""

    key: str
    actor: Actor
    roles: frozenset[Role]


class Keyring:
    """Every key there is, folded from the log into memory and followed: a request must not wait for a database.

    ``now`` is the clock. Keys are demanded from the first one ever issued on, whatever became of it: else the last
    one's end would open the system to everybody.
    """

    def __init__(self, log: EventLog, now: Callable[[], datetime]) -> None:
        self._log = log
        self._now = now
        self._keys: dict[str, AccessState | None] = {}
        self._position = 0
        self._reading = threading.Lock()
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._follow, name="keyring", daemon=True)

    def start(self) -> None:
        """Learn every key, and go on to follow the log."""
        self.refresh()
        self._unsubscribe = self._log.subscribe(self._woken.set)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._closing.set()
        self._woken.set()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._thread.join()

    @property
    def demanded(self) -> bool:
        """Whether a request needs a key."""
        return bool(self._keys)

    def refresh(self) -> None:
        """Take in what the log holds by now."""
        with self._reading:
            while True:
                page = self._log.read(self._position, PAGE, TYPES)
                for recorded in page.events:
                    self._take(recorded)
                moved, self._position = page.position > self._position, page.position
                if not moved or len(page.events) < PAGE:
                    return

    def find(self, key: str) -> Caller | None:
        """Whose key this is; None when it opens nothing (any more)."""
        name, _, secret = key.removeprefix(PREFIX).rpartition(".")
        stream = f"access-{name}"
        state = self._keys.get(stream)
        if state is None or not hmac.compare_digest(state.issued.hash, hash_of(secret)):
            return None
        if not state.good(self._now()):
            return None
        return Caller(stream, Actor(state.issued.actor, state.issued.kind), state.roles)

    def _take(self, recorded: Recorded) -> None:
        key = recorded.stream
        try:
            self._keys[key] = replay(key, self._keys.get(key), (recorded,))
        except (Undecodable, AssertionError):
            logger.exception("the key %s cannot be read from the log; it opens nothing", key)
            self._keys[key] = None

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001 - were this thread to end, what is revoked elsewhere would open on
                logger.warning("the keys could not be looked at: %s; those known go on to hold", error)
            self._woken.wait(LOOK)
            self._closing.wait(SPACING)
            self._woken.clear()


def key_of(stream: str, secret: str) -> str:
    """The text of a key, as its holder sends it."""
    return f"{PREFIX}{stream.removeprefix('access-')}.{secret}"


def hash_of(secret: str) -> str:
    """What is kept of a key: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
