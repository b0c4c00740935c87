"""Steps that leave out columns: that say little, say what others say, or weigh little, as training rows tell."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, counted, names_of, some
from skyulf.core.registry import NUMERIC, SUPERVISED, BuildContext, NumberStep, Output, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class Selecting(NumberStep):
    """A step that keeps some of the columns; which, its fitted transformer has as ``kept_``, their positions."""

    takes: ClassVar[frozenset[Kind]] = NUMERIC
    output: ClassVar[Output] = "generated"

    @abstractmethod
    def which(self) -> str:
        """Say which columns are kept, after "those of A and B"."""

    def kept_of(self, columns: int) -> int | None:
        """Return how many of so many columns are kept, or None where only fitting tells."""
        return None

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """Some of the columns, which training rows tell."""
        names = names_of(sources)
        count, most = counted(sources)
        nullable = not self.fills_nulls and any(source.nullable for source in sources)
        kept = None if count is None else self.kept_of(count)
        at_most = None if most is None else self.kept_of(most) or most
        return (Made(names, f"those of {some(names)} {self.which()}", None, kept, at_most, nullable),)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Choose."""
        return [columns[at] for at in fitted.kept_]


class Keeping(Selecting):
    """A step that keeps so many of the columns, or such a share of them, without missing cells."""

    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True

    keep: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)] = 0.5

    def kept_of(self, columns: int) -> int:
        """See `Selecting.kept_of`."""
        wanted = self.keep if isinstance(self.keep, int) else round(self.keep * columns)
        return min(columns, max(1, wanted))


class SelectUnivariate(Keeping):
    """Keeps the columns that, each by itself, tell most of the target: a number of them, or a share.

    Builds on scikit-learn's f_classif and f_regression (anova), mutual_info_classif and mutual_info_regression
    (mutual_information). Takes numeric columns without missing cells. It is fitted anew on the training part of every
    fold: selected on all rows, columns of pure noise would seem to predict.
    """

    name: ClassVar[str] = "select_univariate"
    tasks: ClassVar[tuple[Task, ...]] = SUPERVISED
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.Univariate",)

    score: Literal["anova", "mutual_information"] = "anova"

    def which(self) -> str:
        """See `Selecting.which`."""
        return "that tell most of the target"

    def build(self, context: BuildContext) -> Any:
        """Make a Univariate for the task."""
        from skyulf.core.transformers import Univariate

        return Univariate(self.keep, self.score, context.task, context.seed)


class SelectVariance(Selecting):
    """Leaves out columns whose variance on training rows is not above a threshold; missing cells stay missing.

    After scikit-learn's VarianceThreshold, save that one column, of most variance, is kept where none is above it.
    Takes numeric columns; not after standard scaling, which gives every column the variance 1.
    """

    name: ClassVar[str] = "select_variance"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.Variance",)

    threshold: float = Field(default=0.0, ge=0)

    def which(self) -> str:
        """See `Selecting.which`."""
        return f"that vary by more than {self.threshold:g}"

    def build(self, _: BuildContext) -> Any:
        """Make a Variance."""
        from skyulf.core.transformers import Variance

        return Variance(self.threshold)


class SelectUncorrelated(Selecting):
    """Leaves out columns that say what an earlier one says: whose correlation with it is above a threshold.

    Of the columns in their order each is kept that is not too much like one kept before it. Pearson's correlation, or
    Spearman's of ranks; the sign does not count. Takes numeric columns without missing cells.
    """

    name: ClassVar[str] = "select_uncorrelated"
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.selectors.Uncorrelated",)

    threshold: float = Field(default=0.95, ge=0, lt=1)
    method: Literal["pearson", "spearman"] = "pearson"

    def which(self) -> str:
        """See `Selecting.which`."""
        return f"that are not correlated by more than {self.threshold:g}"

    def build(self, _: BuildContext) -> Any:
        """Make an Uncorrelated."""
        from skyulf.core.selectors import Uncorrelated

        return Uncorrelated(self.threshold, self.method)


class SelectByModel(Keeping):
    """Keeps the columns that weigh most in a model of all of them: a number of them, or a share.

    The weight is the importance in a forest of 100 extremely randomised trees (Geurts et al., Machine Learning 63,
    2006), or the size of the coefficient in a linear model of scaled columns; scikit-learn's ExtraTrees,
    LogisticRegression and Ridge. Takes numeric columns without missing cells. It is fitted anew on the training part of
    every fold.
    """

    name: ClassVar[str] = "select_by_model"
    tasks: ClassVar[tuple[Task, ...]] = SUPERVISED
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.selectors.ByModel",)

    by: Literal["trees", "linear"] = "trees"

    def which(self) -> str:
        """See `Selecting.which`."""
        return "that weigh most in a model"

    def build(self, context: BuildContext) -> Any:
        """Make a ByModel for the task."""
        from skyulf.core.selectors import ByModel

        return ByModel(self.keep, self.by, context.task, context.seed)
