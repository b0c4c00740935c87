"""Steps that choose columns and say what they are."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skyulf.core.columns import Kind
from skyulf.core.registry import ALL_KINDS, ENCODABLE, BuildContext, Output, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class DropColumns(Step):
    """Drops columns of any kind. A column that nothing used before it was dropped need not be sent to predict.

    Builds on scikit-learn's ColumnTransformer.
    """

    name: ClassVar[str] = "drop_columns"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS
    output: ClassVar[Output] = "dropped"
    types: ClassVar[tuple[str, ...]] = ()

    def build(self, _: BuildContext) -> Any:
        """Return ColumnTransformer's word for dropping."""
        return "drop"


class Cast(Step):
    """Takes columns for what they are: numbers that are names (codes, years) for categories, or text for numbers.

    Cast to category, 3.0 becomes "3"; cast to number, text that is no finite number becomes missing. Missing cells
    stay missing. Takes categorical, text and numeric columns. Models after a cast of text to numbers have no ONNX copy.
    """

    name: ClassVar[str] = "cast"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    takes_generated: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.texts.Cast",)

    to: Literal["number", "category"]

    def after(self, kind: Kind, nullable: bool) -> tuple[Kind, bool]:
        """Tell of text that is cast to numbers that some may be missing: it may be no number."""
        if self.to == "category":
            return "categorical", nullable
        return "numeric", nullable or kind != "numeric"

    def build(self, _: BuildContext) -> Any:
        """Make a Cast."""
        from skyulf.core import texts

        return texts.Cast(self.to)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Cast cell by cell."""
        compute: Callable[[Any], Any] = fitted.compute
        return compute

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Text stays what it is; a number taken for a category is known by it."""
        import numpy as np

        from skyulf.core.graph import Named, NoOnnx

        if fitted.to == "category":
            return [each if isinstance(each, Named) else Named(each, _cast(fitted)) for each in columns]
        if any(isinstance(each, Named) for each in columns):
            raise NoOnnx("the step cast reads numbers out of text, for which ONNX has other rules than Python")
        matrix = graph.matrix(columns)
        return graph.columns(graph.add("Where", graph.add("IsInf", matrix), np.nan, matrix), len(columns))


def _cast(fitted: Any) -> Callable[[Any], Any]:
    return lambda cells: fitted.compute(cells[:, None])[:, 0]
