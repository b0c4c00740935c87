"""The worker's feed on a real broker: what is on its topic that no relay wrote, and whose share a message is."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from builders import job_created, record
from kafka import KafkaProducer
from kafka.errors import UnsupportedCodecError
from services.kafka import Broker
from topics import cluster

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.kafka_feed import KafkaFeed
from skyulf.adapters.kafka_sink import KafkaSink
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import Headers, to_headers, to_headers_by_reference
from skyulf.events.job import JobProgressed, JobRetried

PATIENCE = 60.0

WAKING = ("JobCreated", "JobRetried")


class Topic:
    """The topic of jobs, for anyone to write to."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.producer = kafka.connect(KafkaProducer)
        self.numbers = iter(range(1, 10**6))

    def put(self, headers: Headers, value: bytes | None, key: bytes = b"job-1") -> None:
        self.producer.send(self.kafka.topic("job"), value, key=key, headers=headers).get(PATIENCE)

    def event(self, stream: str = "job-good") -> Recorded:
        event = record(job_created(), next(self.numbers), stream)
        self.put(to_headers(event), event.data, stream.encode())
        return event


@pytest.fixture
def topic(broker: Broker) -> Iterator[Topic]:
    kafka = cluster(broker.bootstrap)
    sink = KafkaSink(kafka, "one", ["job"])
    assert sink.vacant(), "which makes the topics"
    sink.close()
    topic = Topic(kafka)
    with closing(topic.producer):
        yield topic


def heard(feed: KafkaFeed, enough: Callable[[list[Recorded]], bool]) -> list[Recorded]:
    found: list[Recorded] = []
    deadline = time.monotonic() + PATIENCE
    while not enough(found):
        assert time.monotonic() < deadline, found
        found += feed.poll(0.05)
    return found


def ready(topic: Topic, feed: KafkaFeed) -> None:
    """Wait until the feed hears of what is put on each partition."""
    streams = {f"job-{number}" for number in range(9)}
    seen: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while not streams <= seen:
        assert time.monotonic() < deadline
        for stream in streams - seen:
            topic.event(stream)
        seen |= {event.stream for event in feed.poll(0.1)}
    topic.event("job-ready")
    heard(feed, lambda events: any(event.stream == "job-ready" for event in events))


def test_poison_is_parked_and_the_next_message_comes(topic: Topic, caplog: pytest.LogCaptureFixture) -> None:
    good = record(job_created(), 1, "job-1")
    of_the_future = record(job_created(), 2, "job-1", schema=99)
    with closing(KafkaFeed(topic.kafka, "job", WAKING)) as feed:
        ready(topic, feed)
        poison: list[tuple[Headers, bytes | None]] = [
            ([], b"not an event"),
            ([], None),
            ([("ce_type", b"\xff")], b"{}"),
            ([(name, text) for name, text in to_headers(good) if name != "ce_id"], good.data),
            (to_headers(good), None),
            (to_headers(good), b'{"spec": '),
            (to_headers(good), b'{"secret": "value of a cell"}'),
            (to_headers(of_the_future), of_the_future.data),
        ]
        for headers, value in poison:
            topic.put(headers, value)
        last = topic.event()
        assert heard(feed, lambda events: last in events) == [last]
        unread = feed.unread()
    assert len(unread) == len(poison)
    assert all(f"of {topic.kafka.topic('job')}, partition" in one.place for one in unread)
    assert "JobCreated@99 is unknown to this version of Skyulf; upgrade it" in unread[-1].error
    told = [message for message in caplog.messages if message.startswith("passed over")]
    assert len(told) == len(poison)
    assert "value of a cell" not in caplog.text


def test_messages_that_cannot_be_unpacked_are_left_behind(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those are that another client has compressed in a way that this machine has no library for."""
    with closing(KafkaFeed(topic.kafka, "job", WAKING)) as feed:
        ready(topic, feed)
        with monkeypatch.context() as patch:

            def cannot(_payload: bytes) -> bytes:
                raise UnsupportedCodecError("no library for this codec")

            patch.setattr("kafka.record.default_records.gzip_decode", cannot)
            with closing(topic.kafka.connect(KafkaProducer, compression_type="gzip")) as producer:
                producer.send(topic.kafka.topic("job"), b"{}" * 1_000, key=b"job-1").get(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while not feed.unread():
                assert time.monotonic() < deadline
                feed.poll(0.05)
        ready(topic, feed)
        assert feed.unread()[0].error == "UnsupportedCodecError: messages cannot be unpacked"


def test_what_wakes_nobody_is_passed_over_in_silence(topic: Topic) -> None:
    """Other events of jobs, those of a version to come, and an event too large to be carried: the queue has its job."""
    progress = record(JobProgressed(attempt=1, stage="fit", fraction=0.5), 1, "job-1")
    unheard_of = record(JobRetried(), 2, "job-1", type="JobPraised", schema=1)
    large = record(job_created(), 3, "job-1")
    with closing(KafkaFeed(topic.kafka, "job", WAKING)) as feed:
        ready(topic, feed)
        for event in (progress, unheard_of):
            topic.put(to_headers(event), event.data)
        topic.put(to_headers_by_reference(large), b"")
        topic.put([*to_headers(large), ("traceid", b"\xff")], large.data)
        assert heard(feed, bool) == [large]
        assert feed.unread() == ()


def test_a_worker_that_comes_back_goes_on_where_the_group_was(topic: Topic) -> None:
    with closing(KafkaFeed(topic.kafka, "job", WAKING)) as feed:
        ready(topic, feed)
    meanwhile = [topic.event(f"job-meanwhile-{number}") for number in range(5)]
    with closing(KafkaFeed(topic.kafka, "job", WAKING)) as feed:
        found = heard(feed, lambda events: len(events) >= 5)
    assert sorted(event.position for event in found) == [event.position for event in meanwhile]
