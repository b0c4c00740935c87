"""Steps that drop what is missing too often: columns, or rows of the training data."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, counted, names_of, some
from skyulf.core.registry import ALL_KINDS, NUMERIC, Address, BuildContext, Output, RowStep, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class DropMissingColumns(Step):
    """Leaves out columns of which more than a share of the training cells is missing.

    Where that is all of them, the fullest one stays. Takes numeric columns; what is missing in categories is one itself
    (one_hot, ordinal, target_encode), and columns of other kinds are left out by name (drop_columns).
    """

    name: ClassVar[str] = "drop_missing_columns"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.selectors.Filled",)

    max_missing: float = Field(default=0.5, ge=0, lt=1)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:  # noqa: ARG002
        """Some of the columns, which training rows tell."""
        names = names_of(sources)
        text = f"those of {some(names)} of which at most {self.max_missing:.0%} is missing"
        nullable = any(source.nullable for source in sources)
        return (Made(names, text, most=counted(sources)[1], nullable=nullable),)

    def build(self, _: BuildContext) -> Any:
        """Make a Filled."""
        from skyulf.core.selectors import Filled

        return Filled(self.max_missing)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Choose."""
        return lambda block: fitted.compute(block.astype(float, copy=False))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":  # noqa: ARG003
        """Choose."""
        return [columns[at] for at in fitted.kept_]


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
