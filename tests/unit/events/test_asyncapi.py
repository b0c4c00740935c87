"""The document of the events is true: of what there is, and of what is sent."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from skyulf.events import cloudevents
from skyulf.events.asyncapi import document
from skyulf.events.registry import EVENTS, UNIONS, classes_of

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_classes_say() -> None:
    written = json.loads((ROOT / "docs/asyncapi.json").read_text())
    assert written == document(), "run python -m skyulf.events.asyncapi > docs/asyncapi.json"


def test_every_event_is_in_the_topic_of_its_noun_and_in_no_other() -> None:
    told = document("mine")
    for noun in UNIONS:
        channel = told["channels"][noun]
        assert channel["address"] == f"mine.{noun}"
        assert list(channel["messages"]) == [cls.__name__ for cls in classes_of(noun)]
    assert sorted(name for channel in told["channels"].values() for name in channel["messages"]) == sorted(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_as_it_is_sent_is_as_the_document_says(name: str) -> None:
    line = (ROOT / f"tests/golden/{EVENTS[name].stored_name()}.json").read_bytes()
    recorded = cloudevents.from_json(line)
    message = document()["components"]["messages"][name]
    headers = {key: value.decode() for key, value in cloudevents.to_headers(recorded)}
    jsonschema_rs.validate(message["headers"], headers)
    jsonschema_rs.validate(message["payload"], json.loads(recorded.data))
    assert set(headers) <= set(message["headers"]["properties"])
    by_reference = {key: value.decode() for key, value in cloudevents.to_headers_by_reference(recorded)}
    jsonschema_rs.validate(message["headers"], by_reference)
    assert set(by_reference) <= set(message["headers"]["properties"])


def test_another_event_is_not_as_the_document_says() -> None:
    message = document()["components"]["messages"]["JobCancelled"]
    recorded = cloudevents.from_json((ROOT / "tests/golden/JobCreated@1.json").read_bytes())
    headers = {key: value.decode() for key, value in cloudevents.to_headers(recorded)}
    for schema, sent in ((message["headers"], headers), (message["payload"], json.loads(recorded.data))):
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(schema, sent)
