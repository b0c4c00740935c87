"""The library's own test cases for recorders, over the recorder that the Postgres log stands on.

They store bytes that are no JSON, in a table of their own whose column takes them. What does not apply:
AggregateRecorderTestCase wants `insert_events` to return None, where an application's recorder returns positions
(what it checks of selecting is checked below); NonInterleavingNotificationIDsBaseCase wants the positions of
transactions that run at once not to interleave, which takes the lock on the table that we do without. Tracking,
process and factory cases and subscribing do not apply: no such recorders are ours, and waking is not the recorder's.
``test_performance`` and ``test_concurrent_throughput`` only print.
"""

import itertools
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from library_cases import join_all_but, library_cases
from services.postgres import Databases

from skyulf.adapters.postgres import conninfo
from skyulf.adapters.postgres_recorder import EnvelopeDatastore, EnvelopeRecorder, Guards

_tables = itertools.count(1)


def new_recorder(url: str, schema: str) -> EnvelopeRecorder:
    """A recorder with a table of its own."""
    recorder = EnvelopeRecorder(EnvelopeDatastore(conninfo(url), schema), f"stored_{next(_tables)}", "bytea")
    recorder.create_table()
    return recorder


@pytest.fixture(scope="module")
def place(postgres: Databases) -> tuple[str, str]:
    """A database, and its schema."""
    return postgres.database(), "public"


class TestEnvelopeRecorder(library_cases().ApplicationRecorderTestCase):  # type: ignore[misc]
    # They only print how fast they were.
    test_performance = None
    test_concurrent_throughput = None

    @pytest.fixture(autouse=True)
    def _place(self, place: tuple[str, str]) -> None:
        self.place = place

    def create_recorder(self) -> EnvelopeRecorder:
        recorder = new_recorder(*self.place)
        self.addCleanup(recorder.datastore.close)
        self.addCleanup(join_all_but, threading.enumerate())
        return recorder

    def new_originator_id(self) -> str:
        return f"thing-{uuid4()}"


@pytest.fixture
def recorder(place: tuple[str, str]) -> Iterator[EnvelopeRecorder]:
    made = new_recorder(*place)
    yield made
    made.datastore.close()


def stored(version: int, stream: str = "thing-1") -> StoredEvent:
    return StoredEvent(stream, version, f"topic{version}", f"state{version}".encode())


def test_what_is_selected_of_a_stream(recorder: EnvelopeRecorder) -> None:
    assert recorder.select_events("thing-1", desc=True, limit=1) == []
    recorder.insert_events([stored(1), stored(2), stored(3)])
    recorder.insert_events([stored(1, "thing-2")])
    assert recorder.select_events("thing-1") == [stored(1), stored(2), stored(3)]
    assert recorder.select_events("thing-1", desc=True, limit=1) == [stored(3)]
    assert recorder.select_events("thing-1", lte=2, desc=True, limit=1) == [stored(2)]
    assert recorder.select_events("thing-1", gt=1, lte=2) == [stored(2)]
    assert recorder.select_events("thing-2") == [stored(1, "thing-2")]


@pytest.mark.parametrize("refused", [[1], [1, 2], [2, 1], [2, 2]])
def test_inserting_is_atomic_and_fails_as_the_library_says(recorder: EnvelopeRecorder, refused: list[int]) -> None:
    recorder.insert_events([stored(1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(version) for version in refused])
    assert recorder.select_events("thing-1") == [stored(1)]


def test_a_command_is_recorded_once(recorder: EnvelopeRecorder) -> None:
    """By the constraint alone: whoever goes past the guards is stopped as well."""

    def insert(events: list[StoredEvent], keys: Any) -> None:
        with recorder.datastore.get_connection() as connection:
            recorder.append(connection, Guards(), events, keys)

    insert([stored(1)], [("ann", "key", 0)])
    with pytest.raises(IntegrityError):
        insert([stored(2)], [("ann", "key", 0)])
    insert([stored(2), stored(3)], [("bob", "key", 0), ("ann", "key", 1)])
