"""The sealer: what it signs, when it goes on, and what it refuses to sign."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import Clock, everything, named, sequential_ids, written
from sealed import KEY, OTHER_KEY, audit_of, history, sealed, sealer_of

from skyulf.adapters.checkpoint_files import FolderCheckpoints
from skyulf.adapters.memory_ledger import MemoryLedgerStore
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.errors import Damaged, Misconfigured, Unavailable
from skyulf.events.checkpoints import opened
from skyulf.events.keys import SigningKey
from skyulf.events.ledger import leaf_of, root_over
from skyulf.events.ledger_store import LedgerMoved
from skyulf.reactions import sealing
from skyulf.reactions.publishing import CheckpointSink
from skyulf.reactions.sealing import Sealer

PATIENCE = 30


class Told:
    """A sink in memory, which tells when something has come, and fails while it is told to."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, str]] = []
        self.came = threading.Event()
        self.away = False

    def publish(self, size: int, note: str) -> None:
        if self.away:
            raise Unavailable("the sink is away")
        self.notes.append((size, note))
        self.came.set()

    def newest(self) -> str | None:
        if self.away:
            raise Unavailable("the sink is away")
        return self.notes[-1][1] if self.notes else None


def made(
    log: MemoryEventLog,
    store: MemoryLedgerStore,
    sink: CheckpointSink | None = None,
    key: SigningKey = KEY,
    leads: Callable[[], bool] = lambda: True,
) -> Sealer:
    return Sealer(log, store, sink, lambda: key, leads, Clock(), 0.01)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "PACE", 0.005)
    monkeypatch.setattr(sealing, "IDLE", 0.05)


@pytest.fixture
def following(brisk: None) -> Iterator[tuple[MemoryEventLog, Told, Sealer]]:
    """A sealer that runs over an empty log."""
    log, sink = MemoryEventLog(sequential_ids()), Told()
    with closing(made(log, MemoryLedgerStore(), sink)) as sealer:
        sealer.start()
        yield log, sink, sealer


class TestFollowing:
    def test_what_is_appended_is_signed_and_published(self, following: tuple[MemoryEventLog, Told, Sealer]) -> None:
        log, sink, sealer = following
        written(log, "pipeline-1", 0, named())
        assert sink.came.wait(PATIENCE)
        size, note = sink.notes[0]
        checkpoint = opened(note, KEY.public).checkpoint
        assert (size, checkpoint.size) == (1, 1)
        assert checkpoint.root == leaf_of(everything(log)[0])
        assert sealer.working

    def test_the_end_of_the_process_seals_what_there_is(self) -> None:
        log, store, sink = MemoryEventLog(sequential_ids()), MemoryLedgerStore(), Told()
        sealer = Sealer(log, store, sink, lambda: KEY, lambda: True, Clock(), 3600)
        sealer.start()
        written(log, "pipeline-1", 0, named())
        assert sink.came.wait(PATIENCE)
        for number in range(2, 5):
            written(log, f"pipeline-{number}", 0, named())
        sealer.close()
        assert [size for size, _ in sink.notes] == [1, 4]

    def test_one_that_does_not_lead_does_nothing(self, brisk: None) -> None:
        log, store, asked = MemoryEventLog(sequential_ids()), MemoryLedgerStore(), threading.Event()

        def leads() -> bool:
            asked.set()
            return False

        written(log, "pipeline-1", 0, named())
        with closing(made(log, store, leads=leads)) as sealer:
            sealer.start()
            assert asked.wait(PATIENCE)
        assert (store.sealed().size, store.checkpoints(1), sealer.working) == (0, (), False)

    def test_a_sink_that_is_away_gets_it_later(self, following: tuple[MemoryEventLog, Told, Sealer]) -> None:
        log, sink, sealer = following
        sink.away = True
        written(log, "pipeline-1", 0, named())
        waiting = threading.Event()
        while sealer.status().problem is None and not waiting.wait(0.005):
            pass
        assert "the sink is away" in str(sealer.status().problem)
        sink.away = False
        assert sink.came.wait(PATIENCE)
        assert sink.notes[0][0] == 1

    def test_while_what_was_published_cannot_be_seen_events_are_sealed_and_not_signed(self) -> None:
        log, store, sink = MemoryEventLog(sequential_ids()), MemoryLedgerStore(), Told()
        written(log, "pipeline-1", 0, named())
        sealer = made(log, store, sink)
        sink.away = True
        with pytest.raises(Unavailable):
            sealer.seal(sign=True)
        assert (store.sealed().size, store.checkpoints(1)) == (1, ())
        sink.away = False
        sealer.seal(sign=True)
        assert sink.notes[0][0] == 1


class TestContinuing:
    def test_another_process_goes_on_where_one_ended(self) -> None:
        events = history(700)
        log, store = sealed(events, 300)
        sealer_of(log, store).seal(sign=True)
        newest = opened(store.checkpoints(1)[0].note, KEY.public).checkpoint
        assert (newest.size, newest.root) == (700, root_over([leaf_of(event) for event in events]))

    def test_nothing_new_is_not_signed_again(self) -> None:
        log, store = sealed(history(5))
        sealer_of(log, store).seal(sign=True)
        assert len(store.checkpoints(10)) == 1

    def test_of_two_at_once_one_gives_way_and_nothing_is_spoilt(self) -> None:
        log, store = MemoryEventLog(sequential_ids()), MemoryLedgerStore()
        written(log, "pipeline-1", 0, named())
        one, two = sealer_of(log, store), sealer_of(log, store)
        one.seal(sign=False)
        two.seal(sign=False)
        written(log, "pipeline-2", 0, named())
        one.seal(sign=True)
        written(log, "pipeline-3", 0, named())
        with pytest.raises(LedgerMoved):
            two.seal(sign=True)
        two.seal(sign=True)
        assert audit_of(log, store).verify(KEY.public).fine
        assert store.sealed().size == 3

    def test_a_ledger_that_was_lost_is_made_again_alike(self, tmp_path: Path) -> None:
        log, store, sink = MemoryEventLog(sequential_ids()), MemoryLedgerStore(), FolderCheckpoints(tmp_path)
        for event in history(300):
            log._keep(event)
        made(log, store, sink).seal(sign=True)
        again = MemoryLedgerStore()
        made(log, again, sink).seal(sign=True)
        assert again.checkpoint(300) == store.checkpoint(300)

    def test_a_checkpoint_that_could_not_be_published_is_after_the_next_start(self, tmp_path: Path) -> None:
        log, store = sealed(history(5))
        sink = FolderCheckpoints(tmp_path / "outside")
        made(log, store, sink).seal(sign=True)
        assert sink.newest() == store.checkpoints(1)[0].note


class TestRefusing:
    """A sealer that signed these would make the tampering look right."""

    def test_a_log_whose_end_was_cut_is_not_signed(self) -> None:
        log, store = sealed(history(20))
        log._events[15:], log._positions[15:] = [], []
        with pytest.raises(Damaged, match="the last that was sealed, is gone or changed"):
            sealer_of(log, store).seal(sign=True)

    def test_a_log_and_ledger_that_were_both_put_back_are_not_signed(self, tmp_path: Path) -> None:
        events, sink = history(20), FolderCheckpoints(tmp_path)
        log, store = sealed(events)
        made(log, store, sink).seal(sign=True)
        earlier, earlier_store = sealed(events[:10])
        written(earlier, "pipeline-new", 0, named())
        with pytest.raises(Damaged, match="signed over 20 events, and the log has 11: its end has been cut"):
            made(earlier, earlier_store, sink).seal(sign=True)

    def test_another_history_of_the_same_length_is_not_signed(self, tmp_path: Path) -> None:
        sink = FolderCheckpoints(tmp_path)
        log, store = sealed(history(20))
        made(log, store, sink).seal(sign=True)
        other, other_store = sealed(history(30, seed=1))
        written(other, "pipeline-new", 0, named())
        with pytest.raises(Damaged, match="the first 20 events are not those"):
            made(other, other_store, sink).seal(sign=True)
        assert len(other_store.checkpoints(9)) == 1

    def test_another_key_does_not_go_on(self) -> None:
        log, store = sealed(history(5))
        with pytest.raises(Misconfigured, match="SKYULF_SIGNING_KEY: the checkpoint is not signed by the key"):
            sealer_of(log, store, OTHER_KEY).seal(sign=True)

    def test_an_operator_is_told_why_nothing_is_sealed(self, brisk: None, caplog: pytest.LogCaptureFixture) -> None:
        log, store = sealed(history(20))
        log._events[15:], log._positions[15:] = [], []
        with closing(made(log, store)) as sealer:
            sealer.start()
            waiting = threading.Event()
            while sealer.status().problem is None and not waiting.wait(0.005):
                pass
        assert "events are not sealed" in caplog.text
        assert "is gone or changed" in caplog.text
