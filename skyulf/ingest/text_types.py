"""What a column of text is a column of, told from all of its values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from skyulf.core.columns import MISSING
from skyulf.ingest import local_forms
from skyulf.ingest.table import ARROW_TYPES

_WIDER: dict[str | None, tuple[str, ...]] = {
    None: ("integer", "number", "boolean", "date", "datetime"),
    "integer": ("integer", "number"),
    "number": ("number",),
    "boolean": ("boolean",),
    "date": ("date", "datetime"),
    "datetime": ("datetime",),
}
_CODE = r"^\s*[+-]?0[0-9xX]"
_WHOLE = r"^\s*[+-]?[0-9]+\s*$"
_WITH_ZONE = r"[Tt ].*([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column of text is read: as what type, and in which form where that is not the plain one.

    ``form`` is a decimal mark of an integer or number, or one of the forms of dates in `local_forms`.
    """

    kind: str
    form: str | None = None

    def __call__(self, values: Any) -> Any:
        """Convert an Arrow array of text; raises `pa.ArrowInvalid`."""
        if self.kind == "string":
            return values
        if self.form is None:
            return _READ[self.kind](values)
        tidied = tidy(values)
        if self.kind == "date":
            return local_forms.read_date(tidied, self.form)
        if self.kind == "datetime":
            return local_forms.read_datetime(tidied, self.form)
        return local_forms.read_number(tidied, self.form, self.kind)


TEXT = Reading("string")


class ColumnType:
    """The narrowest type that holds all values seen so far; ``infinite_row`` is the first infinite number's."""

    def __init__(self) -> None:
        self._type: str | None = None
        self._whole = True
        self._infinite_row: int | None = None
        self._marks: dict[str, bool] = {",": True, ".": True}
        """The decimal marks that fit all values, and whether the numbers are whole then."""
        self._dates: tuple[str, ...] = tuple(local_forms.DATES)
        self._timed = False

    def see(self, values: Any, rows_before: int) -> None:
        """Take the next values, an Arrow array of text, into account."""
        if self._settled or values.null_count == len(values):
            return
        present = values.drop_null()
        before, self._type = self._type, self._widened(present, values, rows_before)
        if self._type == "integer":
            self._dates = ()
        elif self._type in ("number", "string"):
            tidied = tidy(present).drop_null()
            if len(tidied):
                self._see_local_forms(tidied, before)
        else:
            self._marks, self._dates = {}, ()

    @property
    def _settled(self) -> bool:
        return self._type == "string" and not self._marks and not self._dates

    def _widened(self, present: Any, values: Any, rows_before: int) -> str | None:
        for wider in _WIDER.get(self._type, ()):
            try:
                converted = _READ[wider](present)
            except pa.ArrowInvalid:
                continue
            if self._type is None and converted.null_count == len(converted):
                break  # nothing but blanks: that is text
            if wider == "number":
                self._whole = self._whole and _all_match(present, _WHOLE)
                self._look_for_infinity(converted, values, rows_before)
            return wider
        return "string"

    def _see_local_forms(self, tidied: Any, before: str | None) -> None:
        self._marks = {
            mark: whole and self._stays_whole(tidied, mark)
            for mark, whole in self._marks.items()
            if local_forms.fits_mark(tidied, mark)
        }
        if before not in (None, "string") or self._type == "number":
            self._dates = ()
        if self._dates:
            self._dates = local_forms.date_forms(tidied, self._dates)
            self._timed = self._timed or local_forms.has_time(tidied)

    def _stays_whole(self, tidied: Any, mark: str) -> bool:
        return not (self._type == "number" and mark == ".") and local_forms.whole(tidied, mark)

    def _look_for_infinity(self, converted: Any, values: Any, rows_before: int) -> None:
        if self._infinite_row is None and pc.any(pc.is_inf(converted)).as_py():
            self._infinite_row = rows_before + first_infinite(_numbers(values))

    @property
    def mark(self) -> str | None:
        """The decimal mark, where the column can be read with one only."""
        return next(iter(self._marks)) if self._type in ("number", "string") and len(self._marks) == 1 else None

    def decide(self, mark: str | None, asked: bool = False) -> Reading:
        """How the column is read in a file whose decimal mark is ``mark``, if that is known (``asked``: for sure)."""
        if self._type == "number":
            if mark == "," and "," in self._marks:
                return self._marked(",")
            # A whole number beyond 64 bits: as a floating-point number two codes could become one.
            return TEXT if self._whole or (asked and mark == ",") else Reading("number")
        if self._type == "string":
            if self._marks:
                told = mark if asked or len(self._marks) > 1 else self.mark
                return self._marked(told) if told in self._marks else TEXT
            if len(self._dates) == 1:
                return Reading("datetime" if self._timed else "date", self._dates[0])
        return Reading(self._type or "string")

    def _marked(self, mark: str) -> Reading:
        return Reading("integer" if self._marks[mark] else "number", mark)

    def infinite_row(self, reading: Reading) -> int | None:
        """The first row, from 1, that holds an infinite number where the column is one of numbers."""
        return self._infinite_row if reading.kind == "number" else None


def first_infinite(numbers: Any) -> int:
    """The place, from 1, of the first infinite number among an array that has one."""
    return int(pc.index(pc.is_inf(numbers), value=True).as_py()) + 1


def _integers(values: Any) -> Any:
    _refuse_codes(values)
    return _cast(values, ARROW_TYPES["integer"])


def _numbers(values: Any) -> Any:
    _refuse_codes(values)
    numbers = _cast(values, ARROW_TYPES["number"])
    return pc.if_else(pc.is_nan(numbers), None, numbers)


def _booleans(values: Any) -> Any:
    lowered = pc.utf8_lower(tidy(values))
    if not pc.all(pc.is_in(lowered, pa.array(["true", "false", None]))).as_py():
        raise pa.ArrowInvalid("not boolean")
    return pc.equal(lowered, "true")


def _dates(values: Any) -> Any:
    return _cast(values, ARROW_TYPES["date"])


def _datetimes(values: Any) -> Any:
    try:
        return _cast(values, pa.timestamp("us")).cast(ARROW_TYPES["datetime"])
    except pa.ArrowInvalid:
        text = pc.replace_substring_regex(tidy(values), r"(\.[0-9]{6})[0-9]+", r"\1")
        timed = pc.if_else(pc.equal(pc.utf8_length(text), 10), _followed(text, "T00:00:00"), text)
        zoned = pc.if_else(pc.match_substring_regex(timed, _WITH_ZONE), timed, _followed(timed, "Z"))
        return pc.cast(zoned, ARROW_TYPES["datetime"])


_READ: dict[str, Callable[[Any], Any]] = {
    "integer": _integers,
    "number": _numbers,
    "boolean": _booleans,
    "date": _dates,
    "datetime": _datetimes,
}


def _cast(values: Any, wanted: Any) -> Any:
    try:
        return pc.cast(values, wanted)
    except pa.ArrowInvalid:
        return pc.cast(tidy(values), wanted)


def tidy(values: Any) -> Any:
    """Cut blanks and a plus sign off; what is missing then is null."""
    trimmed = pc.replace_substring_regex(pc.utf8_trim_whitespace(values), r"^\+([0-9.])", r"\1")
    return pc.if_else(pc.is_in(trimmed, pa.array(MISSING)), None, trimmed)


def _followed(text: Any, end: str) -> Any:
    return pc.binary_join_element_wise(text, end, "")


def _refuse_codes(values: Any) -> None:
    if pc.any(pc.match_substring_regex(values, _CODE)).as_py():
        raise pa.ArrowInvalid("leading zeros")


def _all_match(values: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())
