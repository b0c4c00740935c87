"""What wakes the worker, from the log and through Kafka: one suite over both."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing

import pytest
from builders import job_created, named, record, sequential_ids, written
from topics import cluster

from skyulf.adapters.kafka_feed import KafkaFeed
from skyulf.adapters.kafka_sink import KafkaSink
from skyulf.adapters.log_feed import LogFeed
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.system import now
from skyulf.events.base import Recorded
from skyulf.events.job import JobCancelRequested, JobProgressed, JobRetried
from skyulf.events.registry import EVOLVE
from skyulf.reactions.feed import WAKING, EventFeed
from skyulf.reactions.relay import Relay

PATIENCE = 60.0

FAR = 3_600.0


class Feeds:
    """A log, and whatever takes its events to feeds."""

    def __init__(self, log: MemoryEventLog, make: Callable[[], EventFeed]) -> None:
        self.log = log
        self.make = make


@pytest.fixture(params=["log", "kafka"])
def feeds(request: pytest.FixtureRequest) -> Iterator[Feeds]:
    """For each way, events of the future on the log already."""
    log = MemoryEventLog(sequential_ids())
    with ExitStack() as stack:

        def closed_in_the_end(feed: EventFeed) -> EventFeed:
            return stack.enter_context(closing(feed))

        if request.param == "log":
            yield Feeds(log, lambda: closed_in_the_end(LogFeed(log, WAKING)))
            return
        kafka = cluster(request.getfixturevalue("broker").bootstrap)
        relay = stack.enter_context(closing(Relay(log, KafkaSink(kafka, "one", EVOLVE), now)))
        relay.start()
        yield Feeds(log, lambda: closed_in_the_end(KafkaFeed(kafka, "job", WAKING)))


def heard(feeds: Sequence[EventFeed], enough: Callable[[list[Recorded]], bool]) -> list[Recorded]:
    """What the feeds give until it is enough, but for what they were tried with."""
    found: list[Recorded] = []
    deadline = time.monotonic() + PATIENCE
    while not enough(found):
        assert time.monotonic() < deadline, f"only {[(event.stream, event.type) for event in found]}"
        found += [event for feed in feeds for event in feed.poll(0.02) if not event.stream.startswith("job-try")]
    return found


def following(feeds: Feeds, others: Sequence[EventFeed] = ()) -> EventFeed:
    """A feed that hears of what happens from now on: one that has just been made may not do so yet."""
    feed = feeds.make()
    deadline = time.monotonic() + PATIENCE
    while not feed.poll(0.05):
        assert time.monotonic() < deadline
        written(feeds.log, f"job-try-{feeds.log.head()}", 0, job_created())
    for other in others:
        other.poll(0)
    return feed


def test_events_that_wake_come_in_order_and_others_do_not(feeds: Feeds) -> None:
    feed = following(feeds)
    progress = JobProgressed(attempt=1, stage="fit", fraction=0.5)
    written(feeds.log, "job-1", 0, job_created(), progress, JobCancelRequested())
    written(feeds.log, "pipeline-1", 0, named())
    written(feeds.log, "job-1", 3, JobRetried())
    found = heard([feed], lambda events: len(events) >= 3)
    assert [event.type for event in found] == ["JobCreated", "JobCancelRequested", "JobRetried"]
    assert found == [event for event in feeds.log.load({"job-1": 0})["job-1"] if event.type in WAKING]


def test_a_poll_ends_in_time_and_at_once_when_woken(feeds: Feeds) -> None:
    feed = following(feeds)
    begun = time.monotonic()
    feed.poll(0.1)
    assert time.monotonic() - begun < 5
    threading.Timer(0.1, feed.wake).start()
    begun = time.monotonic()
    feed.poll(FAR)
    assert time.monotonic() - begun < 5


def test_an_event_of_the_future_is_parked_and_the_next_ones_come(
    feeds: Feeds, caplog: pytest.LogCaptureFixture
) -> None:
    feed = following(feeds)
    head = feeds.log.head()
    of_the_future = record(JobRetried(), head + 1, "job-f", 1, schema=99)
    misshapen = record(JobRetried(), head + 2, "job-f", 2, data=b'{"surprise": 1}')
    for stored in (of_the_future, misshapen):
        feeds.log._keep(stored)
    written(feeds.log, "job-2", 0, job_created())
    (found,) = heard([feed], lambda events: bool(events) and len(feed.unread()) == 2)
    assert found.stream == "job-2"
    errors = [unread.error for unread in feed.unread()]
    assert any("JobRetried@99 is unknown to this version" in error for error in errors)
    assert any("JobRetried@1 does not decode" in error for error in errors)
    assert all(unread.place for unread in feed.unread())
    assert sum("cannot be read" in message for message in caplog.messages) == 2


def test_every_event_wakes_one_of_two_workers_at_least(feeds: Feeds) -> None:
    first = following(feeds)
    second = following(feeds, [first])
    streams = {f"job-{number}" for number in range(20)}
    for stream in streams:
        written(feeds.log, stream, 0, job_created())
    found = heard([first, second], lambda events: streams <= {event.stream for event in events})
    assert {event.stream for event in found} == streams


def test_a_feed_that_is_closed_leaves_the_work_to_others(feeds: Feeds) -> None:
    first = following(feeds)
    second = following(feeds, [first])
    begun = time.monotonic()
    second.close()
    assert time.monotonic() - begun < 5
    rounds = itertools.count()
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline
        number = next(rounds)
        streams = {f"job-{number}-{nth}" for nth in range(9)}
        for stream in streams:
            written(feeds.log, stream, 0, job_created())
        got = {event.stream for _ in range(20) for event in first.poll(0.05)}
        if streams <= got:
            return
