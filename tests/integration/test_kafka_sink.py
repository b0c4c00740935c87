"""The sink on a real broker: what is published, what is refused, and what is said when something is wrong."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from builders import dataset_created, everything, job_created, named, record, renamed, version_added, written
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from services.kafka import USERS, ApacheKafka, Broker
from topics import cluster, messages, published, repeats

from skyulf.adapters import kafka_client
from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.kafka_feed import KafkaFeed
from skyulf.adapters.kafka_sink import KafkaSink, partition_of
from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.adapters.system import now
from skyulf.errors import Misconfigured, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.registry import EVOLVE
from skyulf.reactions.relay import Mark, Relay, Superseded

PATIENCE = 60.0


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@pytest.fixture
def kafka(broker: Broker) -> Kafka:
    return cluster(broker.bootstrap)


@contextmanager
def opened(kafka: Kafka, name: str = "one") -> Iterator[KafkaSink]:
    sink = KafkaSink(kafka, name, EVOLVE)
    try:
        sink.open()
        yield sink
    finally:
        sink.close()


@contextmanager
def relaying(kafka: Kafka, log: MemoryEventLog, name: str = "one") -> Iterator[Relay]:
    relay = Relay(log, KafkaSink(kafka, name, EVOLVE), now)
    relay.start()
    try:
        yield relay
    finally:
        relay.close()


def caught_up(relay: Relay, log: MemoryEventLog) -> Callable[[], bool]:
    return lambda: relay.status().position == log.head()


def events(count: int, stream: str = "job-1", first: int = 1) -> tuple[Recorded, ...]:
    return tuple(record(job_created(), first + nth, stream, first + nth) for nth in range(count))


def test_a_log_is_in_the_topics_whole_and_in_order(kafka: Kafka, memory_log: MemoryEventLog) -> None:
    written(memory_log, "dataset-1", 0, dataset_created(), version_added())
    for number in range(120):
        written(memory_log, f"pipeline-{number % 40}", number // 40, named() if number < 40 else renamed())
        written(memory_log, f"job-{number}", 0, job_created())
    with relaying(kafka, memory_log) as relay:
        until(caught_up(relay, memory_log))
        written(memory_log, "job-later", 0, job_created())
        until(caught_up(relay, memory_log))
    with relaying(kafka, memory_log, "another") as relay:
        written(memory_log, "job-even-later", 0, job_created())
        until(caught_up(relay, memory_log))
    assert published(kafka) == everything(memory_log)
    for message in messages(kafka):
        headers = dict(message.headers)
        assert message.key == headers["ce_subject"] == headers["ce_partitionkey"]
        assert message.topic == f"{kafka.prefix}.{message.key.decode().partition('-')[0]}"
        assert message.partition == partition_of(message.key, kafka.partitions)


def test_who_opens_last_publishes_and_nobody_else(kafka: Kafka) -> None:
    with opened(kafka, "one") as one:
        one.publish(events(3))
        with opened(kafka, "two") as two:
            with pytest.raises(Superseded):
                one.publish(events(2, first=4))
            two.publish(events(2, first=4))
            with pytest.raises(Superseded):
                one.leave()
    assert published(kafka) == list(events(5))


def test_what_was_begun_and_not_committed_is_never_seen(kafka: Kafka) -> None:
    """The first relay stops when all its messages are with the broker, before it commits."""
    with opened(kafka, "one") as one:
        one.publish(events(1))
        sent, go_on = threading.Event(), threading.Event()
        producer: Any = one._producer
        commit = producer.commit_transaction

        def stopped() -> None:
            sent.set()
            assert go_on.wait(PATIENCE)
            commit()

        producer.commit_transaction = stopped
        failures: list[Exception] = []

        def publish() -> None:
            try:
                one.publish(events(3, first=2))
            except Superseded as error:
                failures.append(error)

        thread = threading.Thread(target=publish)
        thread.start()
        assert sent.wait(PATIENCE)
        assert len(messages(kafka, "read_uncommitted")) == 4, "they are there, but not committed"
        sink = KafkaSink(kafka, "two", EVOLVE)
        assert sink.open() == Mark(1, events(1)[0].id)
        go_on.set()
        thread.join()
        assert failures, "the first is told that it is not its turn"
        sink.publish(events(3, first=2))
        sink.close()
    assert [recorded.position for recorded in published(kafka)] == [1, 2, 3, 4]


def test_the_mark_is_found_behind_many_signs_of_life(kafka: Kafka) -> None:
    """Signs without events, and transactions that were given up, lie behind it."""
    with opened(kafka) as sink:
        sink.publish(events(2))
        for _ in range(60):
            sink.publish(())
    for _ in range(3):
        with opened(kafka) as sink:
            producer: Any = sink._producer
            producer.begin_transaction()
            producer.send(kafka.relay, b"never", key=b"relay", partition=0).get(PATIENCE)
    sink = KafkaSink(kafka, "next", EVOLVE)
    assert sink.open() == Mark(2, events(2)[1].id)
    sink.close()


def test_a_place_is_vacant_until_taken_and_once_it_is_left(kafka: Kafka) -> None:
    with opened(kafka, "one") as one:
        two = KafkaSink(kafka, "two", EVOLVE)
        assert two.vacant(), "nobody ever worked"
        one.publish(())
        until(lambda: not two.vacant())
        one.leave()
        until(two.vacant)
        two.close()


def test_an_event_that_is_too_large_is_published_by_reference(broker: Broker, memory_log: MemoryEventLog) -> None:
    kafka = cluster(broker.bootstrap, message_bytes=100_000)
    written(memory_log, "job-1", 0, job_created())
    written(memory_log, "job-2", 0, job_created(spec={"notes": "x" * 99_000}))
    written(memory_log, "job-3", 0, job_created(spec={"notes": "x" * 90_000}))
    with relaying(kafka, memory_log) as relay:
        until(caught_up(relay, memory_log))
    of_stream = {message.key: message for message in messages(kafka)}
    assert len(of_stream) == 3
    reference = dict(of_stream[b"job-2"].headers)["ce_dataref"]
    assert (reference, of_stream[b"job-2"].value) == (b"/v1/events?after=1&limit=1", b"")
    assert not [key for key, message in of_stream.items() if key != b"job-2" and "ce_dataref" in dict(message.headers)]


def test_a_topic_that_takes_less_than_is_set_is_heeded(broker: Broker, memory_log: MemoryEventLog) -> None:
    kafka = cluster(broker.bootstrap)
    options = {"num_partitions": 3, "configs": {"max.message.bytes": "50000"}}
    admin = Kafka(broker.bootstrap).connect(KafkaAdminClient)
    admin.create_topics({kafka.topic("job"): options})
    admin.close()
    written(memory_log, "job-1", 0, job_created(spec={"notes": "x" * 60_000}))
    with relaying(kafka, memory_log) as relay:
        until(caught_up(relay, memory_log))
    (message,) = messages(kafka)
    assert "ce_dataref" in dict(message.headers)


def test_the_number_of_partitions_is_fixed(broker: Broker) -> None:
    kafka = cluster(broker.bootstrap, partitions=3)
    with opened(kafka):
        pass
    changed = cluster(broker.bootstrap, prefix=kafka.prefix, partitions=4)
    with pytest.raises(Misconfigured, match=rf"SKYULF_KAFKA_PARTITIONS: the topic {kafka.prefix}\.\w+ has 3 .* not 4"):
        KafkaSink(changed, "one", EVOLVE).vacant()


def test_more_replicas_than_brokers_are_refused_by_name(broker: Broker) -> None:
    kafka = cluster(broker.bootstrap, replication=9)
    with pytest.raises(Misconfigured, match="SKYULF_KAFKA_REPLICATION"):
        KafkaSink(kafka, "one", EVOLVE).vacant()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are given up sooner."""
    monkeypatch.setattr(kafka_client, "TIMEOUTS", {**kafka_client.TIMEOUTS, "bootstrap_timeout_ms": 800})


def test_nobody_at_the_address(memory_log: MemoryEventLog, hasty: None) -> None:
    kafka = cluster("127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"SKYULF_KAFKA_BOOTSTRAP: no broker answers at 127\.0\.0\.1:1"):
        KafkaSink(kafka, "one", EVOLVE).vacant()
    threads = threading.active_count()
    with relaying(kafka, memory_log) as relay:
        until(lambda: relay.status().problem)
        begun = time.monotonic()
    assert time.monotonic() - begun < 6, "it ends though nobody answers"
    assert threading.active_count() <= threads, "nothing is left behind by tries that failed"


# Who may


def secured(broker: ApacheKafka, user: str, password: str | None = None, **changes: Any) -> Kafka:
    security = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": user,
        "sasl_plain_password": password or USERS[user],
        "ssl_cafile": str(broker.ca),
        **changes,
    }
    return cluster(broker.secure, security=security)


def grant(broker: ApacheKafka, user: str, kind: ResourceType, name: str, *operations: ACLOperation) -> None:
    """Give rights on everything whose name begins with ``name``."""
    admin = Kafka(broker.bootstrap).connect(KafkaAdminClient)
    pattern = ResourcePattern(kind, name, ACLResourcePatternType.PREFIXED)
    allow = ACLPermissionType.ALLOW
    admin.create_acls([ACL(f"User:{user}", "*", operation, allow, pattern) for operation in operations])
    admin.close()


def test_with_the_rights_that_the_guide_lists(own_broker: ApacheKafka, memory_log: MemoryEventLog) -> None:
    """docs/kafka.md: what the relay's user needs, and over TLS."""
    kafka = secured(own_broker, "skyulf")
    of = ACLOperation
    rights = (of.CREATE, of.DESCRIBE, of.DESCRIBE_CONFIGS, of.READ, of.WRITE)
    grant(own_broker, "skyulf", ResourceType.TOPIC, f"{kafka.prefix}.", *rights)
    grant(own_broker, "skyulf", ResourceType.TRANSACTIONAL_ID, kafka.relay, of.DESCRIBE, of.WRITE)
    written(memory_log, "job-1", 0, job_created())
    with relaying(kafka, memory_log) as relay:
        until(lambda: relay.status().problem or caught_up(relay, memory_log)())
        assert relay.status().problem is None
        grant(own_broker, "skyulf", ResourceType.GROUP, kafka.workers, of.READ)
        with closing(KafkaFeed(kafka, "job", ("JobCreated",))) as feed:
            numbers = itertools.count(2)
            until(lambda: written(memory_log, f"job-{next(numbers)}", 0, job_created()) and feed.poll(0.1))
        until(caught_up(relay, memory_log))
    assert published(cluster(own_broker.bootstrap, prefix=kafka.prefix)) == everything(memory_log)


def test_without_the_right_to_the_group(own_broker: ApacheKafka, caplog: pytest.LogCaptureFixture) -> None:
    kafka = secured(own_broker, "nobody")
    of = ACLOperation
    grant(own_broker, "nobody", ResourceType.TOPIC, kafka.prefix, of.CREATE, of.DESCRIBE_CONFIGS, of.READ, of.WRITE)
    sink = KafkaSink(kafka, "one", EVOLVE)
    assert sink.vacant()
    sink.close()
    with closing(KafkaFeed(kafka, "job", ("JobCreated",))):
        until(lambda: f"lacks Read on the group {kafka.workers}" in caplog.text)


def test_without_rights_on_topics(own_broker: ApacheKafka) -> None:
    kafka = secured(own_broker, "nobody")
    with pytest.raises(Misconfigured, match=rf"may not see the topic {kafka.prefix}\.\w+.*docs/kafka.md"):
        KafkaSink(kafka, "one", EVOLVE).vacant()


def test_without_the_right_to_make_topics(own_broker: ApacheKafka) -> None:
    kafka = secured(own_broker, "nobody")
    grant(own_broker, "nobody", ResourceType.TOPIC, kafka.prefix, ACLOperation.DESCRIBE)
    with pytest.raises(Misconfigured, match=rf"the topic {kafka.prefix}\.\w+ is missing.*grant Create"):
        KafkaSink(kafka, "one", EVOLVE).vacant()


def test_without_the_right_to_the_transactional_id(own_broker: ApacheKafka) -> None:
    kafka = secured(own_broker, "nobody")
    of = ACLOperation
    grant(own_broker, "nobody", ResourceType.TOPIC, kafka.prefix, of.CREATE, of.DESCRIBE_CONFIGS, of.READ, of.WRITE)
    with pytest.raises(Misconfigured, match=rf"Write on the transactional id {kafka.relay}"):
        KafkaSink(kafka, "one", EVOLVE).open()


def test_a_wrong_password(own_broker: ApacheKafka, hasty: None) -> None:
    kafka = secured(own_broker, "skyulf", "a-guess")
    with pytest.raises((Misconfigured, Unavailable), match="SKYULF_KAFKA_SASL_PASSWORD"):  # as far as it is heard
        KafkaSink(kafka, "one", EVOLVE).vacant()
    assert "a-guess" not in repr(kafka)


def test_a_certificate_that_is_not_trusted(own_broker: ApacheKafka, hasty: None) -> None:
    kafka = secured(own_broker, "skyulf", ssl_cafile=None)
    with pytest.raises(Misconfigured, match="SKYULF_KAFKA_SSL_CAFILE"):
        KafkaSink(kafka, "one", EVOLVE).vacant()


# When the broker dies


def test_the_broker_is_killed_and_comes_back(own_broker: ApacheKafka, memory_log: MemoryEventLog) -> None:
    """Commands go on meanwhile. Then everything is in the topics, in order and once, and workers are woken again."""
    kafka = cluster(own_broker.bootstrap)
    over = threading.Event()

    def append() -> None:
        for number in itertools.count():
            written(memory_log, f"job-{number}", 0, job_created())
            if over.wait(0.005):
                return

    appender = threading.Thread(target=append)
    with relaying(kafka, memory_log) as relay, closing(KafkaFeed(kafka, "job", ("JobCreated",))) as feed:
        until(lambda: relay.status().working)
        appender.start()
        until(lambda: feed.poll(0.1))
        own_broker.kill()
        head = memory_log.head()
        begun = time.monotonic()
        feed.poll(0.1)
        assert time.monotonic() - begun < 5, "the worker is not held up"
        until(lambda: memory_log.head() > head + 50)
        away = relay.status()
        assert not away.working or away.lag
        own_broker.start()
        back = memory_log.head()
        until(lambda: any(event.position > back for event in feed.poll(0.1)))
        over.set()
        appender.join()
        until(caught_up(relay, memory_log))
    found = published(kafka)
    assert {recorded.position for recorded in found} == {recorded.position for recorded in everything(memory_log)}
    assert repeats(found) == 0
