"""Steps that compute numbers of numbers: functions, arithmetic between columns, bins with edges of one's own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, names_of
from skyulf.core.registry import ALL_KINDS, NUMERIC, BuildContext, NumberStep, Output, Reads

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class Function(NumberStep):
    """Puts every number through a function; missing cells stay missing.

    ``log1p`` and ``sqrt`` take the sign out and put it back (sign(x) · log(1 + |x|)), so that they take any number;
    the ``reciprocal`` of 0 is 0. Builds on numpy. Takes numeric columns. Where the data should say which power makes a
    column symmetric, use power_transform.
    """

    name: ClassVar[str] = "function"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.formulas.Function",)

    function: Literal["log1p", "sqrt", "square", "reciprocal", "exp", "absolute", "sin", "cos"] = "log1p"

    def build(self, _: BuildContext) -> Any:
        """Make a Function."""
        from skyulf.core import formulas

        return formulas.Function(self.function)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Compute."""
        from skyulf.core.onnx_arithmetic import function

        return graph.columns(function(graph, graph.matrix(columns), fitted.function), len(columns))


class Arithmetic(NumberStep):
    """Adds one column that is computed of several others, in the order in which ``of`` names them.

    A ``difference`` is the first less the others, a ``ratio`` the first by the second; where that is 0, and wherever a
    cell is missing, the result is missing. Builds on numpy. Takes numeric columns; for all products at once, use
    polynomial.
    """

    name: ClassVar[str] = "arithmetic"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS
    takes_generated: ClassVar[bool] = False
    by_name: ClassVar[bool] = True
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.formulas.Arithmetic",)

    of: Annotated[list[str], Field(min_length=2)]
    operation: Literal["sum", "difference", "product", "ratio", "mean", "minimum", "maximum"] = "sum"

    @model_validator(mode="after")
    def _a_ratio_is_of_two(self) -> Self:
        if self.operation == "ratio" and len(self.of) != 2:
            raise ValueError("a ratio is of two columns")
        return self

    def reads(self) -> Mapping[str, Reads]:
        """Name the columns that it computes with."""
        return {"of": (self.of, NUMERIC)}

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column."""
        nullable = self.operation == "ratio" or any(source.nullable for source in sources)
        name = f"{self.operation} of {', '.join(self.of)}"
        return (Made(names_of(sources), name, name, 1, 1, nullable),)

    def build(self, context: BuildContext) -> Any:
        """Make an Arithmetic for columns that stand as they are named."""
        return self.build_on(context, self.of)

    def build_on(self, context: BuildContext, columns: Sequence[str]) -> Any:
        """Make an Arithmetic for columns of these names."""
        from skyulf.core import formulas

        return formulas.Arithmetic(self.operation, [list(columns).index(name) for name in self.of])

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Compute."""
        from skyulf.core.onnx_arithmetic import operation

        each = [graph.matrix([columns[at]]) for at in fitted.places]
        return graph.columns(operation(graph, each, fitted.operation), 1)


class BinEdges(NumberStep):
    """Replaces each number by the number of its bin, counted from 0, between edges that one names oneself.

    A number that is as great as an edge is in the bin above it; missing cells stay missing. Builds on numpy's
    searchsorted. Takes numeric columns; bins that training rows set are those of bin.
    """

    name: ClassVar[str] = "bin_edges"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.formulas.BinEdges",)

    edges: Annotated[list[float], Field(min_length=1)]

    @model_validator(mode="after")
    def _edges_ascend(self) -> Self:
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must ascend")
        return self

    def build(self, _: BuildContext) -> Any:
        """Make a BinEdges."""
        from skyulf.core import formulas

        return formulas.BinEdges(list(self.edges))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Count the edges that a number has reached."""
        import numpy as np

        from skyulf.core.graph import DOUBLE

        matrix = graph.matrix(columns)
        wide = graph.add("Unsqueeze", matrix, np.array([2]))
        edges = np.asarray(fitted.edges, dtype=np.float64)[None, None]
        reached = graph.add("Cast", graph.add("GreaterOrEqual", wide, edges), to=DOUBLE)
        counted = graph.add("ReduceSum", reached, np.array([2]), keepdims=0)
        return graph.columns(graph.add("Where", graph.add("IsNaN", matrix), np.nan, counted), len(columns))
