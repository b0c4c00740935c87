"""Events to workers from Kafka: the consumer group of all workers, so that each message wakes one of them.

A message is a wake-up and nothing else: its offset is committed when it is taken, before anyone acts on it, and what
is lost on the way is found in the queue of jobs. A thread of its own speaks to the brokers, so that neither their
absence nor a rebalance of the group ever holds up the worker, which has leases to renew.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CorruptRecordError, KafkaError, UnsupportedCodecError

from skyulf.adapters.kafka_client import Kafka
from skyulf.adapters.unread import UnreadShelf
from skyulf.errors import Damaged, SkyulfError, Unavailable
from skyulf.events.base import Recorded
from skyulf.events.cloudevents import DATAREF, from_headers
from skyulf.reactions.feed import Unread

POLL_MS = 250
"""How long the brokers are asked for messages at a time; an end waits for no longer."""

SESSION_MS, BEAT_MS = 10_000, 1_000
"""After so long without a sign of a worker its share of the topic goes to others; how often it gives one."""

KEPT = 10_000
"""At most so many wake-ups wait for a worker that does not ask for them; the oldest are forgotten."""

FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0
"""Seconds before a connection that failed is tried again: the first time, and at most."""

FLEETING = 2.0
"""Seconds of trouble that nobody needs to hear of: when a first relay makes the topic, a worker has looked for it."""

CLOSE_MS, FAREWELL = 1_000, 3.0
"""How long leaving the group may take, and the seconds to wait for it all; who does not leave is missed in time."""

logger = logging.getLogger(__name__)


class KafkaFeed:
    """`EventFeed` over the topic of one noun; a group that is new begins with what comes after it was formed."""

    def __init__(self, kafka: Kafka, noun: str, types: Sequence[str], unread: UnreadShelf | None = None) -> None:
        self._kafka = kafka
        self._topic = kafka.topic(noun)
        self._types = {f"skyulf.{name}".encode() for name in types}
        self._changed = threading.Condition()
        self._events: deque[Recorded] = deque(maxlen=KEPT)
        self._woken = False
        self._unread = unread or UnreadShelf()
        self._problem: str | None = None
        self._pause = FIRST_PAUSE
        self._failing_since: float | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-feed", daemon=True)
        self._thread.start()

    def poll(self, seconds: float) -> tuple[Recorded, ...]:
        """See `EventFeed.poll`."""
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._woken, seconds)
            self._woken = False
            events = tuple(self._events)
            self._events.clear()
        return events

    def wake(self) -> None:
        """See `EventFeed.wake`."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def unread(self) -> tuple[Unread, ...]:
        """See `EventFeed.unread`."""
        return self._unread.all()

    def close(self) -> None:
        """See `EventFeed.close`."""
        self._closing.set()
        self._thread.join(FAREWELL)
        self._unread.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with self._kafka.told("following the jobs"):
                    consumer = self._consumer()
                    try:
                        self._subscribe(consumer)
                        self._follow(consumer)
                    finally:
                        consumer.close(timeout_ms=CLOSE_MS)
            except Exception as error:  # noqa: BLE001 - told, and tried again: workers must go on being woken
                self._tell(error)
                self._closing.wait(self._pause)
                self._pause = min(self._pause * 2, LAST_PAUSE)

    def _consumer(self) -> KafkaConsumer:
        return self._kafka.connect(
            KafkaConsumer,
            group_id=self._kafka.workers,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=BEAT_MS,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            # What the relay sends is committed in the log already: there is nothing to wait for.
            isolation_level="read_uncommitted",
            allow_auto_create_topics=False,
        )

    def _subscribe(self, consumer: KafkaConsumer) -> None:
        """Join the group, once the topic is there: who joins before that has no share of it, and looks again late."""
        if not consumer.partitions_for_topic(self._topic):
            raise Unavailable(f"the topic {self._topic} is not there yet; a relay makes it")
        consumer.subscribe([self._topic])

    def _follow(self, consumer: KafkaConsumer) -> None:
        while not self._closing.is_set():
            polled = self._poll(consumer)
            if consumer.assignment():
                self._recovered()
            if polled:
                consumer.commit_async()
                self._give(event for records in polled.values() for event in self._readable(records))
        with contextlib.suppress(KafkaError):  # who comes next hears of them again
            consumer.commit(timeout_ms=CLOSE_MS)  # what is still on its way would be dropped by closing

    def _poll(self, consumer: KafkaConsumer) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        """New messages. Where some cannot even be unpacked, which ones is not known: their partitions are left behind.

        What else would have woken a worker from there is found in the queue.
        """
        try:
            polled: Mapping[TopicPartition, Sequence[ConsumerRecord]] = consumer.poll(POLL_MS)
        except (CorruptRecordError, UnsupportedCodecError) as error:
            reason = Damaged(f"{type(error).__name__}: messages cannot be unpacked")
            self._unread.park(f"the newest messages of {self._topic}", reason)
            consumer.seek_to_end(*consumer.assignment())
            return {}
        return polled

    def _give(self, events: Iterable[Recorded]) -> None:
        taken = list(events)
        with self._changed:
            self._events.extend(taken)
            self._changed.notify_all()

    def _readable(self, records: Iterable[ConsumerRecord]) -> Iterable[Recorded]:
        """The events that wake a worker; what cannot be read is parked."""
        for record in records:
            headers = {name: text or b"" for name, text in record.headers}
            of_ours = headers.get("ce_type", b"").startswith(b"skyulf.")
            if of_ours and headers["ce_type"] not in self._types:
                continue
            if of_ours and DATAREF in headers:  # too large to be carried here; the queue tells of the job
                continue
            place = f"offset {record.offset} of {record.topic}, partition {record.partition}"
            try:
                recorded = from_headers(headers.items(), record.value)
            except Damaged as error:
                self._unread.park(place, error)
                continue
            if self._unread.readable(recorded, f"{place}: position {recorded.position} of the log"):
                yield recorded

    def _recovered(self) -> None:
        self._pause = FIRST_PAUSE
        self._failing_since = None
        if self._problem is not None:
            logger.warning("workers are woken through Kafka again")
            self._problem = None

    def _tell(self, error: Exception) -> None:
        """Say what is wrong, once for as long as it stays the same."""
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        if self._closing.is_set() or time.monotonic() - self._failing_since < FLEETING:
            return
        problem = error.detail if isinstance(error, SkyulfError) else f"{type(error).__name__}: {error}"
        if problem != self._problem:
            fault = None if isinstance(error, SkyulfError) else error
            logger.error("workers find jobs in the queue only, once a second: %s", problem, exc_info=fault)
        self._problem = problem
