import json

import pytest
from builders import named, record, renamed
from pydantic import ValidationError
from starlette.requests import Request

from api.problems import of_domain_error
from skyulf.events import registry
from skyulf.events.base import DomainEvent, Recorded, noun_of
from skyulf.events.pipeline import PipelineCreated, PipelineState
from skyulf.events.registry import EVENTS, EVOLVE, UPCASTERS, Undecodable, UnknownSchema, decode, replay


def classes_of(base: type[DomainEvent]) -> set[type[DomainEvent]]:
    return {found for cls in base.__subclasses__() for found in (cls, *classes_of(cls))}


def test_every_event_class_is_registered_under_a_name_of_its_own() -> None:
    written = {cls for cls in classes_of(DomainEvent) if cls.__module__.startswith("skyulf.")}
    assert set(EVENTS.values()) == written
    assert sum(len(registry.classes_of(noun)) for noun in registry.UNIONS) == len(EVENTS)
    assert len({cls.stored_name() for cls in EVENTS.values()}) == len(EVENTS)


def test_stored_names_are_no_python_paths() -> None:
    assert PipelineCreated.stored_name() == "PipelineCreated@1"


def test_every_noun_evolves() -> None:
    assert set(EVOLVE) == set(registry.UNIONS)


def test_every_older_schema_has_an_upcaster() -> None:
    older = {f"{name}@{schema}" for name, cls in EVENTS.items() for schema in range(1, cls.SCHEMA)}
    assert set(UPCASTERS) == older


def test_events_are_frozen_and_closed() -> None:
    event = named()
    with pytest.raises(ValidationError, match="frozen"):
        event.name = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        PipelineCreated(name="a", spec={}, colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "recorded",
    [
        record(named(), 7, type="PipelineInvented"),
        record(named(), 7, schema=2),
        record(named(), 7, data=b'{"name":"SECRET"}'),
        record(named(), 7, data=b'{"name":5,"spec":{}}'),
        record(named(), 7, data=b"not JSON SECRET"),
        record(named(), 7, schema=0),
        record(named(), 7, schema=-1),
    ],
)
def test_what_cannot_be_read_is_told_by_position_and_without_its_data(recorded: Recorded) -> None:
    with pytest.raises(Undecodable, match="position 7") as caught:
        decode(recorded)
    assert "SECRET" not in caught.value.detail
    assert recorded.name in caught.value.detail


class TestUpcasting:
    @pytest.fixture(autouse=True)
    def _third_schema(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the name had been called ``title`` at first, and there had been no spec until the third schema."""
        monkeypatch.setattr(PipelineCreated, "SCHEMA", 3)
        upcasters = {
            "PipelineCreated@1": lambda data: {"name": data["title"]},
            "PipelineCreated@2": lambda data: {**data, "spec": {}},
        }
        monkeypatch.setattr(registry, "UPCASTERS", upcasters)

    @pytest.mark.parametrize(
        ("schema", "data"), [(1, {"title": "a"}), (2, {"name": "a"}), (3, {"name": "a", "spec": {}})]
    )
    def test_every_schema_is_brought_to_the_present_shape(self, schema: int, data: dict[str, object]) -> None:
        recorded = record(named(), 1, schema=schema, data=json.dumps(data).encode())
        assert decode(recorded) == named("a")

    def test_a_step_that_is_missing_or_fails_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(Undecodable, match="PipelineCreated@1 does not decode"):
            decode(record(named(), 1, schema=1, data=b'{"other":"a"}'))
        monkeypatch.setattr(registry, "UPCASTERS", {})
        with pytest.raises(Undecodable, match="no upcaster leads from it to PipelineCreated@3"):
            decode(record(named(), 1, schema=2, data=b'{"name":"a"}'))


def test_replaying_a_stream() -> None:
    events = [record(named("a"), 1), record(renamed("b"), 2, version=2)]
    assert replay("pipeline-1", None, events) == PipelineState(name="b", spec={})
    assert replay("pipeline-1", replay("pipeline-1", None, events[:1]), events[1:]).name == "b"
    assert replay("pipeline-1", None, []) is None


@pytest.mark.parametrize(
    ("stream", "noun"), [("job-0192-3", "job"), ("model-my-model", "model"), ("deployment-a.b", "deployment")]
)
def test_a_streams_noun_is_what_it_begins_with(stream: str, noun: str) -> None:
    assert noun_of(stream) == noun
    assert record(named(), stream=stream).noun == noun


def test_of_two_versions_of_the_code_the_older_says_that_another_process_may_answer() -> None:
    """While processes are upgraded one after the other, a proxy asks the next one."""
    with pytest.raises(UnknownSchema) as unknown:
        decode(record(named(), 7, schema=2))
    with pytest.raises(Undecodable) as damaged:
        decode(record(named(), 7, data=b"not JSON"))
    answers = [of_domain_error(Request({"type": "http"}), raised.value) for raised in (unknown, damaged)]
    assert [answer.status_code for answer in answers] == [503, 500]
    assert answers[0].headers["Retry-After"] == "10"
