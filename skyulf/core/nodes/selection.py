"""Steps that leave out columns which others make needless, or which weigh little in a model."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, counted, names_of, some
from skyulf.core.registry import NUMERIC, BuildContext, Output, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class SelectUncorrelated(Step):
    """Leaves out columns that say what an earlier one says: whose correlation with it is above a threshold.

    Of the columns in their order each is kept that is not too much like one kept before it. Pearson's correlation, or
    Spearman's of ranks; the sign does not count. Takes numeric columns without missing cells.
    """

    name: ClassVar[str] = "select_uncorrelated"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.selectors.Uncorrelated",)

    threshold: float = Field(default=0.95, ge=0, lt=1)
    method: Literal["pearson", "spearman"] = "pearson"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:  # noqa: ARG002
        """Some of the columns, which training rows tell."""
        names = names_of(sources)
        text = f"those of {some(names)} that are not correlated by more than {self.threshold:g}"
        return (Made(names, text, most=counted(sources)[1]),)

    def build(self, _: BuildContext) -> Any:
        """Make an Uncorrelated."""
        from skyulf.core.selectors import Uncorrelated

        return Uncorrelated(self.threshold, self.method)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Choose."""
        return lambda block: fitted.compute(block.astype(float, copy=False))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":  # noqa: ARG003
        """Choose."""
        return [columns[at] for at in fitted.kept_]


class SelectByModel(Step):
    """Keeps the columns that weigh most in a model of all of them: a number of them, or a share.

    The weight is the importance in a forest of 100 extremely randomised trees (Geurts et al., Machine Learning 63,
    2006), or the size of the coefficient in a linear model of scaled columns; scikit-learn's ExtraTrees,
    LogisticRegression and Ridge. Takes numeric columns without missing cells. It is fitted anew on the training part of
    every fold.
    """

    name: ClassVar[str] = "select_by_model"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.selectors.ByModel",)

    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 0.5
    by: Literal["trees", "linear"] = "trees"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:  # noqa: ARG002
        """Some of the columns, which training rows tell."""
        names = names_of(sources)
        count, most = (None if number is None else self._kept(number) for number in counted(sources))
        return (Made(names, f"those of {some(names)} that weigh most in a model", None, count, most),)

    def _kept(self, columns: int) -> int:
        wanted = self.keep if isinstance(self.keep, int) else round(self.keep * columns)
        return min(columns, max(1, wanted))

    def build(self, context: BuildContext) -> Any:
        """Make a ByModel for the task."""
        from skyulf.core.selectors import ByModel

        return ByModel(self.keep, self.by, context.task, context.seed)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Choose."""
        return lambda block: fitted.compute(block.astype(float, copy=False))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":  # noqa: ARG003
        """Choose."""
        return [columns[at] for at in fitted.kept_]
