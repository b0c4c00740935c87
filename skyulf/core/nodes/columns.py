"""Steps that choose columns."""

from typing import Any, ClassVar

from skyulf.core.columns import Kind
from skyulf.core.registry import ALL_KINDS, BuildContext, Output, Step


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
