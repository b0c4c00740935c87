"""Reading stored data into an event's model with the checks of the model and at the speed of a JSON parser.

Pydantic's reading of JSON was a third of a rebuild. From each model a msgspec struct of the same fields and types is
made, once; what the struct takes becomes an instance of the model, as pydantic's ``model_construct`` makes one. What
it refuses, pydantic judges: it converts a little more (``1.0`` to an integer), and says what is wrong. A model with
anything that a struct cannot check, such as a validator or a constrained field, has no such reader.

Half of what is stored are documents that nobody here looks into, such as specs: fields of ``dict[str, Any]``. Who only
passes them on reads them as the text that they are, which is checked to be JSON all the same.
"""

import copy
import types
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

M = TypeVar("M", bound=BaseModel)

Convert = Callable[[Any], Any]
"""From what a struct's field holds to what the model's field holds."""

DOCUMENT = dict[str, Any]
"""The type of what is looked into by few, and passed on by most."""

PLAIN = frozenset({str, int, float, bool, type(None), Any})
"""The types that both libraries read alike."""


class Unsupported(TypeError):
    """A model has something that a struct cannot check, or would read otherwise."""


@cache
def reader(model: type[M], *, passing: bool = False) -> Callable[[bytes], M] | None:
    """What reads JSON text into an instance of ``model``, or None where a struct cannot stand for it.

    With ``passing``, a document among its fields is left as its text, a `msgspec.Raw`, which msgspec writes as it is.
    The reader raises `msgspec.MsgspecError` or `ValueError` for text that it does not take.
    """
    documents = [name for name, field in model.model_fields.items() if field.annotation == DOCUMENT] if passing else []
    if passing and not documents:
        return reader(model)
    try:
        struct, make = _struct_of(model, frozenset(documents))
    except Unsupported:
        return None
    decode = msgspec.json.Decoder(struct).decode
    if not documents:
        return lambda data: make(decode(data))

    def read(data: bytes) -> M:
        if not data.isascii():
            data.decode()  # a text that is passed over is not looked at for this
        made: M = make(decode(data))
        return made

    return read


def _document(text: msgspec.Raw) -> msgspec.Raw:
    if bytes(text)[:1] != b"{":
        raise ValueError("a document is an object")
    return text


@cache
def _struct_of(
    model: type[M], documents: frozenset[str] = frozenset()
) -> tuple[type[msgspec.Struct], Callable[[msgspec.Struct], M]]:
    """A struct of the model's fields, and what makes an instance of the model from one; ``documents`` stay text."""
    _refuse_own_ways(model)
    fields: list[tuple[str, Any, Any]] = []
    nested: list[tuple[str, Convert]] = []
    for name, field in model.model_fields.items():
        kind, convert = (msgspec.Raw, _document) if name in documents else _translated(field.annotation)
        fields.append((name, kind, _default_of(field, converts=convert is not None)))
        if convert is not None:
            nested.append((name, convert))
    struct = msgspec.defstruct(model.__name__, fields, kw_only=True, forbid_unknown_fields=True, gc=False)
    named = set(model.model_fields)
    new, put, values_of = model.__new__, object.__setattr__, msgspec.structs.asdict

    def make(read: msgspec.Struct) -> M:
        values = values_of(read)
        for name, convert in nested:
            values[name] = convert(values[name])
        made: M = new(model)
        put(made, "__dict__", values)  # as pydantic's model_construct does, which looks at each field besides
        put(made, "__pydantic_fields_set__", named)
        put(made, "__pydantic_extra__", None)
        put(made, "__pydantic_private__", None)
        return made

    return struct, make


def _refuse_own_ways(model: type[BaseModel]) -> None:
    decorators = model.__pydantic_decorators__
    validators = (
        decorators.validators,
        decorators.field_validators,
        decorators.root_validators,
        decorators.model_validators,
    )
    if any(validators) or model.__private_attributes__ or model.model_post_init is not BaseModel.model_post_init:
        raise Unsupported(f"{model.__name__} has checks of its own")
    if set(model.model_config) - {"frozen", "extra", "ser_json_inf_nan"} or model.model_config.get("extra") != "forbid":
        raise Unsupported(f"{model.__name__} is read by rules of its own")
    for name, field in model.model_fields.items():
        if field.metadata or field.alias or field.validation_alias or field.discriminator:
            raise Unsupported(f"{model.__name__}.{name} is more than its type")


def _default_of(field: FieldInfo, *, converts: bool) -> Any:
    if field.is_required():
        return msgspec.NODEFAULT
    if converts and field.get_default(call_default_factory=True) not in (None, ()):
        raise Unsupported("a default that is made of models is none for a struct")
    if field.default_factory is not None:
        return msgspec.field(default_factory=lambda: field.get_default(call_default_factory=True))
    if isinstance(field.default, str | int | float | bool | tuple | None):
        return field.default
    return msgspec.field(default_factory=lambda: copy.deepcopy(field.default))


def _translated(kind: Any) -> tuple[Any, Convert | None]:
    """The type of a struct's field, and how what it holds becomes what the model holds; None where it is that."""
    if kind in PLAIN:
        return kind, None
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _struct_of(kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal and all(isinstance(part, str) for part in parts):
        return kind, None
    if origin in (Union, types.UnionType) and len(parts) == 2 and type(None) in parts:
        return _optional(*(part for part in parts if part is not type(None)))
    if origin is dict and parts[0] is str:
        inner, convert = _translated(parts[1])
        return dict[str, inner], None if convert is None else _converting_values(convert)  # type: ignore[valid-type]
    if origin is tuple and len(parts) == 2 and parts[1] is ...:
        inner, convert = _translated(parts[0])
        return tuple[inner, ...], None if convert is None else _converting_items(convert)  # type: ignore[valid-type]
    if origin is tuple and parts and all(part in PLAIN for part in parts):
        return kind, None
    raise Unsupported(f"{kind} is not read alike")


def _optional(kind: Any) -> tuple[Any, Convert | None]:
    inner, convert = _translated(kind)
    if convert is None:
        return inner | None, None
    return inner | None, lambda read: None if read is None else convert(read)


def _converting_values(convert: Convert) -> Convert:
    return lambda read: {key: convert(value) for key, value in read.items()}


def _converting_items(convert: Convert) -> Convert:
    return lambda read: tuple(convert(item) for item in read)
