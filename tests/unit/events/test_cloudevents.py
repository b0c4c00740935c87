"""Events leave the system as CloudEvents 1.0 and come back as they were."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from builders import full_metadata, metadata, named, record
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from hypothesis import given
from hypothesis import strategies as st

from skyulf.errors import Damaged
from skyulf.events.base import Actor, Metadata, Recorded
from skyulf.events.cloudevents import from_headers, from_json, to_headers, to_headers_by_reference, to_json

WORDS = st.text(min_size=1, max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)

RECORDED = st.builds(
    Recorded,
    position=st.integers(1, 2**63 - 1),
    stream=WORDS,
    version=st.integers(1, 2**31),
    id=WORDS,
    type=st.from_regex(r"[A-Z][A-Za-z]{0,30}", fullmatch=True),
    schema=st.integers(1, 1000),
    metadata=st.builds(
        Metadata,
        actor=st.builds(Actor, id=WORDS, kind=st.sampled_from(["human", "service", "worker"])),
        command_id=WORDS,
        fingerprint=WORDS,
        recorded_at=st.datetimes(timezones=st.just(UTC)),
        correlation_id=WORDS,
        causation_id=st.none() | WORDS,
        reason=st.none() | st.text(),
        traceparent=st.none() | WORDS,
    ),
    ordinal=st.integers(0, 1000),
    data=JSON.map(lambda value: json.dumps(value, ensure_ascii=False).encode()),
)


@given(recorded=RECORDED)
def test_what_leaves_comes_back_as_it_was(recorded: Recorded) -> None:
    line = to_json(recorded)
    assert b"\n" not in line
    assert from_json(line) == recorded
    assert from_json(line.decode()) == recorded
    assert to_json(from_json(line)) == line


@given(recorded=RECORDED)
def test_every_event_is_a_cloudevent(recorded: Recorded) -> None:
    """CloudEvents 1.0: §3 attribute names and types, §3.1 what is required, §3.2 what is optional."""
    event: dict[str, Any] = json.loads(to_json(recorded))
    data = event.pop("data")
    assert data == json.loads(recorded.data)
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in event)
    assert event["specversion"] == "1.0"
    for required in ("id", "source", "type", "subject", "dataschema", "datacontenttype"):
        assert isinstance(event[required], str)
        assert event[required]
    assert re.match(r"[a-z][a-z0-9+.-]*:", event["dataschema"]), "an absolute URI"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", event["time"]), "RFC 3339"
    assert all(isinstance(value, str | int | bool) for value in event.values()), "no nulls, no nesting"


def test_as_others_read_it() -> None:
    recorded = record(named("irises"), 7, "pipeline-1", 2, metadata=full_metadata(), ordinal=1)
    assert json.loads(to_json(recorded)) == {
        "specversion": "1.0",
        "id": recorded.id,
        "source": "skyulf",
        "type": "skyulf.PipelineCreated",
        "subject": "pipeline-1",
        "time": "2026-03-03T12:30:15.123456Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:skyulf:event:PipelineCreated@1",
        "position": 7,
        "streamversion": 2,
        "actor": "ann",
        "actorkind": "human",
        "correlationid": "request-7",
        "causationid": "command-0",
        "commandid": "command-1",
        "commandprint": "f" * 64,
        "ordinal": 1,
        "reason": full_metadata().reason,
        "traceparent": full_metadata().traceparent,
        "data": {"name": "irises", "spec": {}},
    }


def test_what_is_not_there_is_left_out() -> None:
    event = json.loads(to_json(record(named(), metadata=metadata())))
    assert not {"reason", "traceparent", "causationid"} & set(event)


def test_another_time_zone_is_the_same_moment() -> None:
    at = datetime(2026, 3, 3, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    recorded = record(named(), metadata=metadata(recorded_at=at))
    assert from_json(to_json(recorded)).metadata.recorded_at == at


GOOD: dict[str, Any] = json.loads(to_json(record(named())))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}",
        b"\xff\xfe",
        to_json(record(named()))[:-1],
        *(json.dumps({k: v for k, v in GOOD.items() if k != gone}) for gone in GOOD),
        json.dumps({**GOOD, "type": "skyulf.JobCreated"}),
        json.dumps({**GOOD, "type": "PipelineCreated"}),
        json.dumps({**GOOD, "dataschema": "urn:skyulf:event:PipelineCreated"}),
        json.dumps({**GOOD, "dataschema": "urn:skyulf:event:PipelineCreated@one"}),
        json.dumps({**GOOD, "time": "yesterday"}),
        json.dumps({**GOOD, "position": "7"}),
        json.dumps({**GOOD, "actorkind": "robot"}),
    ],
)
def test_a_line_that_is_no_event_of_ours_is_refused(line: bytes | str) -> None:
    with pytest.raises(Damaged):
        from_json(line)


@given(recorded=RECORDED)
def test_what_leaves_in_a_message_comes_back_as_it_was(recorded: Recorded) -> None:
    headers = to_headers(recorded)
    assert from_headers(headers, recorded.data) == recorded
    assert from_headers([*headers, ("traceid", b"\xff")], recorded.data) == recorded, "headers of others"


@given(recorded=RECORDED)
def test_a_message_is_a_cloudevent_to_others(recorded: Recorded) -> None:
    """Read by the specification's own SDK: the same attributes as in JSON, the stream as partition key, the data."""
    message = KafkaMessage(dict(to_headers(recorded)), recorded.stream.encode(), recorded.data)
    event = from_binary_event(message)
    expected: dict[str, Any] = json.loads(to_json(recorded))
    assert event.get_data() == expected.pop("data")
    attributes = {**event.get_attributes()}
    assert attributes.pop("partitionkey") == recorded.stream
    assert attributes.pop("time") == recorded.metadata.recorded_at
    del expected["time"]
    assert attributes == {name: str(value) for name, value in expected.items()}


def test_the_headers_of_a_message() -> None:
    recorded = record(named("irises"), 7, "pipeline-1", 2, metadata=metadata(), ordinal=1)
    assert to_headers(recorded) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", recorded.id.encode()),
        ("ce_source", b"skyulf"),
        ("ce_type", b"skyulf.PipelineCreated"),
        ("ce_subject", b"pipeline-1"),
        ("ce_time", b"2026-03-03T12:30:15.123456Z"),
        ("ce_dataschema", b"urn:skyulf:event:PipelineCreated@1"),
        ("ce_position", b"7"),
        ("ce_streamversion", b"2"),
        ("ce_actor", b"ann"),
        ("ce_actorkind", b"human"),
        ("ce_correlationid", b"command-1"),
        ("ce_commandid", b"command-1"),
        ("ce_commandprint", b"f" * 64),
        ("ce_ordinal", b"1"),
        ("ce_partitionkey", b"pipeline-1"),
        ("content-type", b"application/json"),
    ]


def test_an_event_that_is_too_large_says_where_it_is() -> None:
    recorded = record(named("irises"), 7)
    headers = to_headers_by_reference(recorded)
    assert headers == [*to_headers(recorded), ("ce_dataref", b"/v1/events?after=6&limit=1")]
    with pytest.raises(Damaged, match="after=6&limit=1"):
        from_headers(headers, b"")


MESSAGE = dict(to_headers(record(named())))


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, b""),
        ({}, None),
        ({}, b"{"),
        ({}, b"\xff"),
        *(({name: None}, b"{}") for name in MESSAGE if name != "ce_partitionkey"),
        ({"ce_type": b"skyulf.JobCreated"}, b"{}"),
        ({"ce_position": b"seven"}, b"{}"),
        ({"ce_reason": b"\xff"}, b"{}"),
        ({"ce_time": b"yesterday"}, b"{}"),
    ],
)
def test_a_message_that_is_no_event_of_ours_is_refused(changes: dict[str, bytes | None], value: bytes | None) -> None:
    headers = [(name, text) for name, text in {**MESSAGE, **changes}.items() if text is not None]
    with pytest.raises(Damaged):
        from_headers(headers, value)
