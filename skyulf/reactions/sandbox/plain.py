"""Plain values and Skyulf's own data classes as bytes, and back: reading them runs and imports nothing.

MessagePack, in which whatever is not a scalar is an array that begins with a `_Tag`. A data class goes by its
name, and is made only where it stands in a module of Skyulf that is loaded already.
"""

import dataclasses
import enum
import functools
import operator
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

_SCALARS = frozenset({type(None), bool, float, str, bytes})


class _Tag(enum.IntEnum):
    LIST = 0
    TUPLE = 1
    DICT = 2
    INTEGER = 3
    MOMENT = 4
    RECORD = 5


def encode(value: object) -> bytes:
    """Write a value; TypeError where a part of it is neither plain nor one of Skyulf's data classes.

    ValueError for text that holds half of a surrogate pair.
    """
    return msgspec.msgpack.encode(_lower(value))


def decode(data: bytes) -> Any:
    """Read a value as it was written, tuples as tuples; ValueError for anything but what `encode` writes."""
    try:
        return _raise(msgspec.msgpack.decode(data))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"these are no plain values: {error}") from error


def _lower(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer(value)
    if dataclasses.is_dataclass(kind):
        return [_Tag.RECORD, _name_of(kind), [_lower(getattr(value, name)) for name in _fields_of(kind)]]
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} is not a plain value")


def _all(tag: _Tag) -> Callable[[Iterable[Any]], list[Any]]:
    def write(values: Iterable[Any]) -> list[Any]:
        return [tag, *(value if type(value) in _SCALARS else _lower(value) for value in values)]

    return write


def _lower_integer(value: int) -> Any:
    # MessagePack has none that are wider.
    return value if -(1 << 63) <= value < 1 << 64 else [_Tag.INTEGER, str(value)]


_WRITERS: dict[type, Callable[[Any], Any]] = {
    int: _lower_integer,
    list: _all(_Tag.LIST),
    tuple: _all(_Tag.TUPLE),
    dict: lambda value: [_Tag.DICT, [_lower(key) for key in value], [_lower(item) for item in value.values()]],
    datetime: lambda value: [_Tag.MOMENT, value.isoformat()],
}


def _raise(value: Any) -> Any:
    if type(value) is not list:
        return value
    tag = value[0]
    if tag == _Tag.LIST:
        return [_raise(item) for item in value[1:]]
    return _READERS[tag](*value[1:])


def _raise_record(name: str, values: list[Any]) -> Any:
    found = _class_of(name)
    made: Any = object.__new__(found)
    # Not through __init__: the fields are what it made of its arguments.
    for field, value in zip(_fields_of(found), values, strict=True):
        object.__setattr__(made, field, _raise(value))
    return made


_READERS: dict[int, Callable[..., Any]] = {
    _Tag.TUPLE: lambda *items: tuple(map(_raise, items)),
    _Tag.DICT: lambda keys, items: dict(zip(map(_raise, keys), map(_raise, items), strict=True)),
    _Tag.INTEGER: int,
    _Tag.MOMENT: datetime.fromisoformat,
    _Tag.RECORD: _raise_record,
}


@functools.cache
def _name_of(kind: type) -> str:
    name = f"{kind.__module__}:{kind.__qualname__}"
    if _class_of(name) is not kind:
        raise TypeError(f"{name} does not stand at the top of its module")
    return name


@functools.cache
def _fields_of(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _class_of(name: str) -> type:
    module, _, qualified = name.partition(":")
    if not module.startswith("skyulf."):
        raise TypeError(f"{name} is not one of Skyulf's")
    found = operator.attrgetter(qualified)(sys.modules[module])
    if not (isinstance(found, type) and found.__module__ == module):
        raise TypeError(f"{name} is no class of that module")
    return found
