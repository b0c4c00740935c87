"""Steps that turn categories into numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one_for_each
from skyulf.core.registry import ENCODABLE, BuildContext, Output, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class OneHot(Step):
    """Replaces each column by one column of 0 and 1 per category.

    Builds on scikit-learn's OneHotEncoder, dense. Takes categorical, text and numeric columns. A missing cell is a
    category of its own where training rows had any; categories beyond ``max_categories`` or rarer than
    ``min_frequency`` (a number of rows, or a share of them) share one column; a category never seen in training
    counts among those, or else is all zeros. ``drop`` leaves out the first category of each column, or only of those
    with two (dummy coding): what the others say is enough for a linear model without a penalty.
    """

    name: ClassVar[str] = "one_hot"
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    output: ClassVar[Output] = "generated"
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = (
        "skyulf.core.encoders.DummyEncoder",
        "sklearn.preprocessing._encoders.OneHotEncoder",
    )

    max_categories: int | None = Field(default=100, ge=2)
    min_frequency: int | float | None = Field(default=None, gt=0)
    drop: Literal["first", "if_binary"] | None = None

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each category, and one for all that are rare."""
        return tuple(one_for_each(source, "category", self._most(source)) for source in sources)

    def _most(self, source: Source) -> int | None:
        caps = [cap for cap in (self.max_categories, source.distinct) if cap is not None]
        return min(caps) * (source.most or 1) if caps and source.most is not None else None

    def build(self, _: BuildContext) -> Any:
        """Make a dense OneHotEncoder that serves unseen categories."""
        from sklearn.preprocessing import OneHotEncoder

        if self.drop is not None:
            from skyulf.core.encoders import DummyEncoder as OneHotEncoder
        return OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=self.max_categories,
            min_frequency=self.min_frequency,
            drop=self.drop,
            sparse_output=False,
        )

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Look the categories up."""
        from skyulf.core.graph import asked

        rare = [0 if each is None else len(each) - 1 for each in fitted.infrequent_categories_]
        dropped = [0] * len(rare) if fitted.drop_idx_ is None else [int(at is not None) for at in fitted.drop_idx_]
        fewer = [one + other for one, other in zip(rare, dropped, strict=True)]
        widths = [len(known) - less for known, less in zip(fitted.categories_, fewer, strict=True)]
        return graph.lookup(columns, fitted.categories_, asked(fitted.transform, fitted.categories_, widths))


class Ordinal(Step):
    """Replaces each category by a number, in the categories' order of sorting.

    Builds on scikit-learn's OrdinalEncoder. Takes categorical, text and numeric columns; fit for trees, while for
    linear models the order would mean something. A category never seen in training becomes ``unknown_value``, a
    missing cell ``missing_value``; either may be null, which leaves the cell missing, for models that take that:
    trees then send what they never saw the way that most rows went, not to the category that is first in the order.
    """

    name: ClassVar[str] = "ordinal"
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    output: ClassVar[Output] = "numeric"
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("sklearn.preprocessing._encoders.OrdinalEncoder",)

    unknown_value: Annotated[int, Field(le=-1)] | None = -1
    missing_value: Annotated[int, Field(le=-1)] | None = -2

    def after(self, kind: Kind, nullable: bool) -> tuple[Kind, bool]:
        """See `Step.after`; any cell may turn out to be a category never seen."""
        return "numeric", self.unknown_value is None or (nullable and self.missing_value is None)

    def build(self, _: BuildContext) -> Any:
        """Make an OrdinalEncoder that serves unseen categories."""
        from sklearn.preprocessing import OrdinalEncoder

        return OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=float("nan") if self.unknown_value is None else self.unknown_value,
            encoded_missing_value=float("nan") if self.missing_value is None else self.missing_value,
        )

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Look the categories up."""
        from skyulf.core.graph import asked

        widths = [1] * len(columns)
        return graph.lookup(columns, fitted.categories_, asked(fitted.transform, fitted.categories_, widths))
