"""Steps that leave out columns that say little, as training rows tell."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, counted, names_of, some
from skyulf.core.registry import NUMERIC, BuildContext, Output, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class SelectUnivariate(Step):
    """Keeps the columns that, each by itself, tell most of the target: a number of them, or a share.

    Builds on scikit-learn's f_classif and f_regression (anova), mutual_info_classif and mutual_info_regression
    (mutual_information). Takes numeric columns without missing cells. It is fitted anew on the training part of every
    fold: selected on all rows, columns of pure noise would seem to predict.
    """

    name: ClassVar[str] = "select_univariate"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.Univariate",)

    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 0.5
    score: Literal["anova", "mutual_information"] = "anova"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:  # noqa: ARG002
        """Some of the columns, which training rows tell."""
        names = names_of(sources)
        count, most = (None if number is None else self._kept(number) for number in counted(sources))
        return (Made(names, f"those of {some(names)} that tell most of the target", None, count, most),)

    def _kept(self, columns: int) -> int:
        wanted = self.keep if isinstance(self.keep, int) else round(self.keep * columns)
        return min(columns, max(1, wanted))

    def build(self, context: BuildContext) -> Any:
        """Make a Univariate for the task."""
        from skyulf.core.transformers import Univariate

        return Univariate(self.keep, self.score, context.task, context.seed)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Choose."""
        return lambda block: fitted.compute(block.astype(float, copy=False))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":  # noqa: ARG003
        """Choose."""
        return [columns[at] for at in fitted.kept_]


class SelectVariance(Step):
    """Leaves out columns whose variance on training rows is not above a threshold; missing cells stay missing.

    After scikit-learn's VarianceThreshold, save that one column, of most variance, is kept where none is above it.
    Takes numeric columns; not after standard scaling, which gives every column the variance 1.
    """

    name: ClassVar[str] = "select_variance"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.Variance",)

    threshold: float = Field(default=0.0, ge=0)

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:  # noqa: ARG002
        """Some of the columns, which training rows tell."""
        names = names_of(sources)
        nullable = any(source.nullable for source in sources)
        _, most = counted(sources)
        text = f"those of {some(names)} that vary by more than {self.threshold:g}"
        return (Made(names, text, most=most, nullable=nullable),)

    def build(self, _: BuildContext) -> Any:
        """Make a Variance."""
        from skyulf.core.transformers import Variance

        return Variance(self.threshold)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Choose."""
        return lambda block: fitted.compute(block.astype(float, copy=False))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":  # noqa: ARG003
        """Choose."""
        return [columns[at] for at in fitted.kept_]
