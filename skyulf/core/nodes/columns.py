"""Steps that choose columns and say what they are."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from skyulf.core.columns import Kind
from skyulf.core.registry import ALL_KINDS, ENCODABLE, BuildContext, Output, Step


class DropColumns(Step):
    """Drops columns of any kind. A column that nothing used before it was dropped need not be sent to predict.

    Builds on scikit-learn's ColumnTransformer.
    """

    name: ClassVar[str] = "drop_columns"
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS
    output: ClassVar[Output] = "dropped"
    types: ClassVar[tuple[str, ...]] = ()

    def build(self, _: BuildContext) -> Any:
        """Return ColumnTransformer's word for dropping."""
        return "drop"


class Cast(Step):
    """Takes columns for what they are: numbers that are names (codes, years) for categories, or text for numbers.

    Cast to category, 3.0 becomes "3"; cast to number, text that is no finite number becomes missing. Missing cells
    stay missing. Takes categorical, text and numeric columns.
    """

    name: ClassVar[str] = "cast"
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
