"""Which character parts the fields of a text file, told from its first rows with quotation marks respected."""

import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")

SAMPLE = 256 << 10
"""Bytes of the file that are looked at."""

_PLAIN = re.compile(r"\s*([+-]?[0-9][0-9.,:/ TZe+-]*|true|false|)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well one delimiter explains the rows: the share with as many fields as the first, and of plain values."""

    delimiter: str
    agreeing: float
    plain: float
    fields: int


def find_delimiter(sample: str, whole: bool, preferred: str) -> str:
    """The delimiter of a sample that is the ``whole`` file or its beginning; ``preferred`` where nothing tells.

    One that gives every row as many fields as the first wins over one that does not; of several such, the one
    after which more fields are bare numbers, dates or truths, then the preferred one.
    """
    order = (preferred, *(delimiter for delimiter in DELIMITERS if delimiter != preferred))
    fits = [fit for delimiter in order if (fit := _fit(sample, whole, delimiter)) is not None]
    if preferred == "\t" and fits and fits[0].delimiter == "\t":
        return "\t"
    if not fits:
        return preferred
    return max(fits, key=lambda fit: (fit.agreeing, round(fit.plain, 6))).delimiter


def _fit(sample: str, whole: bool, delimiter: str) -> _Fit | None:
    rows = _rows(sample, delimiter)
    if not whole and len(rows) > 1:
        rows = rows[:-1]
    if not rows or len(rows[0]) < 2:
        return None
    fields = len(rows[0])
    agreeing = sum(len(row) == fields for row in rows) / len(rows)
    cells = [cell for row in rows[1:] for cell in row]
    plain = sum(_PLAIN.fullmatch(cell) is not None for cell in cells) / max(1, len(cells))
    return _Fit(delimiter, agreeing, plain, fields)


def _rows(sample: str, delimiter: str) -> Sequence[Sequence[str]]:
    rows: list[Sequence[str]] = []
    with suppress(csv.Error):  # a field too long for this reader: what came before tells enough
        rows.extend(row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row)
    return rows
