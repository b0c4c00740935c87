"""What a feed cannot read is parked where other processes see it, whatever the database does."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_read_store import MemoryReadStore
from skyulf.adapters.system import new_id
from skyulf.adapters.unread import UnreadShelf, parking
from skyulf.errors import Damaged, Unavailable
from skyulf.queries.reaction import TRAINING, ReactionRepository
from skyulf.reactions.feed import Unread

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_another_process_sees_where_it_is_why_and_since_when() -> None:
    store = MemoryReadStore()
    shelf = UnreadShelf(parking(store, TRAINING, lambda: NOON))
    shelf.park("offset 3 of skyulf.job, partition 1", Damaged("not an event of Skyulf"))
    shelf.close()
    (message,) = ReactionRepository(MemoryEventLog(new_id), store).get(TRAINING).parked
    assert (message.place, message.error, message.since) == (
        "offset 3 of skyulf.job, partition 1",
        "not an event of Skyulf",
        NOON,
    )


def test_a_database_that_is_away_holds_up_nobody_and_loses_nothing() -> None:
    away, asked, back = threading.Event(), threading.Event(), threading.Event()
    parked: list[Unread] = []

    def park(unread: Sequence[Unread]) -> None:
        asked.set()
        if not back.is_set():
            away.wait(30)
            raise Unavailable("the read models cannot be used now")
        parked.extend(unread)

    shelf = UnreadShelf(park)
    shelf.park("offset 1", Damaged("garbage"))
    assert asked.wait(30)
    shelf.park("offset 2", Damaged("garbage"))  # at once, though the first one still waits
    assert [unread.place for unread in shelf.all()] == ["offset 1", "offset 2"]
    back.set()
    away.set()
    shelf._thread.join(30) if shelf._thread else None
    assert [unread.place for unread in parked] == ["offset 1", "offset 2"]
    shelf.close()
    assert shelf.count == 2
