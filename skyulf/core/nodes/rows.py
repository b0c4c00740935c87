"""Steps that drop rows, of the training data only: what is evaluated and what is served passes them by."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.registry import ALL_KINDS, Address, BuildContext, RowStep


class DropDuplicates(RowStep):
    """Drops training rows that repeat another, so that no row counts twice; rows to predict are never dropped.

    Builds on pandas' duplicated. Rows are alike when they are so in the columns that the step acts on and in the
    target, or, where ``subset`` names columns, in those alone (the target may be one of them). Missing cells are alike.
    Of rows that are alike the ``keep`` one stays, in the order of the dataset. Takes columns of any kind.
    """

    name: ClassVar[str] = "drop_duplicates"
    takes: ClassVar[frozenset[Kind]] = ALL_KINDS

    subset: Annotated[list[str], Field(min_length=1)] | None = None
    keep: Literal["first", "last"] = "first"

    def names(self) -> dict[str, list[str]]:
        """Name the columns of ``subset``."""
        return {} if self.subset is None else {"subset": self.subset}

    def sampler(self, _: BuildContext, address: Address) -> Any:
        """Make a sampler that compares rows."""
        from skyulf.core.sampling import UniqueRows

        if self.subset is None:
            return UniqueRows(address.columns, made_from=address.made_from, target=True, keep=self.keep)
        columns = [address.of[name] for name in self.subset if name in address.of]
        return UniqueRows(columns, target=len(columns) < len(set(self.subset)), keep=self.keep)
