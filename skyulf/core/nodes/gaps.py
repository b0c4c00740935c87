"""Steps that drop what is missing too often: columns, or rows of the training data."""

from typing import Any, ClassVar

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.nodes.select import Selecting
from skyulf.core.registry import ALL_KINDS, Address, BuildContext, RowStep


class DropMissingColumns(Selecting):
    """Leaves out columns of which more than a share of the training cells is missing.

    Where that is all of them, the fullest one stays. Takes numeric columns; what is missing in categories is one itself
    (one_hot, ordinal, target_encode), and columns of other kinds are left out by name (drop_columns).
    """

    name: ClassVar[str] = "drop_missing_columns"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.selectors.Filled",)

    max_missing: float = Field(default=0.5, ge=0, lt=1)

    def which(self) -> str:
        """See `Selecting.which`."""
        return f"of which at most {self.max_missing:.0%} is missing"

    def build(self, _: BuildContext) -> Any:
        """Make a Filled."""
        from skyulf.core.selectors import Filled

        return Filled(self.max_missing)


class DropMissingRows(RowStep):
    """Drops training rows of which more than a share of the cells is missing; rows to predict are never dropped.

    With ``max_missing`` 0 any missing cell is enough. What is predicted may have gaps still, so impute stays needed.
    Takes columns of any kind. Builds on pandas' isna.
    """

    name: ClassVar[str] = "drop_missing_rows"
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS

    max_missing: float = Field(default=0.0, ge=0, lt=1)

    def sampler(self, _: BuildContext, address: Address) -> Any:
        """Make a sampler that counts gaps."""
        from skyulf.core.dropping import FilledRows

        return FilledRows(address.columns, made_from=address.made_from, max_missing=self.max_missing)
