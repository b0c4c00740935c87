"""What a column of text is a column of, told from all of its values."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from skyulf.ingest.table import ARROW_TYPES

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL")
"""Fields that stand for a missing value, quoted or not."""

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


class ColumnType:
    """The narrowest type that holds all values seen so far; ``infinite_row`` is the first infinite number's."""

    def __init__(self) -> None:
        self._type: str | None = None
        self._whole = True
        self._infinite_row: int | None = None

    def see(self, values: Any, rows_before: int) -> None:
        """Take the next values, an Arrow array of text, into account."""
        if self._type == "string" or values.null_count == len(values):
            return
        present = values.drop_null()
        for wider in _WIDER[self._type]:
            try:
                converted = _READ[wider](present)
            except pa.ArrowInvalid:
                continue
            if self._type is None and converted.null_count == len(converted):
                break  # nothing but blanks: that is text
            self._type = wider
            if wider == "number":
                self._whole = self._whole and _all_match(present, _WHOLE)
                self._look_for_infinity(converted, values, rows_before)
            return
        self._type = "string"

    def _look_for_infinity(self, converted: Any, values: Any, rows_before: int) -> None:
        if self._infinite_row is None and pc.any(pc.is_inf(converted)).as_py():
            infinite = pc.is_inf(convert(values, "number"))
            self._infinite_row = rows_before + pc.index(infinite, value=True).as_py() + 1

    @property
    def decided(self) -> str:
        """The type of the column."""
        if self._type == "number" and self._whole:
            return "string"  # beyond 64 bits: as a floating-point number two codes could become one
        return self._type or "string"

    @property
    def infinite_row(self) -> int | None:
        """The first row, from 1, that holds an infinite number where the column is one of numbers."""
        return self._infinite_row if self.decided == "number" else None


def convert(values: Any, decided: str) -> Any:
    """Convert an Arrow array of text to the type that all of its column was found to have."""
    return values if decided == "string" else _READ[decided](values)


def _integers(values: Any) -> Any:
    _refuse_codes(values)
    return _cast(values, ARROW_TYPES["integer"])


def _numbers(values: Any) -> Any:
    _refuse_codes(values)
    numbers = _cast(values, ARROW_TYPES["number"])
    return pc.if_else(pc.is_nan(numbers), None, numbers)


def _booleans(values: Any) -> Any:
    lowered = pc.utf8_lower(_tidy(values))
    if not pc.all(pc.is_in(lowered, pa.array(["true", "false", None]))).as_py():
        raise pa.ArrowInvalid("not boolean")
    return pc.equal(lowered, "true")


def _dates(values: Any) -> Any:
    return _cast(values, ARROW_TYPES["date"])


def _datetimes(values: Any) -> Any:
    try:
        return _cast(values, pa.timestamp("us")).cast(ARROW_TYPES["datetime"])
    except pa.ArrowInvalid:
        text = pc.replace_substring_regex(_tidy(values), r"(\.[0-9]{6})[0-9]+", r"\1")
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
        return pc.cast(_tidy(values), wanted)


def _tidy(values: Any) -> Any:
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
