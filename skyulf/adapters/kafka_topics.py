"""The topics that the relay fills: made with their settings where they are missing, and checked where they are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    NoError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from skyulf.adapters.kafka_client import Kafka
from skyulf.errors import Misconfigured, Unavailable

HOUR_MS = 3_600_000

DAY_MS = 24 * HOUR_MS

MESSAGE_BYTES = 1_048_588
"""What a topic takes when nothing else is set (Apache Kafka's ``max.message.bytes``)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str] = field(default_factory=dict)

    def wanted(self) -> dict[str, Any]:
        """What the library makes it from; -1 is the brokers' default."""
        factor = self.replication or -1
        return {"num_partitions": self.partitions, "replication_factor": factor, "configs": dict(self.configs)}


def topic_of(kafka: Kafka, noun: str) -> Topic:
    """The topic of a noun's events: kept for ever by default, since it is a copy of the log that others rely on."""
    return Topic(
        name=kafka.topic(noun),
        partitions=kafka.partitions,
        replication=kafka.replication,
        configs={
            "cleanup.policy": "delete",
            "retention.ms": str(kafka.retention_hours * HOUR_MS or -1),
            "retention.bytes": "-1",
            "max.message.bytes": str(kafka.message_bytes),
            # The brokers' clock: they refuse a message from a client whose own clock has jumped ahead.
            "message.timestamp.type": "LogAppendTime",
        },
    )


def topic_of_relays(kafka: Kafka) -> Topic:
    """The topic in which relays keep how far they have got: one partition, of which the last message counts."""
    return Topic(
        name=kafka.relay,
        partitions=1,
        replication=kafka.replication,
        configs={
            "cleanup.policy": "compact",
            "segment.ms": str(DAY_MS),
            "message.timestamp.type": "LogAppendTime",
        },
    )


def ensure_topics(kafka: Kafka, topics: Iterable[Topic]) -> int:
    """Make the topics that are missing, and see that the others fit; how large a message all of them take, in bytes.

    Raises `Misconfigured` naming the topic and the setting, and `Unavailable`.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = kafka.connect(KafkaAdminClient)
    try:
        with kafka.told("looking at the topics"):
            found = partitions_of(admin, wanted)
        if missing := [topic for name, topic in wanted.items() if name not in found]:
            with kafka.told("making the topics"):
                options = {topic.name: topic.wanted() for topic in missing}
                answer = admin.create_topics(options, timeout_ms=5_000, raise_errors=False)
            for told in answer["topics"]:
                check_made(wanted[told["name"]], told["error_code"], told["error_message"])
            with kafka.told("looking at the topics"):
                admin.wait_for_topics(list(wanted), timeout_ms=5_000)  # brokers hear of new ones one after the other
                found = partitions_of(admin, wanted)
        for name, topic in wanted.items():
            check_partitions(topic, found.get(name))
        with kafka.told("reading the topics' settings"):
            return message_bytes(admin, wanted)
    finally:
        admin.close()


def partitions_of(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """The number of partitions of each of those topics that are there."""
    found = {}
    for topic in admin.describe_topics(list(names)):
        error = for_code(topic["error_code"])
        if error is TopicAuthorizationFailedError:
            raise Misconfigured(
                f"the user of SKYULF_KAFKA_SASL_USERNAME may not see the topic {topic['name']}; "
                "grant the rights that docs/kafka.md lists"
            )
        if error is NoError:
            found[topic["name"]] = len(topic["partitions"])
        elif error is not UnknownTopicOrPartitionError:
            raise error(topic["name"])
    return found


def message_bytes(admin: KafkaAdminClient, names: Iterable[str]) -> int:
    """The largest message that each of those topics takes."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    described = admin.describe_configs(resources, config_filter="all")
    limits = [int(configs["max.message.bytes"]["value"]) for configs in described["topic"].values()]
    return min(limits, default=MESSAGE_BYTES)


def check_made(topic: Topic, code: int, said: str | None) -> None:
    """Raise what a broker's answer to a wish for a topic means, unless the topic is there now."""
    error = for_code(code)
    cannot = f"the topic {topic.name} cannot be made: {said}"
    if error in (NoError, TopicAlreadyExistsError):  # the second: another relay was quicker
        return
    if error in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise Misconfigured(
            f"the topic {topic.name} is missing, and the user of SKYULF_KAFKA_SASL_USERNAME may not make it; "
            f"grant Create on it, or make it with {topic.partitions} partitions and {dict(topic.configs)}"
        )
    if error is InvalidPartitionsError:
        raise Misconfigured(f"SKYULF_KAFKA_PARTITIONS: {cannot}")
    if error is InvalidReplicationFactorError:
        raise Misconfigured(f"SKYULF_KAFKA_REPLICATION: {cannot}")
    if error in (InvalidConfigurationError, PolicyViolationError):
        raise Misconfigured(f"SKYULF_KAFKA_MESSAGE_BYTES, SKYULF_KAFKA_RETENTION_HOURS: {cannot}")
    raise Unavailable(f"the topic {topic.name} could not be made ({said}); it is tried again")


def check_partitions(topic: Topic, there: int | None) -> None:
    """Raise unless the topic has as many partitions as are wanted: more, later, would break the order of streams."""
    if there is None:
        raise Unavailable(f"the topic {topic.name} is not to be seen yet; it is tried again")
    if there != topic.partitions:
        setting = "SKYULF_KAFKA_PARTITIONS" if topic.partitions > 1 else "SKYULF_KAFKA_PREFIX"
        raise Misconfigured(
            f"{setting}: the topic {topic.name} has {there} partitions and not {topic.partitions}; the number is fixed "
            f"when a topic is made, since a stream must stay in one. Set it to what it was then, or name another prefix"
        )
