"""Steps that fill missing cells."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import model_validator

from skyulf.core.columns import Kind
from skyulf.core.registry import ENCODABLE, BuildContext, Step

if TYPE_CHECKING:
    from skyulf.core.graph import Column, Graph
    from skyulf.core.piecewise import Moments


class Impute(Step):
    """Fills missing cells with the mean, the median, the most frequent value or a constant of each column.

    Builds on scikit-learn's SimpleImputer. Mean and median take numeric columns; most_frequent and constant take
    categorical and text ones too. The values are learnt from training rows alone; a column that is missing
    throughout is filled with 0 (or the constant).
    """

    name: ClassVar[str] = "impute"
    takes: ClassVar[frozenset[Kind]] = ENCODABLE
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("sklearn.impute._base.SimpleImputer",)

    strategy: Literal["mean", "median", "most_frequent", "constant"] = "mean"
    fill_value: float | str | None = None

    @model_validator(mode="after")
    def _constant_has_a_value(self) -> Self:
        if (self.strategy == "constant") != (self.fill_value is not None):
            raise ValueError("fill_value belongs to strategy constant, which needs one")
        return self

    def objection(self, kind: Kind) -> str | None:
        """Refuse means of words, and a constant of another kind than its column."""
        if self.strategy in ("mean", "median") and kind in ("categorical", "text"):
            return f"impute with strategy {self.strategy} takes numeric columns only; use most_frequent or constant"
        if (
            self.strategy == "constant"
            and kind in ENCODABLE
            and isinstance(self.fill_value, str) != (kind != "numeric")
        ):
            return f"fill_value must be {'a number' if kind == 'numeric' else 'text'} for {kind} columns"
        return super().objection(kind)

    def build(self, _: BuildContext) -> Any:
        """Make a SimpleImputer that keeps every column."""
        from sklearn.impute import SimpleImputer

        from skyulf.core.transformers import MedianImputer

        imputer = MedianImputer if self.strategy == "median" else SimpleImputer
        return imputer(strategy=self.strategy, fill_value=self.fill_value, keep_empty_features=True)

    def unable_in_pieces(self) -> str | None:
        """Refuse what takes every value of a column."""
        if self.strategy in ("median", "most_frequent"):
            return f"impute with strategy {self.strategy} takes all rows at once; use mean or constant"
        return None

    @property
    def learns(self) -> bool:
        """Whether it is no constant that it fills in."""
        return self.strategy != "constant"

    def learn(self, fitted: Any, moments: "Moments") -> None:
        """Take the means; 0 where a column is missing throughout."""
        import numpy as np

        fitted.statistics_ = np.nan_to_num(moments.mean, nan=0.0)

    @classmethod
    def arithmetic(cls, fitted: Any) -> Callable[[Any], Any] | None:
        """Fill numbers; text is left to the imputer."""
        import numpy as np

        if fitted.statistics_.dtype != np.float64:
            return None

        def fill(block: Any) -> Any:
            numbers = block.astype(np.float64, copy=False)
            return np.where(np.isnan(numbers), fitted.statistics_, numbers)

        return fill

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", columns: "list[Column]") -> "list[Column]":
        """Put what was learnt where cells are missing."""
        import numpy as np

        from skyulf.core.graph import Named

        values = fitted.statistics_
        if not any(isinstance(each, Named) for each in columns):
            return graph.columns(graph.filled(graph.matrix(columns), values.astype(np.float64)), len(columns))
        filled: list[Column] = []
        for each, value in zip(columns, values, strict=True):
            if isinstance(each, Named):
                filled.append(each.then(_filler(value)))
            else:
                filled += graph.columns(graph.filled(graph.matrix([each]), np.array([float(value)])), 1)
        return filled


def _filler(value: Any) -> Callable[[Any], Any]:
    import numpy as np

    return lambda cells: np.where(cells != cells, value, cells)
