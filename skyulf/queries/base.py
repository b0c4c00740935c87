"""What every repository does: get one by its id, and give lists in pages."""

import base64
import binascii
import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

import msgspec

from skyulf.errors import Fault, Invalid, NotFound, Unavailable
from skyulf.projections.base import Projection, Row
from skyulf.projections.store import Found, NotBuilt, Plain, ReadStore, Selection
from skyulf.queries.past import Past

R = TypeVar("R", bound=Row)
T = TypeVar("T")

LARGEST_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted; ``order`` is a name that the noun can be ordered by, ``-`` before it reverses."""

    limit: int = 100
    cursor: str | None = None
    order: str | None = None


@dataclass(frozen=True, slots=True)
class PageOf(Generic[T]):
    """Rows, and where to go on; ``next_cursor`` is None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a list was left: the projection's version, what it was ordered by, and the last row's place."""

    version: int
    order: str
    value: int | str
    key: str


def cursor_at(cursor: str | None) -> tuple[int | None, str | None]:
    """The position that a list is as of, and the rest of its cursor; of one of now, None and all of it."""
    position, dot, rest = (cursor or "").partition(".")
    return (int(position), rest) if dot and len(position) < 19 and position.isdecimal() else (None, cursor)


def as_of(past: Past | None, cursor: str) -> str:
    """The cursor with the position that its list is as of, where it is not of now."""
    return cursor if past is None else f"{past.position}.{cursor}"


def need_same(past: Past | None, cursor: str | None) -> str | None:
    """A cursor without its position; raises `Invalid` where that is not the one that is asked for."""
    position, rest = cursor_at(cursor)
    if cursor is not None and position != (past.position if past is not None else None):
        of = "now" if position is None else f"position {position}"
        raise Invalid(
            f"the cursor is of the list as of {of}", [Fault("cursor", "leave as_of as it was, or begin again")]
        )
    return rest


class Repository(Generic[R]):
    """Rows of one projection, as they are or at a position; raises `Unavailable` while it is built for the first time.

    ``past`` is None where they are those of now.
    """

    noun: ClassVar[str]
    orders: ClassVar[Mapping[str, str]] = {"created_at": "created_position"}
    """What a list may be ordered by, and the column for it; the first one is the default, newest first."""

    def __init__(self, store: ReadStore, projection: Projection[R]) -> None:
        self._store = store
        self.projection = projection
        self._decoder = msgspec.json.Decoder(projection.row)
        self.past: Past | None = None

    def at(self, past: Past) -> Self:
        """The same of the rows as they were."""
        other = copy.copy(self)
        other.past = past
        return other

    @property
    def when(self) -> str:
        """What is added to say when something was not there."""
        return "" if self.past is None else f" as of position {self.past.position}"

    def get(self, key: str) -> R:
        """The row of that key; raises `NotFound`."""
        row = self.find(key)
        if row is None:
            raise NotFound(f"there is no {self.noun} {key}{self.when}")
        return row

    def find(self, key: str) -> R | None:
        """The row of that key, or None."""
        if self.past is not None:
            return self.past.find(self.projection, key)
        try:
            found = self._store.get(self.projection, [key])
        except NotBuilt as error:
            raise Unavailable(error.detail) from error
        return found.rows[0][1] if found.rows else None

    def position(self) -> int:
        """The position that the rows have got to, at least."""
        if self.past is not None:
            return self.past.position
        try:
            return self._store.position(self.projection)
        except NotBuilt as error:
            raise Unavailable(error.detail) from error

    def page(self, request: PageRequest, filters: Mapping[str, Plain | None] | None = None) -> PageOf[R]:
        """A page of the rows whose columns equal the ``filters`` that are not None."""
        found = self.texts(request, filters)
        decode = self._decoder.decode
        return PageOf(tuple([decode(text) for text in found.items]), found.next_cursor)

    def texts(self, request: PageRequest, filters: Mapping[str, Plain | None] | None = None) -> PageOf[str]:
        """The same page, of each row its JSON text as it is stored: for who passes it on."""
        name, descending = self._ordered(request.order)
        column = self.orders[name]
        after = self._after(request, name, descending)
        selection = Selection(
            order=column,
            filters={field: value for field, value in (filters or {}).items() if value is not None},
            descending=descending,
            limit=request.limit + 1,
            after=after,
        )
        found = self._selected(selection)
        shown = found.rows[: request.limit]
        return PageOf(tuple([text for _, text in shown]), self._next(found, request, column, name, descending))

    def _selected(self, selection: Selection) -> Found[str]:
        if self.past is not None:
            return self.past.select(self.projection, selection)
        try:
            return self._store.select(self.projection, selection)
        except NotBuilt as error:
            raise Unavailable(error.detail) from error

    def _next(self, found: Found[str], request: PageRequest, column: str, name: str, descending: bool) -> str | None:
        if len(found.rows) <= request.limit:
            return None
        key, text = found.rows[request.limit - 1]
        value = getattr(self._decoder.decode(text), column)
        cursor = Cursor(found.version, f"{'-' if descending else ''}{name}", value, key)
        return as_of(self.past, base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("="))

    def _ordered(self, order: str | None) -> tuple[str, bool]:
        if order is None:
            name = next(iter(self.orders))
            return name, name == "created_at"
        name = order.removeprefix("-")
        if name not in self.orders:
            allowed = ", ".join(self.orders)
            raise Invalid("the list cannot be ordered so", [Fault("order", f"one of {allowed}, or with - before it")])
        return name, order.startswith("-")

    def _after(self, request: PageRequest, name: str, descending: bool) -> tuple[Plain, str] | None:
        if (given := need_same(self.past, request.cursor)) is None:
            return None
        try:
            text = given.encode() + b"=" * (-len(given) % 4)
            cursor = msgspec.json.decode(base64.urlsafe_b64decode(text), type=Cursor)
        except (ValueError, binascii.Error) as error:
            raise Invalid("the cursor is not one of ours", [Fault("cursor", "the next_cursor of a page")]) from error
        if not self._fits(cursor.value, self.orders[name]):
            raise Invalid("the cursor is not one of ours", [Fault("cursor", "the next_cursor of a page")])
        if (cursor.version, cursor.order) != (self.projection.version, f"{'-' if descending else ''}{name}"):
            raise Invalid("the cursor is of another list", [Fault("cursor", "begin the list again, or keep the order")])
        return cursor.value, cursor.key

    def _fits(self, value: int | str, column: str) -> bool:
        """Whether a value can stand in a column: anyone can write a cursor."""
        if self.projection.columns[column] in ("integer", "position"):
            return isinstance(value, int) and -(2**63) <= value < 2**63
        return isinstance(value, str)
