"""Answers to lists: what is shown of a row stands in the answer as it stands in the row's stored text.

To read a hundred rows, make a model of each and write them as text again took most of a list's time. From a response's
model a struct is made, once, which takes from a row's text the members that are shown, each as the text that it is, and
is written as the model would be. What the model derives from the row is made as it is for one that is shown alone.
"""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, get_args, get_origin

import msgspec
from fastapi import Response as Answer
from pydantic import BaseModel

from api.schemas.base import Response
from skyulf.projections.base import Row
from skyulf.queries.base import PageOf


def answer_of(model: type[Response], row: type[Row], found: PageOf[str]) -> Answer:
    """The answer that a page of ``model`` is, made of the texts of rows of the type ``row``."""
    shown = shower(model, row)
    page = {"items": [shown(text) for text in found.items], "next_cursor": found.next_cursor}
    return Answer(msgspec.json.encode(page), media_type="application/json")


@cache
def shower(model: type[Response], row: type[Row]) -> Callable[[str], msgspec.Struct]:
    """What makes of a row's text a struct that is written as the model of that row is."""
    of_row = {field.name: field for field in msgspec.structs.fields(row)}
    fields = _fields_of(model)
    for name in fields.keys() & of_row.keys():
        if (default := _default_of(of_row[name])) is not ...:
            fields[name] = (fields[name][0], _text(default))
    if not model.derived:
        return msgspec.json.Decoder(_struct(model.__name__, fields)).decode
    reads = [of_row[name] for derived in model.derived.values() for name in derived.reads]
    read = {field.name: (field.type, _default_of(field)) for field in reads}
    taken = _struct(row.__name__, {**fields, **dict.fromkeys(model.derived, (Any, None)), **read})
    written = msgspec.defstruct(model.__name__, list(fields))
    decode, members_of = msgspec.json.Decoder(taken).decode, attrgetter(*fields)
    making = [(list(fields).index(name), derived.make) for name, derived in model.derived.items()]

    def shown(text: str) -> msgspec.Struct:
        source = decode(text)
        members = list(members_of(source))
        for place, make in making:
            members[place] = make(source)
        return written(*members)

    return shown


def _fields_of(model: type[BaseModel]) -> dict[str, tuple[Any, Any]]:
    """The type that each member of a model has in a struct, and its default; ``...`` stands for none."""
    return {
        name: (_kind_of(field.annotation), ... if field.is_required() else _text(field.default))
        for name, field in model.model_fields.items()
    }


def _struct(name: str, fields: dict[str, tuple[Any, Any]]) -> type[msgspec.Struct]:
    """A struct that passes over what is none of its members, as models of responses do."""
    return msgspec.defstruct(
        name,
        [(field, kind, msgspec.NODEFAULT if default is ... else default) for field, (kind, default) in fields.items()],
        kw_only=True,
    )


def _kind_of(annotation: Any) -> Any:
    """Text, but where models stand within it, of which not all may be shown that is there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation.__name__, _fields_of(annotation))
    parts = tuple(_kind_of(part) for part in get_args(annotation))
    if all(part is msgspec.Raw for part in parts):
        return msgspec.Raw
    if type(None) in get_args(annotation):
        return next(part for part in parts if part is not msgspec.Raw) | None
    return get_origin(annotation)[parts]


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    """What stands for a row's member where its text has none; ``...`` where it must."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return ... if field.default is msgspec.NODEFAULT else field.default


def _text(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
