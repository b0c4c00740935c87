"""The quick reading of stored data takes nothing that the model would not take, and gives what the model gives."""

import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from skyulf.adapters.stored import data_of
from skyulf.events import cloudevents
from skyulf.events.access import CommandsDenied, KeyIssued
from skyulf.events.base import DomainEvent, Value
from skyulf.events.decoding import reader
from skyulf.events.deployment import PredictionsLogged
from skyulf.events.pipeline import PipelineCreated
from skyulf.events.registry import EVENTS, decode

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*@*.json"))

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    if kind is Any:
        return JSON
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return st.builds(kind, **{name: values(field.annotation) for name, field in kind.model_fields.items()})
    origin, parts = get_origin(kind), get_args(kind)
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), values(parts[1]), max_size=4)
    if origin is tuple and parts[-1] is ...:
        return st.lists(values(parts[0]), max_size=3).map(tuple)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, parts))
    return st.from_type(kind)


JUDGED = {KeyIssued, CommandsDenied, PredictionsLogged}
"""They hold moments, which the two libraries read otherwise; so few are ever written that pydantic reads them all."""

QUICK = [cls for cls in EVENTS.values() if cls not in JUDGED]

EVERY = st.sampled_from(sorted(QUICK, key=lambda cls: cls.__name__)).flatmap(values)
"""Some event of the vocabulary, with anything that its types allow."""


Quickly = Callable[[type[BaseModel]], Callable[[bytes], BaseModel]]


def quick(cls: type[BaseModel]) -> Callable[[bytes], BaseModel]:
    read = reader(cls)
    assert read is not None, f"{cls.__name__} has a part that skyulf/events/decoding.py does not know; teach it"
    return read


def passing(cls: type[BaseModel]) -> Callable[[bytes], BaseModel]:
    """Reads as those do who pass documents on, and then the documents, which must be readable."""
    read = reader(cls, passing=True)
    assert read is not None

    def restored(data: bytes) -> BaseModel:
        made = read(data)
        texts = {name: value for name, value in made.__dict__.items() if isinstance(value, msgspec.Raw)}
        try:
            return made.model_copy(update={name: msgspec.json.decode(text) for name, text in texts.items()})
        except ValueError as error:
            raise AssertionError("a document was taken that cannot be read") from error

    return restored


READING = pytest.mark.parametrize("quickly", [quick, passing])


def outcome(read: Callable[[bytes], BaseModel], data: bytes) -> BaseModel | None:
    """What is read, or None where it is refused."""
    try:
        return read(data)
    except ValueError:
        return None


def assert_alike(read: BaseModel, judged: BaseModel | None) -> None:
    """The same to any observer, down to the kinds of numbers."""
    assert read == judged
    assert repr(read) == repr(judged)
    assert read.model_dump_json() == judged.model_dump_json()
    assert hash(type(read)) == hash(type(judged))


@pytest.mark.parametrize("cls", QUICK, ids=lambda cls: cls.stored_name())
def test_every_event_has_a_quick_reader(cls: type[DomainEvent]) -> None:
    quick(cls)


@READING
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_example_is_read_alike(path: Path, quickly: Quickly) -> None:
    recorded = cloudevents.from_json(path.read_bytes())
    cls = EVENTS[recorded.type]
    if recorded.schema == cls.SCHEMA and cls not in JUDGED:
        assert_alike(quickly(cls)(recorded.data), cls.model_validate_json(recorded.data))
    assert type(decode(recorded)) is cls


@READING
@given(event=EVERY)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_written_is_read_alike(event: DomainEvent, quickly: Quickly) -> None:
    data = data_of(event)
    judged = outcome(type(event).model_validate_json, data)
    read = outcome(quickly(type(event)), data)
    assert (read is None) == (judged is None)
    if read is not None:
        assert_alike(read, judged)


@READING
@given(event=EVERY, harm=st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_taken_that_the_model_refuses(event: DomainEvent, harm: st.DataObject, quickly: Quickly) -> None:
    """A part of the text is exchanged for another, left out or added: it is refused, or read as the model reads it."""
    document = json.loads(data_of(event))
    document = harm.draw(st.just(harmed(document, harm.draw)))
    data = json.dumps(document, ensure_ascii=harm.draw(st.booleans())).encode(errors="surrogatepass")
    read = outcome(quickly(type(event)), data)
    if read is not None:
        assert_alike(read, outcome(type(event).model_validate_json, data))


@READING
@given(event=EVERY, harm=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_byte_that_was_hit_is_not_overlooked(event: DomainEvent, harm: st.DataObject, quickly: Quickly) -> None:
    data = bytearray(data_of(event))
    data[harm.draw(st.integers(0, len(data) - 1))] = harm.draw(st.integers(0, 255))
    read = outcome(quickly(type(event)), bytes(data))
    if read is not None:
        assert_alike(read, outcome(type(event).model_validate_json, bytes(data)))


def harmed(part: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The document with one change somewhere."""
    if isinstance(part, dict) and part and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(part)))
        rest = {name: value for name, value in part.items() if name != key}
        match draw(st.sampled_from(["within", "within", "gone", "more"])):
            case "within":
                return {**part, key: harmed(part[key], draw)}
            case "gone":
                return rest
            case _:
                return {**part, draw(st.text(max_size=5)): draw(JSON)}
    if isinstance(part, list) and part and draw(st.booleans()):
        at = draw(st.integers(0, len(part) - 1))
        return [*part[:at], harmed(part[at], draw), *part[at + 1 :]]
    return draw(JSON)


class Part(Value):
    size: int


class Whole(Value):
    parts: dict[str, Part]
    first: Part | None = None
    others: tuple[Part, ...] = ()
    notes: dict[str, Any] = {"a": []}


@pytest.mark.parametrize(
    "data",
    [
        b'{"parts":{"a":{"size":1}},"first":{"size":2},"others":[{"size":3}],"notes":{}}',
        b'{"parts":{}}',
        b'{"parts":{"a":{"size":1}},"first":null}',
    ],
)
def test_parts_of_parts_are_models_too(data: bytes) -> None:
    read = quick(Whole)(data)
    assert_alike(read, Whole.model_validate_json(data))
    assert isinstance(read, Whole)
    assert all(type(part) is Part for part in [*read.parts.values(), *read.others])


def test_what_is_filled_in_is_not_shared() -> None:
    first, second = (quick(Whole)(b'{"parts":{}}') for _ in range(2))
    assert isinstance(first, Whole)
    assert isinstance(second, Whole)
    first.notes["a"].append(1)
    assert second.notes == {"a": []}


def test_what_was_read_is_as_frozen_as_what_was_made() -> None:
    read = quick(Part)(b'{"size":1}')
    with pytest.raises(ValueError, match="frozen"):
        read.size = 2  # type: ignore[attr-defined]
    assert read.model_copy(update={"size": 2}) == Part(size=2)
    assert hash(read) == hash(Part(size=1))


class Constrained(Value):
    size: Annotated[int, Field(gt=0)]


class Checked(Value):
    size: Annotated[int, AfterValidator(abs)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    size: int


class Called(Value):
    size: int = Field(alias="Size")


class Either(Value):
    size: int | str


class Given(Value):
    part: Part = Part(size=1)


@pytest.mark.parametrize("model", [Constrained, Checked, Open, Called, Either, Given])
def test_what_a_struct_cannot_check_is_left_to_the_model(model: type[BaseModel]) -> None:
    assert reader(model) is None


@pytest.mark.parametrize(
    "spec", [b"[1]", b"5", b'"a"', b"null", b'{"a":"\xff"}', b'{"a":1,}', b'{"a":01}', b'{"a":"\\ud800"}', b"{"]
)
def test_a_document_that_is_none_is_refused_by_who_passes_it_on(spec: bytes) -> None:
    read = reader(PipelineCreated, passing=True)
    assert read is not None
    assert outcome(read, b'{"name":"a","spec":' + spec + b"}") is None


def test_a_document_is_passed_on_as_it_was_written() -> None:
    read = reader(PipelineCreated, passing=True)
    assert read is not None
    text = b'{"b":1.50,"a":"\xc3\xa9\\u00e9"}'
    assert msgspec.json.encode(read(b'{"name":"a","spec":' + text + b"}").spec) == text
