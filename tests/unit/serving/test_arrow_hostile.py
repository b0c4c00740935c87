"""A stream may be cut, damaged or made to harm: it is read whole, or refused with a reason, in bounded memory."""

import datetime as dt
import io
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skyulf.core.rows import Columns, RowReader
from skyulf.core.state import InputColumn
from skyulf.errors import Fault, Invalid
from skyulf.serving import arrow
from skyulf.serving.arrow_sizes import messages_of, unpacked_bytes

SCHEMA = [
    InputColumn("size", "number", nullable=True),
    InputColumn("colour", "string", nullable=True),
    InputColumn("heavy", "boolean", nullable=True),
    InputColumn("sold", "datetime", nullable=True),
]
READER = RowReader(SCHEMA)
COLUMNS = {
    "size": pa.array([1.5, None, 3]),
    "colour": pa.array(["a", "bb", None]).dictionary_encode(),
    "heavy": pa.array([True, None, False]),
    "sold": pa.array([dt.datetime(2026, 1, 2, tzinfo=dt.UTC), None, None], pa.timestamp("ns", "UTC")),
    "nested": pa.array([[{"a": 1, "b": "x"}], None, []]),
    "view": pa.array(["x", "y" * 40, None], pa.string_view()),
    "nothing": pa.nulls(3),
}
BATCH = pa.RecordBatch.from_pydict(COLUMNS)


def stream_of(batch: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def outcome(body: bytes) -> tuple[Columns, tuple[Fault, ...]]:
    try:
        return arrow.read(body, READER), ()
    except Invalid as invalid:
        return {}, invalid.faults


STREAMS = [stream_of(BATCH), stream_of(BATCH, compression="lz4"), stream_of(BATCH, compression="zstd")]
EDGES = st.sampled_from([b"\xff\xff\xff\x7f", b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80", b"\xff" * 7 + b"\x7f", b"\0" * 8])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = bytearray(draw(st.sampled_from(STREAMS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(body) - 1))
        change = draw(st.one_of(EDGES, st.binary(min_size=1, max_size=2)))
        body[at : at + len(change)] = change
    return bytes(body[: draw(st.one_of(st.just(len(body)), st.integers(0, len(body))))])


@settings(max_examples=1_000, deadline=None)
@given(damaged())
@example(b"")
@example(STREAMS[0][:-1])
@example(STREAMS[0][:455] + b"\x0b" + STREAMS[0][456:])  # a dictionary of intervals, which pyarrow has no class for
def test_a_damaged_stream_is_read_or_refused(body: bytes) -> None:
    columns, faults = outcome(body)
    assert bool(columns) is not bool(faults)
    assert set(columns) in ({column.name for column in SCHEMA}, set())
    assert len({len(column) for column in columns.values()}) <= 1


@pytest.mark.parametrize("whole", STREAMS)
def test_every_cut_is_read_or_refused(whole: bytes) -> None:
    for length in range(0, len(whole), 3):
        columns, faults = outcome(whole[:length])
        assert faults or len(columns["size"]) == 3


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(codec: str, monkeypatch: Any) -> None:
    zeros = pa.RecordBatch.from_pydict({"size": pa.array([0.0] * 100_000), "colour": pa.nulls(100_000)})
    body = stream_of(zeros, compression=codec)
    assert len(body) < 10_000
    assert sum(unpacked_bytes(messages_of(body))) == 800_000
    monkeypatch.setattr(arrow, "MOST_UNPACKED", 799_999)
    before = pa.total_allocated_bytes()
    with pytest.raises(Invalid, match="too large"):
        arrow.read(body, READER)
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_buffer_that_claims_more_than_it_holds_is_refused_without_taking_that_much() -> None:
    body = stream_of(pa.RecordBatch.from_pydict({"size": pa.array([0.0] * 1_000)}), compression="zstd")
    claim = struct.pack("<q", 8_000)
    assert body.count(claim) == 1
    for claimed in (1 << 40, (1 << 63) - 1):
        with pytest.raises(Invalid, match="too large"):
            arrow.read(body.replace(claim, struct.pack("<q", claimed)), READER)
    for claimed in (7_999, 8_001, 0, -1, -2, -(1 << 63)):
        with pytest.raises(Invalid, match="not a whole Arrow stream"):
            arrow.read(body.replace(claim, struct.pack("<q", claimed)), READER)


def test_dictionaries_count_too() -> None:
    texts = pa.array(["x" * 100_000, "y" * 100_000]).dictionary_encode()
    body = stream_of(pa.RecordBatch.from_pydict({"colour": texts}), compression="zstd")
    assert sum(unpacked_bytes(messages_of(body))) > 200_000


def test_rows_without_bytes_are_counted() -> None:
    body = stream_of(pa.RecordBatch.from_arrays([pa.nulls(12_345_678)], names=["size"]))
    rows = struct.pack("<q", 12_345_678)
    assert len(body) < 1_000
    for many in (12_345_678, 1 << 40, (1 << 63) - 1):
        with pytest.raises(Invalid, match="too many rows") as caught:
            arrow.read(body.replace(rows, struct.pack("<q", many)), READER)
        assert caught.value.faults[0].message == "at most 5,000,000 rows of this model in one request"


def test_a_fault_never_holds_what_was_sent() -> None:
    body = stream_of(pa.RecordBatch.from_pydict({"size": pa.array(["secret"]), "colour": pa.array([1])}))
    with pytest.raises(Invalid) as caught:
        arrow.read(body, READER)
    assert "secret" not in str([caught.value.detail, caught.value.faults])
