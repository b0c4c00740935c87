"""Steps for outliers: drawing them in, dropping training rows that have some, and marking them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one
from skyulf.core.registry import NUMERIC, Address, BuildContext, NumberStep, Output, RowStep, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class Fenced(Step):
    """A step with limits outside of which a number is an outlier; training rows set them, save for bounds."""

    method: str = "iqr"
    factor: float = Field(default=1.5, ge=0)
    deviations: float = Field(default=3.0, gt=0)
    low: float = Field(default=0.01, ge=0, le=1)
    high: float = Field(default=0.99, ge=0, le=1)
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _ends_are_ends(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        if self.method != "bounds":
            if self.minimum is not None or self.maximum is not None:
                raise ValueError("minimum and maximum belong to method bounds")
        elif self.minimum is None and self.maximum is None:
            raise ValueError("method bounds needs minimum or maximum")
        elif self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum must not be above maximum")
        return self

    @property
    def spread(self) -> float:
        """How far the limits are, in the unit of the method."""
        return self.deviations if self.method == "z_score" else self.factor

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The two limits that are given: bounds, or shares of rows."""
        return (self.minimum, self.maximum) if self.method == "bounds" else (self.low, self.high)


class Clip(Fenced, NumberStep):
    """Draws outliers in to limits that training rows set; missing cells stay missing.

    With method iqr the limits lie ``factor`` quartile ranges outside the quartiles (Tukey's fences); with z_score
    ``deviations`` standard deviations from the mean; with quantiles they are the quantiles ``low`` and ``high``
    (winsorising); with bounds ``minimum`` and ``maximum``. Takes numeric columns.
    """

    name: ClassVar[str] = "clip"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.outliers.Limits", "skyulf.core.transformers.Clipper")

    method: Literal["iqr", "z_score", "quantiles", "bounds"] = "iqr"

    def build(self, _: BuildContext) -> Any:
        """Make a Clipper, or Limits where they are set by other means than quantiles."""
        from skyulf.core.transformers import Clipper

        if self.method in ("z_score", "bounds"):
            from skyulf.core.outliers import Limits

            return Limits(self.method, self.deviations, self.minimum, self.maximum)
        if self.method == "iqr":
            return Clipper(0.25, 0.75, self.factor)
        return Clipper(self.low, self.high, 0.0)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Clip."""
        matrix = graph.matrix(columns)
        above = graph.add("Max", matrix, fitted.lower_)
        return graph.columns(graph.add("Min", above, fitted.upper_), len(columns))


class DropOutliers(Fenced, RowStep):
    """Drops training rows that have an outlier in any of the columns; rows to predict are never dropped.

    The limits, which training rows set, are ``factor`` quartile ranges outside the quartiles (iqr, Tukey's fences),
    ``deviations`` standard deviations from the mean (z_score), the quantiles ``low`` and ``high``, or ``minimum`` and
    ``maximum`` themselves (bounds). With elliptic_envelope it is the ``share`` of rows farthest from the rest as a
    robust covariance tells it (Rousseeuw and Van Driessen, Technometrics 41, 1999; scikit-learn's EllipticEnvelope).
    A missing cell is no outlier. Takes numeric columns.
    """

    name: ClassVar[str] = "drop_outliers"
    takes: ClassVar[frozenset[Kind]] = NUMERIC

    method: Literal["iqr", "z_score", "quantiles", "bounds", "elliptic_envelope"] = "iqr"
    share: float = Field(default=0.1, gt=0, le=0.5)

    def sampler(self, context: BuildContext, address: Address) -> Any:
        """Make a sampler that judges rows."""
        from skyulf.core.dropping import EnvelopedRows, LimitedRows

        if self.method == "elliptic_envelope":
            return EnvelopedRows(address.columns, made_from=address.made_from, share=self.share, seed=context.seed)
        low, high = self.ends
        return LimitedRows(
            address.columns, made_from=address.made_from, method=self.method, spread=self.spread, low=low, high=high
        )


class OutlierIndicator(Fenced, NumberStep):
    """Adds a column for each, which is 1 where a cell is an outlier and else 0; put it before clip.

    The limits are those of drop_outliers. A missing cell is no outlier. Takes numeric columns.
    """

    name: ClassVar[str] = "outlier_indicator"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_generated: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.outliers.OutlierIndicator",)

    method: Literal["iqr", "z_score", "quantiles", "bounds"] = "iqr"

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """One column for each, beside it."""
        return tuple(one(source, "is an outlier") for source in sources)

    def build(self, _: BuildContext) -> Any:
        """Make an OutlierIndicator."""
        from skyulf.core import outliers

        return outliers.OutlierIndicator(self.method, self.spread, *self.ends)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Compare."""
        from skyulf.core.graph import DOUBLE

        matrix = graph.matrix(columns)
        below = graph.add("Cast", graph.add("Less", matrix, fitted.lower_), to=DOUBLE)
        above = graph.add("Cast", graph.add("Less", graph.add("Neg", matrix), -fitted.upper_), to=DOUBLE)
        return graph.columns(graph.add("Max", below, above), len(columns))
