"""Steps for outliers: dropping training rows that have some, and marking them. Clip draws them in."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, one
from skyulf.core.registry import NUMERIC, Address, BuildContext, Output, RowStep, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph

Method = Literal["iqr", "z_score", "quantiles", "bounds"]


def spread_of(method: str, factor: float, deviations: float) -> float:
    """How far the limits are, in the unit of the method."""
    return deviations if method == "z_score" else factor


def ends_of(step: Any) -> tuple[float | None, float | None]:
    """The two limits of a step that are given: bounds, or shares of rows."""
    return (step.minimum, step.maximum) if step.method == "bounds" else (step.low, step.high)


def check_ends(step: Any) -> None:
    """Raise ValueError where limits are given that are none."""
    if step.low >= step.high:
        raise ValueError("low must be less than high")
    if step.method != "bounds":
        if step.minimum is not None or step.maximum is not None:
            raise ValueError("minimum and maximum belong to method bounds")
    elif step.minimum is None and step.maximum is None:
        raise ValueError("method bounds needs minimum or maximum")
    elif step.minimum is not None and step.maximum is not None and step.minimum > step.maximum:
        raise ValueError("minimum must not be above maximum")


class DropOutliers(RowStep):
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
    factor: float = Field(default=1.5, ge=0)
    deviations: float = Field(default=3.0, gt=0)
    low: float = Field(default=0.01, ge=0, le=1)
    high: float = Field(default=0.99, ge=0, le=1)
    minimum: float | None = None
    maximum: float | None = None
    share: float = Field(default=0.1, gt=0, le=0.5)

    @model_validator(mode="after")
    def _ends_are_ends(self) -> Self:
        check_ends(self)
        return self

    def sampler(self, context: BuildContext, address: Address) -> Any:
        """Make a sampler that judges rows."""
        from skyulf.core.dropping import EnvelopedRows, LimitedRows

        if self.method == "elliptic_envelope":
            return EnvelopedRows(address.columns, made_from=address.made_from, share=self.share, seed=context.seed)
        low, high = ends_of(self)
        spread = spread_of(self.method, self.factor, self.deviations)
        return LimitedRows(
            address.columns, made_from=address.made_from, method=self.method, spread=spread, low=low, high=high
        )


class OutlierIndicator(Step):
    """Adds a column for each, which is 1 where a cell is an outlier and else 0; put it before clip.

    The limits are those of drop_outliers. A missing cell is no outlier. Takes numeric columns.
    """

    name: ClassVar[str] = "outlier_indicator"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_generated: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "added"
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.outliers.OutlierIndicator",)

    method: Method = "iqr"
    factor: float = Field(default=1.5, ge=0)
    deviations: float = Field(default=3.0, gt=0)
    low: float = Field(default=0.01, ge=0, le=1)
    high: float = Field(default=0.99, ge=0, le=1)
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _ends_are_ends(self) -> Self:
        check_ends(self)
        return self

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:  # noqa: ARG002
        """One column for each, beside it."""
        return tuple(one(source, "is an outlier") for source in sources)

    def build(self, _: BuildContext) -> Any:
        """Make an OutlierIndicator."""
        from skyulf.core import outliers

        spread = spread_of(self.method, self.factor, self.deviations)
        return outliers.OutlierIndicator(self.method, spread, *ends_of(self))

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Compare."""
        return lambda block: fitted.compute(block.astype(float, copy=False))

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Compare."""
        from skyulf.core.graph import DOUBLE

        matrix = graph.matrix(columns)
        below = graph.add("Cast", graph.add("Less", matrix, fitted.lower_), to=DOUBLE)
        above = graph.add("Cast", graph.add("Less", graph.add("Neg", matrix), -fitted.upper_), to=DOUBLE)
        return graph.columns(graph.add("Max", below, above), len(columns))
