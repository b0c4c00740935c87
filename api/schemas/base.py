"""What requests and responses of every noun share."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from skyulf.commands.answers import Answer
from skyulf.errors import Fault, Invalid
from skyulf.projections.base import Row

T = TypeVar("T")

DIGITS = re.compile(r"-?[0-9]+")


def _only_digits(value: object) -> object:
    if isinstance(value, str) and not DIGITS.fullmatch(value):
        raise ValueError("Input should be a whole number in digits")
    return value


Whole = Annotated[int, BeforeValidator(_only_digits)]
"""A whole number in a URL, in digits alone: of text, pydantic takes ``+0.0`` for one, too."""

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""Why someone did something, in one line of their words; it stands in the audit trail for ever."""


class Request(BaseModel):
    """Base of request bodies: unknown fields and non-finite numbers are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class ReasonIn(Request):
    """Why something is done."""

    reason: Reason | None = None


ReasonQuery = Annotated[Reason | None, Query(description="Why; it may stand in the body instead.")]


def needed(reason: str | None, what: str) -> str:
    """The reason, which ``what`` is not done without; raises `Invalid`."""
    if reason is None:
        raise Invalid(f"{what} needs a reason", [Fault("reason", "a sentence, in the query or the body")])
    return reason


class Derived(NamedTuple):
    """How a member of a response follows from the row, and which of the row's members it is made of."""

    reads: tuple[str, ...]
    make: Callable[[Any], dict[str, Any] | None]


class Response(BaseModel):
    """Base of responses, made from rows; non-finite numbers become null."""

    model_config = ConfigDict(from_attributes=True, ser_json_inf_nan="null")

    derived: ClassVar[Mapping[str, Derived]] = {}
    """The members that are not the row's own; what makes them gives each of theirs."""

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """What is shown of a row."""
        own = {name: getattr(row, name) for name in cls.model_fields if name not in cls.derived}
        return cls.model_validate({**own, **{name: derived.make(row) for name, derived in cls.derived.items()}})


class CommandAnswer(Response):
    """What became of a command: the thing's id, the version of its stream, and the position to read from."""

    id: str
    version: int
    position: int


class Page(Response, Generic[T]):
    """Part of a list; ``next_cursor`` is null at its end."""

    items: list[T]
    next_cursor: str | None


class FaultOut(BaseModel):
    """One thing wrong with a request."""

    place: str
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultOut] | None = None
    current_version: int | None = None
    correlation_id: str | None = None


def see_one_version(model: object, number: object, alias: object, otherwise: str) -> None:
    """See that a model has a version, by number or by alias, and that what is named ``otherwise`` has none."""
    if (number is not None) + (alias is not None) != (model is not None):
        raise ValueError(f"give model_version or alias with a model, and neither with a {otherwise}")


def answered(answer: Answer) -> dict[str, Any]:
    """The members of every command's answer."""
    return {"id": answer.id, "version": answer.version, "position": answer.position}
