"""Steps that keep what it means that a cell is missing."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one
from skyulf.core.registry import ENCODABLE, BuildContext, Output, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class MissingIndicator(Step):
    """Adds a column for each, which is 1 where a cell is missing and else 0; put it before impute.

    Builds on scikit-learn's MissingIndicator. Takes categorical, text and numeric columns.
    """

    name: ClassVar[str] = "missing_indicator"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    fills_nulls: ClassVar[bool] = True
    takes_generated: ClassVar[bool] = False
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("sklearn.impute._base.MissingIndicator",)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each, beside it."""
        return tuple(one(source, "is missing") for source in sources)

    def build(self, _: BuildContext) -> Any:
        """Make a MissingIndicator for every column, whether training rows lack cells there or not."""
        from sklearn.impute import MissingIndicator as Estimator

        return Estimator(features="all", sparse=False)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Compare: what is missing is NaN, which differs from itself."""
        return lambda block: (block != block).astype(float)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Compare with itself what is a number; text is missing or not."""
        from skyulf.core.graph import DOUBLE, Named

        def missing(_: int, cells: Any) -> Any:
            return (cells != cells)[:, None]

        marks: list[Column] = []
        for each in columns:
            if isinstance(each, Named):
                marks += graph.lookup([each], [()], missing)
            else:
                marks += graph.columns(graph.add("Cast", graph.add("IsNaN", graph.matrix([each])), to=DOUBLE), 1)
        return marks
