"""Numbers and dates as people of some countries write them: 1.234,56 · 1,234.56 · 31.12.2024 · 12/31/2024.

All are read only where the whole column is written so and nothing in it, or in the file, leaves two readings open.
"""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from skyulf.ingest.table import ARROW_TYPES

_HEAD = r"^[+-]?"
GROUPED = {
    ",": _HEAD + r"(0|[1-9][0-9]{0,199}|[1-9][0-9]{0,2}(\.[0-9]{3}){1,60})(,[0-9]+)?$",
    ".": _HEAD + r"(0|[1-9][0-9]{0,199}|[1-9][0-9]{0,2}(,[0-9]{3}){1,60})(\.[0-9]+)?$",
}
"""By decimal mark: what a number looks like, thousands grouped by the other mark or not at all."""

_PLAIN = _HEAD + r"((0|[1-9][0-9]{0,17})?\.[0-9]+|(0|[1-9][0-9]{0,17})\.?)([eE][+-]?[0-9]{1,3})?$"
_NUMBER = "|".join((_PLAIN, *GROUPED.values()))

_TIME = r"([T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2})?)?$"
DATES: dict[str, tuple[str, str]] = {
    "day.month.year": (r"^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", r"\3-\2-\1"),
    "year/month/day": (r"^([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})", r"\1-\2-\3"),
    "day/month/year": (r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", r"\3-\2-\1"),
    "month/day/year": (r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", r"\3-\1-\2"),
}
"""By name: what begins such a date, and the order of its parts in the ISO form."""


def fits_mark(values: Any, mark: str) -> bool:
    """Whether all values are numbers with that decimal mark."""
    return bool(pc.all(pc.match_substring_regex(values, GROUPED[mark])).as_py())


def count_numbers(values: Any) -> int:
    """Count the values that are numbers in any of the forms that are read; codes such as 007 are none."""
    return pc.sum(pc.match_substring_regex(pc.utf8_trim_whitespace(values), _NUMBER)).as_py() or 0


def whole(values: Any, mark: str) -> bool:
    """Whether numbers with that decimal mark are all whole, and within 64 bits."""
    try:
        read_number(values, mark, "integer")
    except pa.ArrowInvalid:
        return False
    return True


def read_number(values: Any, mark: str, kind: str = "number") -> Any:
    """Convert numbers with that decimal mark; raises `pa.ArrowInvalid`."""
    plain = pc.replace_substring(values, "." if mark == "," else ",", "")
    plain = pc.replace_substring_regex(plain, r"^\+", "")
    return pc.cast(pc.replace_substring(plain, mark, "."), ARROW_TYPES[kind])


def date_forms(values: Any, forms: tuple[str, ...] = tuple(DATES)) -> tuple[str, ...]:
    """Those of the forms that all values are dates, or dates with times, in."""
    fitting = []
    for form in forms:
        try:
            read_datetime(values, form)
        except pa.ArrowInvalid:
            continue
        fitting.append(form)
    return tuple(fitting)


def has_time(values: Any) -> bool:
    """Whether a value has a time after its date."""
    return bool(pc.any(pc.match_substring(values, ":")).as_py())


def read_date(values: Any, form: str) -> Any:
    """Convert dates in that form; raises `pa.ArrowInvalid`."""
    return pc.cast(_iso(values, form), ARROW_TYPES["date"])


def read_datetime(values: Any, form: str) -> Any:
    """Convert dates, with times or without, in that form, as UTC; raises `pa.ArrowInvalid`."""
    return pc.cast(_iso(values, form), pa.timestamp("us")).cast(ARROW_TYPES["datetime"])


def _iso(values: Any, form: str) -> Any:
    pattern, order = DATES[form]
    if not pc.all(pc.match_substring_regex(values, pattern + _TIME)).as_py():
        raise pa.ArrowInvalid("another form")
    turned = pc.replace_substring_regex(values, pattern, order)
    return pc.replace_substring_regex(turned, r"\b([0-9])\b", r"0\1")
