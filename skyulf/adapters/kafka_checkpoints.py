"""Checkpoints in a topic of Kafka: each is a message, in order, and none takes the place of another.

The topic has one partition, is not compacted and is kept for ever by default: what was signed once is evidence, and the
newest alone would not show that two of them contradict each other. The key of a message is the log's origin, its value
the signed note, as it stands in the ledger. One that is published again, after a fault, is there twice.
"""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.kafka_topics import Topic, ensure_topics

SECONDS = 10
"""How long publishing or looking for the newest may take."""


class KafkaCheckpoints:
    """`CheckpointSink` in a topic, to which the sealer alone writes."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self._kafka = kafka
        self._topic = Topic(
            name=topic,
            partitions=1,
            replication=kafka.replication,
            configs={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
        )
        self._checked = False

    def publish(self, size: int, note: str) -> None:  # noqa: ARG002 - the port's signature; the note says it
        """See `CheckpointSink.publish`."""
        self._ensure_topic()
        with self._kafka.told("publishing a checkpoint"):
            milliseconds = SECONDS * 1_000
            producer = self._kafka.connect(
                KafkaProducer,
                acks="all",
                delivery_timeout_ms=milliseconds,
                max_block_ms=milliseconds,
                allow_auto_create_topics=False,
            )
            try:
                origin = note.partition("\n")[0].encode()
                producer.send(self._topic.name, note.encode(), key=origin, partition=0).get(SECONDS)
            finally:
                producer.close(timeout=1)

    def newest(self) -> str | None:
        """See `CheckpointSink.newest`."""
        self._ensure_topic()
        partition = TopicPartition(self._topic.name, 0)
        with self._kafka.told("looking for the newest checkpoint"):
            consumer = self._kafka.connect(KafkaConsumer, group_id=None, enable_auto_commit=False)
            try:
                consumer.assign([partition])
                end = consumer.end_offsets([partition], timeout_ms=5_000)[partition]
                if end <= consumer.beginning_offsets([partition], timeout_ms=5_000)[partition]:
                    return None
                consumer.seek(partition, end - 1)
                polled = consumer.poll(SECONDS * 1_000).get(partition)
                if not polled:
                    raise TimeoutError
                return bytes(polled[-1].value).decode()
            finally:
                consumer.close(timeout_ms=0)

    def _ensure_topic(self) -> None:
        if not self._checked:
            ensure_topics(self._kafka, [self._topic])
            self._checked = True
