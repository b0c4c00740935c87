"""What every format is read into: named columns of six types, in batches."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from skyulf.errors import Fault, Invalid

MOST_COLUMNS = 5000

ARROW_TYPES: dict[str, Any] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class TypedTable:
    """Columns and an iterator, good for one pass, of (record batch of ``ARROW_TYPES``, fraction read so far).

    ``unfit`` counts, by column's name, the cells that are missing because they are not of the type asked for.
    """

    names: Sequence[str]
    types: Sequence[str]
    batches: Iterator[tuple[Any, float]]
    unfit: Mapping[str, int] = field(default_factory=dict)


def check_names(names: Sequence[str]) -> None:
    """Raise Invalid for too many columns, and naming those that have no name or one that another has."""
    if len(names) > MOST_COLUMNS:
        raise Invalid(f"the file has {len(names):,} columns; {MOST_COLUMNS:,} are the most that are taken")
    faults = [
        Fault(f"column {number}", "has no name; every column needs one")
        for number, name in enumerate(names, 1)
        if not name.strip()
    ]
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name.strip() and name in seen:
            faults.append(Fault(name, f"columns {seen[name]} and {number} have this name; names must differ"))
        seen.setdefault(name, number)
    if faults:
        raise Invalid("the columns cannot be told apart by name", faults)


def check_asked(asked: Mapping[str, str], names: Sequence[str]) -> None:
    """Raise Invalid naming the columns that a type was asked for and that are not there."""
    known = set(names)
    faults = [Fault(name, "there is no such column in the file") for name in asked if name not in known]
    if faults:
        raise Invalid("types were asked for columns that the file has not", faults)


def infinite(name: str, row: int) -> Invalid:
    """Say that a column holds an infinite number in ``row``, counted from 1 without the header."""
    fault = Fault(name, f"row {row} holds an infinite number, or one too large; infinite numbers are not taken")
    return Invalid("the table holds numbers that are not finite", [fault])


def bare(message: str) -> str:
    """Cut a library's message to its kind: what follows may quote the data."""
    return re.split(r"[:<(\[{'\"]", message, maxsplit=1)[0].strip()[:80]
