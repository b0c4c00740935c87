"""What an Arrow stream claims to unpack to, told from its messages' headers before anything is unpacked.

pyarrow allocates what a compressed buffer claims, and offers no limit. The headers are FlatBuffers (Arrow's Message.fbs
and Schema.fbs; "FlatBuffers Internals").
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pyarrow import ipc

DAMAGED = (ValueError, struct.error)
"""What is raised where the headers are not what they should be."""

HEADER, DATA, BUFFERS, COMPRESSION = 2, 1, 2, 3
"""Fields of Message, of DictionaryBatch, and twice of RecordBatch."""


def messages_of(body: bytes) -> list[Any]:
    """The messages of a stream, which share its bytes; the first one holds the schema."""
    return list(ipc.MessageReader.open_stream(body))


def unpacked_bytes(messages: Iterable[Any]) -> Iterator[int]:
    """The size that each compressed buffer of a stream claims to have once it is unpacked."""
    for message in messages:
        if message.type in ("record batch", "dictionary"):
            metadata = memoryview(message.metadata)
            header = Table(metadata, _number("<I", metadata, 0)).table(HEADER)
            batch = header.table(DATA) if message.type == "dictionary" else header
            if batch.place(COMPRESSION) is not None:
                yield from _claims(batch, memoryview(message.body))


class Table:
    """A table of FlatBuffers: where its fields stand is told by a vtable before it."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - _number("<i", data, position)
        self._size = _number("<H", data, self._vtable)

    def place(self, field: int) -> int | None:
        """Where a field stands; None when it was left out."""
        slot = 4 + 2 * field
        offset = _number("<H", self._data, self._vtable + slot) if slot < self._size else 0
        return self._position + offset if offset else None

    def table(self, field: int) -> "Table":
        """The table that a field points to."""
        return Table(self._data, self._pointed(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The structs of two longs in the vector that a field points to."""
        if self.place(field) is None:
            return
        vector = self._pointed(field)
        for at in range(vector + 4, vector + 4 + 16 * _number("<I", self._data, vector), 16):
            yield _number("<q", self._data, at), _number("<q", self._data, at + 8)

    def _pointed(self, field: int) -> int:
        place = self.place(field)
        if place is None:
            raise ValueError("a field that must be there is not")
        return place + _number("<I", self._data, place)


def _claims(batch: Table, body: memoryview) -> Iterator[int]:
    for offset, length in batch.pairs(BUFFERS):
        if length:
            claimed = _number("<q", body, offset)
            yield length if claimed < 0 else claimed  # -1: this buffer was left as it is


def _number(form: str, data: memoryview, at: int) -> int:
    if at < 0:
        raise ValueError("an offset before the beginning")
    value: int = struct.unpack_from(form, data, at)[0]
    return value
