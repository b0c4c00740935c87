"""The library's own test cases for recorders, over the recorder that the SQLite log stands on.

Of the library's cases, AggregateRecorderTestCase does not apply: it wants `insert_events` to return None, where an
application's recorder returns positions (what it checks of inserting and selecting is checked below). Tracking,
process and factory cases do not apply either: no such recorders are ours. ``test_performance`` and
``test_concurrent_throughput`` only print, and subscribing is what SQLite's recorders of the library do not do.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from library_cases import join_all_but, library_cases

from skyulf.adapters.sqlite_log import EnvelopeDatastore, EnvelopeRecorder


class TestEnvelopeRecorder(library_cases().ApplicationRecorderTestCase):  # type: ignore[misc]
    # They only print how fast they were.
    test_performance = None
    test_concurrent_throughput = None

    @pytest.fixture(autouse=True)
    def _own_directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def create_recorder(self) -> EnvelopeRecorder:
        datastore = EnvelopeDatastore((self.directory / "log.db").as_uri())
        self.addCleanup(datastore.close)
        self.addCleanup(join_all_but, threading.enumerate())
        recorder = EnvelopeRecorder(datastore)
        recorder.create_table()
        return recorder

    def new_originator_id(self) -> str:
        return f"thing-{uuid4()}"


@pytest.fixture
def recorder(tmp_path: Path) -> Any:
    datastore = EnvelopeDatastore((tmp_path / "log.db").as_uri())
    recorder = EnvelopeRecorder(datastore)
    recorder.create_table()
    yield recorder
    datastore.close()


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
    insert: Callable[..., Any] = recorder.insert_events
    insert([stored(1)], command_keys=[("ann", "key", 0)])
    with pytest.raises(IntegrityError):
        insert([stored(2)], command_keys=[("ann", "key", 0)])
    insert([stored(2), stored(3)], command_keys=[("bob", "key", 0), ("ann", "key", 1)])
