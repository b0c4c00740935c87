"""What the parts of slices are called: values of the data, and ranges of them, as a person reads them."""

from collections.abc import Mapping
from typing import Any


def part_name(part: Mapping[str, Any]) -> str:
    """Which rows a part of a slicing holds."""
    if "value" in part:
        return plain(part["value"])
    if "range" in part:
        return " – ".join(plain(end) for end in part["range"])
    return "missing" if "missing" in part else f"{part['other']} other values"


def plain(value: Any) -> str:
    """A value of the data as a person reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
