"""Columns of text whose type the caller has given: read so or refused, by column and row.

Where the caller says so, cells that are not of the type are missing instead, and counted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from skyulf.errors import Fault, Invalid
from skyulf.ingest import Asked, local_forms
from skyulf.ingest.table import ARROW_TYPES, TypedTable, check_asked, infinite
from skyulf.ingest.text_types import Reading, first_infinite, tidy

_MARKS = (None, ",", ".")
_FORMS: Mapping[str, tuple[str | None, ...]] = {
    "string": (None,),
    "boolean": (None,),
    "integer": _MARKS,
    "number": _MARKS,
    "date": (None, *local_forms.DATES),
    "datetime": (None, *local_forms.DATES),
}
MOST_UNFIT = 1000
"""Different values of a column, among those read at once, that may be taken as missing: of more, the type is wrong."""

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


class AskedType:
    """The forms of the type asked for that all values seen so far are in; ``lenient``, that most are in."""

    def __init__(self, name: str, kind: str, lenient: bool = False) -> None:
        self._name = name
        self._kind = kind
        self._lenient = lenient
        self._readings = [self._reading(form) for form in _FORMS[kind]]
        self._unfit = dict.fromkeys(_FORMS[kind], 0)
        self._filled = 0
        self._infinite_row: int | None = None

    def see(self, values: Any, rows_before: int) -> None:
        """Take the next values into account; raises Invalid naming the first row that does not fit."""
        fitting = [reading for reading in self._readings if _fits(reading, values)]
        if not fitting:
            self._refuse(rows_before + _first_unfit(self._readings, values))
        self._readings = fitting
        self._filled += len(values) - values.null_count
        for reading in fitting if self._lenient else ():
            self._unfit[reading.form] += _count_of(_unfit(reading, values), values)
        if self._kind == "number" and self._infinite_row is None:
            numbers = fitting[0](values)
            if pc.any(pc.is_inf(numbers)).as_py():
                self._infinite_row = rows_before + first_infinite(numbers)

    def _reading(self, form: str | None) -> "AskedReading":
        return Lenient(self._kind, form) if self._lenient else AskedReading(self._kind, form)

    def _refuse(self, row: int) -> NoReturn:
        message = f"row {row} does not fit the type {self._kind} that was asked for"
        if self._kind != "string":
            message += "; correct it, or send the field unfit as missing: then such cells are missing"
        if self._lenient:
            message = f"more than {MOST_UNFIT:,} different values do not fit the type {self._kind}; ask for another"
        raise Invalid("the column does not fit the type asked for", [Fault(self._name, message)])

    def _left(self) -> "list[AskedReading]":
        """The readings that most cells fit: all cells, unless lenient."""
        fewest = min(self._unfit[reading.form] for reading in self._readings)
        if 2 * fewest > self._filled:
            message = f"{fewest:,} of {self._filled:,} cells do not fit the type {self._kind}; ask for another"
            raise Invalid("the column does not fit the type asked for", [Fault(self._name, message)])
        return [reading for reading in self._readings if self._unfit[reading.form] == fewest]

    def unfit(self, reading: Reading) -> int:
        """How many cells are missing because they do not fit."""
        return self._unfit[reading.form]

    @property
    def mark(self) -> str | None:
        """The decimal mark, where the column can be read with one only."""
        forms = [reading.form for reading in self._left()]
        return forms[0] if self._kind in ("integer", "number") and len(forms) == 1 else None

    def decide(self, mark: str | None, asked: bool = False) -> Reading:
        """How the column is read; raises Invalid where that is open between two forms."""
        left = self._left()
        forms = [reading.form for reading in left]
        if self._kind in ("integer", "number"):
            if mark in forms and (mark == "," or None not in forms):
                return self._reading(mark)
            if asked and mark == ",":
                fault = Fault(self._name, f"not every row is of the type {self._kind} with a decimal comma")
                raise Invalid("the column does not fit the type asked for", [fault])
        if None not in forms and len(forms) > 1:
            fault = Fault(self._name, "can be read in two ways; send the field decimal, or dates as 2024-12-31")
            raise Invalid("the column can be read in two ways", [fault])
        return left[0]

    def infinite_row(self, reading: Reading) -> int | None:
        """The first row, from 1, that holds an infinite number."""
        return self._infinite_row if reading.form is None else None


class AskedReading(Reading):
    """Reads what was asked for: a leading zero is no obstacle to a number then, and yes, no, 1 and 0 are truths."""

    __slots__ = ()

    def __call__(self, values: Any) -> Any:
        """See `Reading`."""
        if self.form is None and self.kind in ("integer", "number"):
            tidied = pc.replace_substring_regex(tidy(values), r"^(-?)0+([0-9])", r"\1\2")
            return Reading(self.kind)(tidied)
        if self.form is not None and self.kind in ("integer", "number"):
            _need_form(tidy(values), self.form)
        if self.kind == "boolean":
            return _truths(values)
        return Reading.__call__(self, values)


class Lenient(AskedReading):
    """Reads what was asked for, and what is not of that type as missing."""

    __slots__ = ()

    def __call__(self, values: Any) -> Any:
        """See `Reading`; raises `pa.ArrowInvalid` where more than `MOST_UNFIT` different values are not of the type."""
        unfit = _unfit(self, values)
        if len(unfit):
            values = pc.if_else(pc.is_in(values, unfit), None, values)
        return AskedReading(self.kind, self.form)(values)


def _unfit(reading: Reading, values: Any) -> Any:
    """The different values, an Arrow array of text, that are not of the type; raises `pa.ArrowInvalid` of very many."""
    strict = AskedReading(reading.kind, reading.form)
    if _fits(strict, values):
        return values[:0]
    different = values.drop_null().unique()
    unfit: list[int] = []
    waiting = [(0, len(different))]
    while waiting:
        begin, end = waiting.pop()
        if begin == end or _fits(strict, different[begin:end]):
            continue
        if end - begin == 1:
            unfit.append(begin)
            if len(unfit) > MOST_UNFIT:
                raise pa.ArrowInvalid("another type")
            continue
        middle = (begin + end) // 2
        waiting += [(begin, middle), (middle, end)]
    return different.take(pa.array(unfit, pa.int64()))


def _count_of(some: Any, values: Any) -> int:
    return pc.sum(pc.is_in(values, some)).as_py() or 0 if len(some) else 0


def _need_form(values: Any, mark: str) -> None:
    if not pc.all(pc.match_substring_regex(values, local_forms.GROUPED[mark])).as_py():
        raise pa.ArrowInvalid("another form")


def _truths(values: Any) -> Any:
    lowered = pc.utf8_lower(tidy(values))
    if not pc.all(pc.is_in(lowered, pa.array([*_TRUE, *_FALSE, None]))).as_py():
        raise pa.ArrowInvalid("not boolean")
    return pc.if_else(pc.is_null(lowered), None, pc.is_in(lowered, pa.array(_TRUE)))


def _fits(reading: Reading, values: Any) -> bool:
    try:
        reading(values)
    except pa.ArrowInvalid:
        return False
    return True


def _first_unfit(readings: Sequence[Reading], values: Any) -> int:
    """The place, from 1, of the first value after which none of the readings fits."""
    fits, fails = 0, len(values)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if any(_fits(reading, values[:middle]) for reading in readings):
            fits = middle
        else:
            fails = middle
    return fails


def retyped(open_table: Callable[[], TypedTable], asked: Asked) -> TypedTable:
    """The table with the types asked for, through their text; it is opened anew, and read twice. Raises Invalid."""
    if not asked.types:
        return open_table()
    first = open_table()
    check_asked(asked.types, first.names)
    columns = {first.names.index(name): AskedType(name, kind, asked.lenient) for name, kind in asked.types.items()}
    rows = 0
    for batch, _ in first.batches:
        for place, column in columns.items():
            column.see(_text(batch.columns[place]), rows)
        rows += batch.num_rows
    readings = {place: column.decide(None) for place, column in columns.items()}
    for place, column in columns.items():
        if (row := column.infinite_row(readings[place])) is not None:
            raise infinite(first.names[place], row)
    second = open_table()
    types = [readings[place].kind if place in readings else kind for place, kind in enumerate(second.types)]
    unfit = {first.names[place]: column.unfit(readings[place]) for place, column in columns.items()}
    return TypedTable(second.names, types, _read_again(second, types, readings), unfit)


def _read_again(
    table: TypedTable, types: Sequence[str], readings: Mapping[int, Reading]
) -> Iterator[tuple[Any, float]]:
    schema = pa.schema([pa.field(name, ARROW_TYPES[kind]) for name, kind in zip(table.names, types, strict=True)])
    for batch, fraction in table.batches:
        columns = [
            readings[place](_text(values)) if place in readings else values
            for place, values in enumerate(batch.columns)
        ]
        yield pa.record_batch(columns, schema=schema), fraction


def _text(values: Any) -> Any:
    return pc.cast(values, pa.string())
