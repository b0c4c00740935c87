"""Steps that change numeric columns."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.made import Made, Source, counted, names_of, some
from skyulf.core.registry import NUMERIC, BuildContext, NumberStep, Output, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph


class PowerTransform(NumberStep):
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
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Raise to the powers that were learnt."""
        from skyulf.core.onnx_arithmetic import powered

        return graph.columns(powered(graph, graph.matrix(columns), fitted), len(columns))


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

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Count the edges that a number has reached."""
        import numpy as np

        from skyulf.core.graph import DOUBLE

        inner = [edges[1:-1] for edges in fitted.bin_edges_]
        edges = np.full((1, len(inner), max(1, *(len(each) for each in inner))), np.inf)
        for at, each in enumerate(inner):
            edges[0, at, : len(each)] = each
        wide = graph.add("Unsqueeze", graph.matrix(columns), np.array([2]))
        reached = graph.add("Cast", graph.add("GreaterOrEqual", wide, edges), to=DOUBLE)
        return graph.columns(graph.add("ReduceSum", reached, np.array([2]), keepdims=0), len(columns))


class Polynomial(Step):
    """Replaces columns by themselves, their powers and their products up to a degree.

    Builds on scikit-learn's PolynomialFeatures. Takes numeric columns without missing cells; scale them first. With
    ``interactions_only`` no column is multiplied by itself.
    """

    name: ClassVar[str] = "polynomial"
    row_by_row: ClassVar[bool] = True
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    takes_nulls: ClassVar[bool] = False
    fills_nulls: ClassVar[bool] = True
    output: ClassVar[Output] = "generated"
    types: ClassVar[tuple[str, ...]] = ("sklearn.preprocessing._polynomial.PolynomialFeatures",)

    degree: int = Field(default=2, ge=2)
    interactions_only: bool = False

    def makes(self, sources: Sequence[Source], classes: int | None) -> tuple[Made, ...]:
        """The columns, their powers and their products."""
        count, most = (None if number is None else self._terms(number) for number in counted(sources))
        names = names_of(sources)
        return (Made(names, f"powers and products of {some(names)}", None, count, most),)

    def _terms(self, columns: int) -> int:
        if self.interactions_only:
            return sum(math.comb(columns, degree) for degree in range(1, min(self.degree, columns) + 1))
        return math.comb(columns + self.degree, self.degree) - 1

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

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Multiply, the last column first, as PolynomialFeatures does."""
        import numpy as np

        from skyulf.core.transformers import LIMIT

        factors = [[at for at, power in enumerate(term) for _ in range(power)] for term in fitted.powers_]
        ones = len(columns)
        padded = np.array([[ones] * (fitted.degree - len(term)) + term for term in factors], dtype=np.int64)
        matrix = graph.matrix(columns)
        one = graph.add("Add", graph.add("Mul", graph.add("Gather", matrix, np.array([0]), axis=1), 0.0), 1.0)
        wide = graph.add("Concat", matrix, one, axis=1)
        product = graph.add("Gather", wide, padded[:, -1], axis=1)
        for factor in reversed(range(fitted.degree - 1)):
            product = graph.add("Mul", graph.add("Gather", wide, padded[:, factor], axis=1), product)
        return graph.columns(graph.add("Clip", product, -LIMIT, LIMIT), len(padded))
