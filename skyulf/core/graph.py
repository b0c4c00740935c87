"""An ONNX graph in the making: what nodes declare of themselves is added here, column by column.

Numbers flow as matrices of float64, rows by columns. Text flows as what it is in the caller's rows, until a step that
knows it by its values looks it up: such a step is asked once for every value that it can tell apart, and its answers
become a table. So what a table holds is the step's own arithmetic, whatever it is.

Text enters with "=" before it, a missing cell as "", and text that UTF-8 cannot hold as "!".
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skyulf.errors import SkyulfError

Array = np.ndarray[Any, Any]

NUMBERS = "numbers"
TEXTS = "texts"
OUTPUT = "output"

STANDARD = ""
LEARNING = "ai.onnx.ml"
OPERATORS = {
    STANDARD: frozenset(
        {
            "Abs", "Add", "Cast", "Clip", "Concat", "Cos", "Div", "Equal", "Exp", "Floor", "Gather",
            "GreaterOrEqual", "IsInf", "IsNaN", "Less", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "ReduceMax",
            "ReduceSum", "Sigmoid", "Sin", "Softmax", "Sqrt", "StringConcat", "Sub", "Tanh", "Unsqueeze", "Where",
        }
    ),
    LEARNING: frozenset({"LabelEncoder", "TreeEnsemble"}),
}  # fmt: skip
"""The operators that copies consist of, by their domain; a file with any other is none of ours."""

MOST_CELLS = 1 << 20
"""Tables of several columns are joined into one up to so many cells."""

DOUBLE, INT64, FLOAT = 11, 7, 1
"""ONNX's numbers for types of elements."""


class NoOnnx(SkyulfError):
    """A fitted step or model cannot become ONNX faithfully; says which and by what rule, never a value."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """One column of a matrix in the graph, which has ``width`` of them."""

    matrix: str
    at: int
    width: int


@dataclass(frozen=True, slots=True)
class Named:
    """A column that steps know by its values: one of the text inputs, or numbers taken for names.

    ``view`` turns the cells that came in (objects; NaN where missing) into what they are by now.
    """

    source: int | Numbers
    view: Callable[[Array], Array]
    also: tuple[Any, ...] = ()
    """Cells, as they come in, that a change before tells apart."""

    def then(self, change: Callable[[Array], Array], also: Sequence[Any] = ()) -> "Named":
        """The same column after one more change, which tells apart the cells ``also`` that reach it."""
        before = self.view
        return replace(self, view=lambda cells: change(before(cells)), also=(*self.also, *also))


Column = Numbers | Named


@dataclass(frozen=True, slots=True)
class Operation:
    """One node of the graph; attributes are numbers, or arrays that become tensors."""

    operator: str
    domain: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass(slots=True)
class Graph:
    """Operations in order, and the arrays that they use."""

    operations: list[Operation] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def add(self, operator: str, *inputs: "str | Array | float", domain: str = STANDARD, **attributes: Any) -> str:
        """Add an operation on results (by name) and constants (numbers and arrays); return its result's name."""
        assert operator in OPERATORS[domain], operator
        names = tuple(each if isinstance(each, str) else self._constant(np.asarray(each)) for each in inputs)
        output = f"r{len(self.operations)}"
        self.operations.append(Operation(operator, domain, names, output, attributes))
        return output

    def _constant(self, array: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = array.astype(np.float64) if array.dtype == np.float32 else array
        return name

    def columns(self, matrix: str, width: int) -> list[Column]:
        """The columns of a matrix."""
        return [Numbers(matrix, at, width) for at in range(width)]

    def matrix(self, columns: Sequence[Column]) -> str:
        """Columns of numbers side by side."""
        pieces: list[list[Numbers]] = []
        for column in columns:
            if isinstance(column, Named):
                raise NoOnnx("text reaches what computes with numbers")
            if pieces and pieces[-1][-1].matrix == column.matrix:
                pieces[-1].append(column)
            else:
                pieces.append([column])
        parts = [self._gathered(piece) for piece in pieces]
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def _gathered(self, piece: list[Numbers]) -> str:
        positions = [column.at for column in piece]
        if positions == list(range(piece[0].width)):
            return piece[0].matrix
        return self.add("Gather", piece[0].matrix, np.array(positions, dtype=np.int64), axis=1)

    def filled(self, matrix: str, values: Array) -> str:
        """Put values, one a column, where cells are missing."""
        return self.add("Where", self.add("IsNaN", matrix), values, matrix)

    def lookup(
        self,
        columns: Sequence[Column],
        known: Sequence[Sequence[Any]],
        answer: Callable[[int, Array], Array],
    ) -> list[Column]:
        """Look columns up: ``known`` are the values that a step tells apart in each, any other is like any other.

        ``answer`` gives what the step makes of cells (objects) of the column at a position: rows by outputs.
        """
        named = [column if isinstance(column, Named) else Named(column, _same) for column in columns]
        keys = [_keys(column, [*values, *column.also]) for column, values in zip(named, known, strict=True)]
        tables = []
        for at, (column, own) in enumerate(zip(named, keys, strict=True)):
            cells = np.empty(len(own) + 2, dtype=object)
            cells[:] = [_other(column, own), math.nan, *own]
            tables.append(np.asarray(answer(at, column.view(cells)), dtype=np.float64))
        starts = np.concatenate([[0], np.cumsum([len(table) for table in tables])[:-1]]).astype(np.int64)
        codes = self._codes(named, keys, starts)
        result: list[Column] = []
        for chunk in _chunks(tables):
            result += self._looked_up(codes, [tables[at] for at in chunk], chunk, starts, len(tables))
        return result

    def _looked_up(self, codes: str, tables: list[Array], chunk: range, starts: Array, count: int) -> list[Column]:
        width = sum(table.shape[1] for table in tables)
        joined = np.zeros((sum(len(table) for table in tables), width))
        row = column = 0
        for table in tables:
            joined[row : row + len(table), column : column + table.shape[1]] = table
            row, column = row + len(table), column + table.shape[1]
        if len(chunk) < count:
            codes = self.add("Gather", codes, np.array(chunk, dtype=np.int64), axis=1)
            codes = self.add("Sub", codes, np.array(starts[chunk.start]))
        rows = self.add("Gather", joined, codes, axis=0)
        return self.columns(self.add("ReduceSum", rows, np.array([1]), keepdims=0), width)

    def _codes(self, columns: list[Named], keys: list[list[Any]], starts: Array) -> str:
        """Number the cells: each column from its start, there what is not known, then what is missing, then its keys.

        All columns of text are numbered by one operation, for which each has its number before its cells.
        """
        places = [at for at, column in enumerate(columns) if isinstance(column.source, int)]
        codes: dict[int, str] = {}
        order: list[int] = []
        if places:
            texts = self.add("Gather", TEXTS, np.array([columns[at].source for at in places], dtype=np.int64), axis=1)
            marked = self.add("StringConcat", np.array([[f"{at}" for at in places]], dtype=object), texts)
            words = [f"{at}{sent(key)}" for at in places for key in [math.nan, *keys[at]]]
            numbers = [starts[at] + 1 + number for at in places for number in range(len(keys[at]) + 1)]
            codes[len(order)] = self._encoded(marked, np.array(words, dtype=object), np.array(numbers, dtype=np.int64))
            order += places
        parts = list(codes.values())
        for at, column in enumerate(columns):
            if isinstance(column.source, Numbers):
                own = np.array([math.nan, *keys[at]], dtype=np.float64)
                numbers = starts[at] + 1 + np.arange(len(own), dtype=np.int64)
                parts.append(self._encoded(self._gathered([column.source]), own, np.asarray(numbers, dtype=np.int64)))
                order.append(at)
        whole = parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)
        if order != sorted(order):
            whole = self.add("Gather", whole, np.argsort(order).astype(np.int64), axis=1)
        return self.add("Max", whole, starts[None, :])

    def _encoded(self, cells: str, keys: Array, numbers: Array) -> str:
        return self.add(
            "LabelEncoder", cells, domain=LEARNING,
            keys_tensor=keys, values_tensor=numbers, default_tensor=np.array([-1], dtype=np.int64),
        )  # fmt: skip


def asked(
    transform: Callable[[Array], Array], known: Sequence[Array], widths: Sequence[int]
) -> Callable[[int, Array], Array]:
    """What a transformer makes of cells of one of its columns, of which it makes columns of its own, ``widths`` each.

    The other columns hold a value that is ``known`` in them meanwhile.
    """
    ends = np.cumsum(widths)
    kind = object if any(values.dtype == object for values in known) else np.float64

    def answer(at: int, cells: Array) -> Array:
        block = np.empty((len(cells), len(known)), dtype=kind)
        for other, values in enumerate(known):
            block[:, other] = values[0] if len(values) else math.nan
        block[:, at] = cells
        whole: Array = np.asarray(transform(block))[:, ends[at] - widths[at] : ends[at]]
        return whole

    return answer


def sent(cell: Any) -> str:
    """A cell of text as it enters a graph."""
    if cell != cell:
        return ""
    try:
        cell.encode()
    except UnicodeEncodeError:
        return "!"
    return f"={cell}"


def _same(cells: Array) -> Array:
    return cells


def _keys(column: Named, known: Sequence[Any]) -> list[Any]:
    """The cells as they come in that may be among the known values; any other is not."""
    if isinstance(column.source, int):
        return [value for value in dict.fromkeys(known) if isinstance(value, str)]
    numbers: dict[float, None] = {}
    for value in known:
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            numbers.setdefault(number + 0.0)
    return list(numbers)


def _other(column: Named, keys: list[Any]) -> Any:
    """A cell as it comes in that none of the keys is."""
    text = isinstance(column.source, int)
    return next(cell for at in range(len(keys) + 1) if (cell := "\0" * (1 + at) if text else at + 0.5) not in keys)


def _chunks(tables: list[Array]) -> list[range]:
    """Neighbouring tables whose joined table is not too large; at least one each."""
    chunks: list[range] = []
    begin = rows = width = 0
    for at, table in enumerate(tables):
        if at > begin and (rows + len(table)) * (width + table.shape[1]) > MOST_CELLS:
            chunks.append(range(begin, at))
            begin, rows, width = at, 0, 0
        rows, width = rows + len(table), width + table.shape[1]
    return [*chunks, range(begin, len(tables))]
