"""Steps that put numeric columns on one scale."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skyulf.core.columns import Kind
from skyulf.core.registry import NUMERIC, BuildContext, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph
    from skyulf.core.piecewise import Moments


class Scale(Step):
    """Puts numeric columns on one scale; missing cells stay missing.

    Builds on scikit-learn: standard (mean 0, variance 1: StandardScaler), minmax (0 to 1: MinMaxScaler), robust
    (median 0, quartile range 1, for data with outliers: RobustScaler), maxabs (-1 to 1, zero stays zero:
    MaxAbsScaler). Takes numeric columns.
    """

    name: ClassVar[str] = "scale"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.preprocessing._data.MaxAbsScaler",
        "sklearn.preprocessing._data.MinMaxScaler",
        "sklearn.preprocessing._data.RobustScaler",
        "sklearn.preprocessing._data.StandardScaler",
    )

    method: Literal["standard", "minmax", "robust", "maxabs"] = "standard"

    def build(self, _: BuildContext) -> Any:
        """Make the scaler that ``method`` names."""
        from sklearn import preprocessing

        scalers = {
            "standard": preprocessing.StandardScaler,
            "minmax": preprocessing.MinMaxScaler,
            "robust": preprocessing.RobustScaler,
            "maxabs": preprocessing.MaxAbsScaler,
        }
        return scalers[self.method]()

    def unable_in_pieces(self) -> str | None:
        """Refuse quantiles."""
        if self.method == "robust":
            return "scale with method robust takes quantiles of all rows at once; use standard, minmax or maxabs"
        return None

    def learn(self, fitted: Any, moments: "Moments") -> None:
        """Take means and deviations, or the least and the largest numbers, which two rows hold as well as all."""
        import numpy as np
        import pandas as pd

        if self.method == "standard":
            fitted.mean_, fitted.var_, fitted.scale_ = moments.mean, moments.variance, moments.deviation
            fitted.n_samples_seen_ = moments.filled
            return
        ends, names = np.vstack([moments.least, moments.largest]), getattr(fitted, "feature_names_in_", None)
        fitted.fit(ends if names is None else pd.DataFrame(ends, columns=names))
        fitted.n_samples_seen_ = moments.rows

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any]:
        """Shift and stretch, as the four scalers do."""
        import numpy as np

        shift = {"StandardScaler": "mean_", "RobustScaler": "center_"}.get(type(fitted).__name__)
        centre = getattr(fitted, shift) if shift else None
        stretches = type(fitted).__name__ == "MinMaxScaler"

        def scaled(block: Any) -> Any:
            numbers = block.astype(np.float64, copy=False)
            if stretches:
                return numbers * fitted.scale_ + fitted.min_
            return (numbers if centre is None else numbers - centre) / fitted.scale_

        return scaled

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Shift and stretch."""
        matrix = graph.matrix(columns)
        shift = {"StandardScaler": "mean_", "RobustScaler": "center_"}.get(type(fitted).__name__)
        if type(fitted).__name__ == "MinMaxScaler":
            scaled = graph.add("Add", graph.add("Mul", matrix, fitted.scale_), fitted.min_)
        else:
            centred = graph.add("Sub", matrix, getattr(fitted, shift)) if shift else matrix
            scaled = graph.add("Div", centred, fitted.scale_)
        return graph.columns(scaled, len(columns))
