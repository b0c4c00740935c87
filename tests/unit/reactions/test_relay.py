"""The relay over a sink in memory: everything is published in order, once, whatever fails and whoever takes over."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from builders import NOW, Clock, everything, named, renamed, written

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.memory_sink import MemorySink, MemoryTopics
from skyulf.errors import Unavailable
from skyulf.events.base import Recorded
from skyulf.reactions import relay as relay_module
from skyulf.reactions.relay import Mark, Relay, Superseded

PATIENCE = 20.0


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


@contextmanager
def relaying(log: MemoryEventLog, sink: MemorySink) -> Iterator[Relay]:
    relay = Relay(log, sink, Clock())
    relay.start()
    try:
        yield relay
    finally:
        relay.close()


def filled(log: MemoryEventLog, streams: int = 10) -> None:
    for number in range(streams):
        written(log, f"pipeline-{number}", 0, named(str(number)), renamed())


def test_everything_is_published_in_order_and_so_is_what_comes_later(memory_log: MemoryEventLog) -> None:
    topics = MemoryTopics()
    filled(memory_log)
    with relaying(memory_log, MemorySink(topics)):
        until(lambda: len(topics.events) == 20)
        written(memory_log, "pipeline-1", 2, renamed("c"))
        until(lambda: len(topics.events) == 21)
    assert topics.events == everything(memory_log)


def test_the_next_one_goes_on_where_the_last_one_ended(memory_log: MemoryEventLog) -> None:
    topics = MemoryTopics()
    for _ in range(3):
        filled(memory_log, 0)
        written(memory_log, f"pipeline-{memory_log.head()}", 0, named(), renamed())
        with relaying(memory_log, MemorySink(topics)):
            until(lambda: len(topics.events) == memory_log.head())
    assert topics.events == everything(memory_log)


class Flaky(MemorySink):
    """Fails in every way, again and again, before or after what was asked was done."""

    def __init__(self, topics: MemoryTopics) -> None:
        super().__init__(topics)
        self._random = random.Random(7)

    def _maybe(self) -> None:
        chance = self._random.random()
        if chance < 0.2:
            raise Unavailable("the broker is away")
        if chance < 0.25:
            raise KeyError("a fault of a library")

    def vacant(self) -> bool:
        self._maybe()
        return True

    def open(self) -> Mark | None:
        self._maybe()
        return super().open()

    def publish(self, events: Sequence[Recorded]) -> None:
        self._maybe()
        super().publish(events)
        self._maybe()


def test_nothing_is_skipped_or_repeated_where_the_sink_fails(
    memory_log: MemoryEventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay_module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(relay_module, "LAST_PAUSE", 0.01)
    filled(memory_log, 100)
    topics = MemoryTopics()
    with relaying(memory_log, Flaky(topics)):
        until(lambda: len(topics.events) >= 200)
    assert topics.events == everything(memory_log)
    assert any("KeyError" in message for message in caplog.messages)
    told = [message for message in caplog.messages if message.endswith("the broker is away")]
    assert told, "what is wrong is said"


def test_while_it_stays_the_same_a_problem_is_told_once(
    memory_log: MemoryEventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay_module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(relay_module, "LAST_PAUSE", 0.002)
    filled(memory_log, 1)
    away = threading.Event()
    away.set()
    looks: list[int] = []

    class Away(MemorySink):
        def vacant(self) -> bool:
            looks.append(1)
            if away.is_set():
                raise Unavailable("the broker is away")
            return super().vacant()

    topics = MemoryTopics()
    with caplog.at_level(logging.WARNING), relaying(memory_log, Away(topics)) as relay:
        until(lambda: len(looks) > 20)
        assert relay.status().problem == "the broker is away"
        assert not relay.status().working
        away.clear()
        until(lambda: len(topics.events) == 2)
        until(lambda: relay.status().problem is None)
    assert caplog.messages == [
        "events are not published, and will be later: the broker is away",
        "events are published again",
    ]


def test_its_lag_is_told(memory_log: MemoryEventLog) -> None:
    held = threading.Event()
    entered = threading.Event()

    class Held(MemorySink):
        def publish(self, events: Sequence[Recorded]) -> None:
            if events:
                entered.set()
                assert held.wait(PATIENCE)
            super().publish(events)

    filled(memory_log, 3)
    clock = Clock(NOW)
    clock.move(42)
    relay = Relay(memory_log, Held(MemoryTopics()), clock)
    relay.start()
    try:
        assert entered.wait(PATIENCE)
        status = relay.status()
        assert (status.working, status.position, status.lag, status.seconds) == (True, 0, 6, 42.0)
        held.set()
        until(lambda: relay.status().lag == 0)
        assert relay.status().seconds == 0.0
    finally:
        held.set()
        relay.close()


def test_one_works_and_another_takes_over_when_it_leaves(memory_log: MemoryEventLog) -> None:
    topics = MemoryTopics()
    with relaying(memory_log, MemorySink(topics)) as first:
        until(lambda: first.status().working)
        with relaying(memory_log, MemorySink(topics)) as second:
            filled(memory_log)
            until(lambda: len(topics.events) == 20)
            assert not second.status().working
            first.close()
            written(memory_log, "pipeline-x", 0, named())
            until(lambda: len(topics.events) == 21)
            assert second.status().working
    assert topics.events == everything(memory_log)


def test_one_that_was_taken_for_dead_publishes_nothing_more(
    memory_log: MemoryEventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It stops in the middle of a batch for longer than the silence that the other allows it."""
    monkeypatch.setattr("skyulf.adapters.memory_sink.SILENCE", 0.2)
    stopped, entered = threading.Event(), threading.Event()
    refused: list[int] = []

    class Zombie(MemorySink):
        def publish(self, events: Sequence[Recorded]) -> None:
            if events and not stopped.is_set():
                entered.set()
                assert stopped.wait(PATIENCE)
            try:
                super().publish(events)
            except Superseded:
                refused.append(len(events))
                raise

    topics = MemoryTopics()
    filled(memory_log)
    with relaying(memory_log, Zombie(topics)) as zombie:
        assert entered.wait(PATIENCE)
        with relaying(memory_log, MemorySink(topics)) as heir:
            until(lambda: len(topics.events) == 20)
            stopped.set()
            until(lambda: refused)
            until(lambda: not zombie.status().working)
            written(memory_log, "pipeline-x", 0, named())
            until(lambda: len(topics.events) == 21)
            assert heir.status().working
    assert topics.events == everything(memory_log)
    assert any("another relay publishes now" in message for message in caplog.messages)


def test_a_mark_of_another_log_stops_it(memory_log: MemoryEventLog) -> None:
    """Topics that another log filled: this one's events would be taken for published, and never be sent."""
    filled(memory_log)
    topics = MemoryTopics()
    with relaying(memory_log, MemorySink(topics)):
        until(lambda: len(topics.events) == 20)
    numbers = iter(range(1_000, 2_000))
    other = MemoryEventLog(lambda: f"id-{next(numbers)}")
    for head in (0, 20):
        with relaying(other, MemorySink(topics)) as relay:
            until(lambda: relay.status().problem)
            assert "SKYULF_KAFKA_PREFIX: the topics hold the events of another log" in str(relay.status().problem)
        if head == 0:
            filled(other)
    assert len(topics.events) == 20


def test_batches_that_take_long_are_made_smaller(memory_log: MemoryEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that publishes shows nothing else of itself; one large batch to a slow broker would look like death."""
    monkeypatch.setattr(relay_module, "BRISK", 0.05)
    sizes: list[int] = []

    class Slow(MemorySink):
        def publish(self, events: Sequence[Recorded]) -> None:
            if events:
                sizes.append(len(events))
                time.sleep(0.002 * len(events))  # the broker's time, not the test's
            super().publish(events)

    filled(memory_log, 200)
    topics = MemoryTopics()
    with relaying(memory_log, Slow(topics)):
        until(lambda: len(topics.events) == 400)
    assert sizes[:5] == [1, 2, 4, 8, 16]
    assert max(sizes) <= 64
    assert topics.events == everything(memory_log)
