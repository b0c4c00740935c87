"""Steps that change numeric columns."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from skyulf.core.columns import Kind
from skyulf.core.registry import NUMERIC, BuildContext, Output, Step


class Clip(Step):
    """Draws outliers in to limits that training rows set; missing cells stay missing.

    With method iqr the limits lie ``factor`` quartile ranges outside the quartiles (Tukey's fences); with quantiles
    they are the quantiles ``low`` and ``high``. Takes numeric columns.
    """

    name: ClassVar[str] = "clip"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.Clipper",)

    method: Literal["iqr", "quantiles"] = "iqr"
    factor: float = Field(default=1.5, ge=0)
    low: float = Field(default=0.01, ge=0, le=1)
    high: float = Field(default=0.99, ge=0, le=1)

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        return self

    def build(self, _: BuildContext) -> Any:
        """Make a Clipper."""
        from skyulf.core.transformers import Clipper

        if self.method == "iqr":
            return Clipper(0.25, 0.75, self.factor)
        return Clipper(self.low, self.high, 0.0)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Clip."""
        return lambda block: fitted.compute(block.astype(float, copy=False))


class PowerTransform(Step):
    """Makes skewed columns symmetric, with mean 0 and variance 1; missing cells stay missing.

    Yeo-Johnson (Biometrika 87, 2000) takes any number, Box-Cox (J. Royal Statistical Society B 26, 1964) positive ones
    only; served numbers below the least of the training rows then count as that. Builds on scipy's yeojohnson and
    boxcox. Takes numeric columns.
    """

    name: ClassVar[str] = "power_transform"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.transformers.Power",)

    method: Literal["yeo_johnson", "box_cox"] = "yeo_johnson"

    def build(self, _: BuildContext) -> Any:
        """Make a Power."""
        from skyulf.core.transformers import Power

        return Power(self.method)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Raise to the powers that were learnt."""
        return lambda block: fitted.compute(block.astype(float, copy=False))


class Bin(Step):
    """Replaces each number by the number of its bin, counted from 0; follow it with one_hot for a column for each.

    Builds on scikit-learn's KBinsDiscretizer: bins of as many training rows each (quantile), of one width (uniform)
    or around the means of clusters (kmeans). Takes numeric columns without missing cells.
    """

    name: ClassVar[str] = "bin"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ("sklearn.preprocessing._discretization.KBinsDiscretizer",)

    bins: int = Field(default=5, ge=2)
    method: Literal["quantile", "uniform", "kmeans"] = "quantile"

    def build(self, context: BuildContext) -> Any:
        """Make an ordinal KBinsDiscretizer."""
        from sklearn.preprocessing import KBinsDiscretizer

        return KBinsDiscretizer(
            self.bins,
            encode="ordinal",
            strategy=self.method,
            quantile_method="averaged_inverted_cdf",
            random_state=context.seed,
        )


class Polynomial(Step):
    """Replaces columns by themselves, their powers and their products up to a degree.

    Builds on scikit-learn's PolynomialFeatures. Takes numeric columns without missing cells; scale them first. With
    ``interactions_only`` no column is multiplied by itself.
    """

    name: ClassVar[str] = "polynomial"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("sklearn.preprocessing._polynomial.PolynomialFeatures",)

    degree: int = Field(default=2, ge=2)
    interactions_only: bool = False

    def build(self, _: BuildContext) -> Any:
        """Make a PolynomialFeatures without a column of ones."""
        from sklearn.preprocessing import PolynomialFeatures

        return PolynomialFeatures(self.degree, interaction_only=self.interactions_only, include_bias=False)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Multiply, and keep what is too large for later steps within limits."""
        import copy

        import numpy as np

        from skyulf.core.transformers import LIMIT

        bare = copy.copy(fitted)
        vars(bare).pop("feature_names_in_", None)

        def multiplied(block: Any) -> Any:
            return np.clip(bare.transform(block.astype(np.float64, copy=False)), -LIMIT, LIMIT)

        return multiplied
