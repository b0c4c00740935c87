"""The topic in which relays keep how far they have got: its last committed message is the mark, and a sign of life."""

import time
from collections.abc import Iterable

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from skyulf.adapters.kafka_client import Kafka
from skyulf.errors import Misconfigured, Unavailable

TAIL = 100
"""Messages from the end among which the last one is looked for at first; aborted and housekeeping ones count too."""

READ_SECONDS = 10.0
"""How long reading to the end may take."""


class Sign(msgspec.Struct, frozen=True):
    """A relay's message: its name, the last event it published, and whether it has left since.

    ``position`` is 0 and ``id`` empty before the first event.
    """

    relay: str
    position: int
    id: str
    left: bool = False


_decoder = msgspec.json.Decoder(Sign)


class Marks:
    """Reads that topic, committed messages only; for one thread. ``heard`` is when the last sign came in, monotonic.

    The library's errors are left to the caller.
    """

    def __init__(self, kafka: Kafka) -> None:
        self.last: Sign | None = None
        self.heard = time.monotonic()
        self._partition = TopicPartition(kafka.relay, 0)
        self._consumer = kafka.connect(
            KafkaConsumer, group_id=None, enable_auto_commit=False, isolation_level="read_committed"
        )
        self._consumer.assign([self._partition])
        self._found = False

    def watch(self, seconds: float) -> None:
        """Take in what comes within ``seconds``, and return when something has."""
        if not self._found:
            self.read()
        else:
            self._take(self._poll(seconds))

    def read(self) -> None:
        """Take in everything up to the end as it is now; raises `Unavailable` when that cannot be reached soon."""
        end = self._end()
        if self._found:
            self._read_to(end)
            return
        begin = self._consumer.beginning_offsets([self._partition], timeout_ms=5_000)[self._partition]
        start, length = end, TAIL
        while self.last is None and start > begin:
            start, length = max(begin, end - length), length * 10
            self._consumer.seek(self._partition, start)
            self._read_to(end)
        self._consumer.seek(self._partition, end)
        self._found = True

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close(timeout_ms=0)

    def _end(self) -> int:
        return int(self._consumer.end_offsets([self._partition], timeout_ms=5_000)[self._partition])

    def _read_to(self, end: int) -> None:
        deadline = time.monotonic() + READ_SECONDS
        while self._consumer.position(self._partition, timeout_ms=5_000) < end:
            self._take(self._poll(0.5))
            if time.monotonic() > deadline:
                raise Unavailable(f"the topic {self._partition.topic} could not be read to its end; it is tried again")

    def _poll(self, seconds: float) -> Iterable[ConsumerRecord]:
        return [record for records in self._consumer.poll(int(seconds * 1_000)).values() for record in records]

    def _take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            try:
                self.last = _decoder.decode(record.value)
            except (msgspec.DecodeError, TypeError) as error:
                raise Misconfigured(
                    f"SKYULF_KAFKA_PREFIX: the topic {record.topic} holds what no relay wrote, at offset "
                    f"{record.offset}; name another prefix, or delete that topic"
                ) from error
            self.heard = time.monotonic()
