"""Reads what was published to Kafka, as any other consumer would."""

import itertools
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from skyulf.adapters.kafka_client import Kafka
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import from_headers
from skyulf.events.registry import EVOLVE


def some_prefix() -> str:
    """Names that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


def cluster(bootstrap: str, **changes: Any) -> Kafka:
    """Topics of one's own, with few partitions."""
    return Kafka(**{"bootstrap": bootstrap, "prefix": some_prefix(), "partitions": 3, **changes})


def messages(kafka: Kafka, isolation: str = "read_committed") -> list[ConsumerRecord]:
    """Every message in the topics of all nouns, each partition's in its order."""
    with closing(kafka.connect(KafkaConsumer, isolation_level=isolation, enable_auto_commit=False)) as consumer:
        topics = [kafka.topic(noun) for noun in EVOLVE]
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        deadline = time.monotonic() + 30
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, "the topics could not be read to their ends"
            for records in consumer.poll(200).values():
                found += records
        return sorted(found, key=lambda message: (message.topic, message.partition, message.offset))


def published(kafka: Kafka) -> list[Recorded]:
    """Every event in the topics, by position; each partition held them in the order of the log."""
    events: list[Recorded] = []
    for _, group in itertools.groupby(messages(kafka), key=lambda message: (message.topic, message.partition)):
        of_partition = [from_headers(message.headers, message.value) for message in group]
        in_order(of_partition)
        events += of_partition
    return sorted(events, key=lambda recorded: recorded.position)


def in_order(events: Sequence[Recorded]) -> None:
    """See that each event comes for the first time only when all before it in its stream have come."""
    seen: dict[str, int] = defaultdict(int)
    for recorded in events:
        assert recorded.version <= seen[recorded.stream] + 1, f"{recorded.stream}: a version was skipped"
        seen[recorded.stream] = max(seen[recorded.stream], recorded.version)


def repeats(events: Sequence[Recorded]) -> int:
    """How many came more than once."""
    return len(events) - len({recorded.position for recorded in events})
