"""Events to Kafka's topics, each batch in one transaction together with the mark of how far that has got.

All relays of a log share one transactional id: who opens the sink raises its epoch, by which the brokers refuse all
that its predecessor still sends, and abort what it had begun. Whatever fails, the producer is thrown away and a new
one begins from what is committed: only Kafka knows what became of a transaction.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress

import msgspec
from kafka import KafkaProducer
from kafka.errors import InvalidProducerEpochError, KafkaError, ProducerFencedError
from kafka.partitioner.default import murmur2
from kafka.producer.future import FutureRecordMetadata

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.kafka_marks import Marks, Sign
from skyulf.adapters.kafka_topics import ensure_topics, topic_of, topic_of_relays
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import Headers, to_headers, to_headers_by_reference
from skyulf.reactions.relay import SILENCE, Mark, Superseded

MOMENT = 0.25
"""Seconds that a look at the other relays takes."""

SEND_SECONDS = 10.0
"""How long a transaction may take; after twice that, the brokers abort one that was left open."""

OVERHEAD = 1_024
"""Bytes set aside in each message for what the protocol adds to key, headers and value."""


class KafkaSink:
    """`EventSink` over Kafka; ``name`` tells this relay from others, the topics of ``nouns`` are made ahead."""

    def __init__(self, kafka: Kafka, name: str, nouns: Iterable[str]) -> None:
        self._kafka = kafka
        self._name = name
        self._nouns = set(nouns)
        self._checked = False
        self._limit = 0
        self._mark: Mark | None = None
        self._marks: Marks | None = None
        self._producer: KafkaProducer | None = None

    def vacant(self) -> bool:
        """See `EventSink.vacant`."""
        self._ensure_topics()
        with self._kafka.told("watching the other relays"):
            marks = self._watching()
            marks.watch(MOMENT)
        last = marks.last
        return last is None or last.left or last.relay == self._name or time.monotonic() - marks.heard > SILENCE

    def open(self) -> Mark | None:
        """See `EventSink.open`."""
        self._ensure_topics()
        with self._kafka.told("beginning to publish"):
            self._producer = self._kafka.connect(
                KafkaProducer,
                transactional_id=self._kafka.relay,
                transaction_timeout_ms=int(2_000 * SEND_SECONDS),
                delivery_timeout_ms=int(1_000 * SEND_SECONDS),
                max_block_ms=int(1_000 * SEND_SECONDS),
                max_request_size=2 * self._limit,
                retry_backoff_ms=10,  # it is waited for after a transaction that is just being closed
                allow_auto_create_topics=False,
                acks="all",
            )
            self._producer.init_transactions()
            marks = self._watching()
            marks.read()  # what was committed until now is all that anyone before us ever commits
        last = marks.last
        self._mark = Mark(last.position, last.id) if last is not None and last.position else None
        return self._mark

    def publish(self, events: Sequence[Recorded]) -> None:
        """See `EventSink.publish`."""
        if unknown := {recorded.noun for recorded in events} - self._nouns:
            self._nouns |= unknown
            self._checked = False
            self._ensure_topics()
        mark = Mark(events[-1].position, events[-1].id) if events else self._mark
        self._commit(events, mark, left=False)
        self._mark = mark

    def leave(self) -> None:
        """See `EventSink.leave`."""
        self._commit((), self._mark, left=True)

    def close(self) -> None:
        """See `EventSink.close`."""
        producer, self._producer = self._producer, None
        marks, self._marks = self._marks, None
        self._checked = False
        for client in (producer, marks):
            if client is not None:
                aside(client.close)

    def _watching(self) -> Marks:
        if self._marks is None:
            self._marks = Marks(self._kafka)
        return self._marks

    def _ensure_topics(self) -> None:
        if not self._checked:
            topics = [topic_of_relays(self._kafka), *(topic_of(self._kafka, noun) for noun in sorted(self._nouns))]
            self._limit = ensure_topics(self._kafka, topics)
            self._checked = True

    def _commit(self, events: Sequence[Recorded], mark: Mark | None, *, left: bool) -> None:
        producer = self._producer
        assert producer is not None, "opened before"
        sign = Sign(self._name, mark.position if mark else 0, mark.id if mark else "", left)
        with self._kafka.told("publishing"):
            try:
                producer.begin_transaction()
                sent = [self._send(producer, recorded) for recorded in events]
                sent.append(producer.send(self._kafka.relay, msgspec.json.encode(sign), key=b"relay", partition=0))
                producer.flush(SEND_SECONDS)
                for message in sent:
                    message.get(SEND_SECONDS)
                # The library waits for this answer without an end.
                aside(producer.commit_transaction).result(SEND_SECONDS)
            except KafkaError as error:
                if is_fenced(error):
                    raise Superseded("another relay publishes now; this one stands by") from error
                raise

    def _send(self, producer: KafkaProducer, recorded: Recorded) -> FutureRecordMetadata:
        headers, value = to_headers(recorded), recorded.data
        if size_of(headers, value) > self._limit:
            headers, value = to_headers_by_reference(recorded), b""
        key = recorded.stream.encode()
        topic = self._kafka.topic(recorded.noun)
        partition = partition_of(key, self._kafka.partitions)
        return producer.send(topic, value, key=key, headers=headers, partition=partition)


def partition_of(key: bytes, partitions: int) -> int:
    """Where the messages of a key go, as Kafka's own clients reckon it, but whatever a topic is made to have later."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def size_of(headers: Headers, value: bytes) -> int:
    """About how large a message is, in bytes, and rather more than less."""
    return OVERHEAD + len(value) + sum(len(name) + len(text) + 10 for name, text in headers)


def is_fenced(error: KafkaError) -> bool:
    """Whether the error, or the one that it tells of, means that another producer has the transactional id now."""
    fenced = (ProducerFencedError, InvalidProducerEpochError)
    told = [error, error.__cause__, *error.args]
    return any(isinstance(one, fenced) for one in told) or "ProducerFenced" in str(error)


def aside(call: Callable[[], object]) -> "Future[object]":
    """Call in a thread of its own: for calls that may never come back, and must hold up neither us nor an exit."""
    outcome: Future[object] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed over
            with suppress(BaseException):
                outcome.set_exception(error)

    threading.Thread(target=run, name="kafka", daemon=True).start()
    return outcome
