"""Steps that keep what it means that a cell is missing."""

from collections.abc import Callable
from typing import Any, ClassVar

from skyulf.core.columns import Kind
from skyulf.core.registry import ENCODABLE, BuildContext, Output, Step


class MissingIndicator(Step):
    """Adds a column for each, which is 1 where a cell is missing and else 0; put it before impute.

    Builds on scikit-learn's MissingIndicator. Takes categorical, text and numeric columns.
    """

    name: ClassVar[str] = "missing_indicator"
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    fills_nulls: ClassVar[bool] = True
    takes_generated: ClassVar[bool] = False
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("sklearn.impute._base.MissingIndicator",)

    def build(self, _: BuildContext) -> Any:
        """Make a MissingIndicator for every column, whether training rows lack cells there or not."""
        from sklearn.impute import MissingIndicator as Estimator

        return Estimator(features="all", sparse=False)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:  # noqa: ARG003
        """Compare: what is missing is NaN, which differs from itself."""
        return lambda block: (block != block).astype(float)
