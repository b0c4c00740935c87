"""Boosted trees of libraries that not everyone has; what they grow is kept as plain arrays."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph

TYPES = ("skyulf.core.boosters.BoostedClassifier", "skyulf.core.boosters.BoostedRegressor")


class _Booster(Model):
    takes_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = TYPES

    def _made(self, context: BuildContext, options: dict[str, Any], rounds: int, weight: str | None) -> Any:
        from skyulf.core import boosters

        assert self.needs is not None
        settings = {"rounds": rounds, "seed": context.seed % 2**31, "n_jobs": context.threads}
        if context.task == "classification":
            return boosters.BoostedClassifier(self.needs, options, class_weight=weight, **settings)
        return boosters.BoostedRegressor(self.needs, options, **settings)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Add up what the trees say, after what they start from."""
        from skyulf.core import trees

        numbers = trees.single_precision(graph, matrix) if fitted.library == "xgboost" else matrix
        outputs = len(fitted.base_)
        scores = [
            trees.summed(graph, numbers, [*_trees(fitted, at), trees.constant(float(fitted.base_[at]))])
            for at in range(outputs)
        ]
        return trees.chances(graph, scores) if hasattr(fitted, "classes_") else scores[0]


def _trees(fitted: Any, output: int) -> Any:
    import numpy as np

    from skyulf.core import trees

    ends = [*fitted.roots_[1:], len(fitted.left_)]
    spans = [slice(int(begin), int(end)) for begin, end in zip(fitted.roots_, ends, strict=True)]
    for span in spans[output :: len(fitted.base_)]:
        left, right = fitted.left_[span], fitted.right_[span]
        inner = left >= 0
        yield trees.Tree(
            fitted.features_[span],
            fitted.thresholds_[span],
            np.where(inner, left - span.start, -1),
            np.where(inner, right - span.start, -1),
            fitted.missing_left_[span],
            fitted.values_[span],
        )


class LightGbm(_Booster):
    """Gradient boosting of trees that grow where it helps most (Ke et al. 2017); takes missing cells.

    Builds on LightGBM, an extra (pip install 'skyulf[lightgbm]'), which a fitted model does not need any more. Wants
    numeric columns; needs no scaling. ``class_weight`` is for classification.
    """

    name: ClassVar[str] = "lightgbm"
    needs: ClassVar[str | None] = "lightgbm"

    n_estimators: int = Field(default=100, ge=1, le=100_000)
    learning_rate: float = Field(default=0.1, gt=0)
    num_leaves: int = Field(default=31, ge=2, le=131_072)
    max_depth: int | None = Field(default=None, ge=1)
    min_child_samples: int = Field(default=20, ge=1)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample: float = Field(default=1.0, gt=0, le=1)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=0.0, ge=0)
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the booster for the task."""
        options = {
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "max_depth": -1 if self.max_depth is None else self.max_depth,
            "min_data_in_leaf": self.min_child_samples,
            "bagging_fraction": self.subsample,
            "bagging_freq": int(self.subsample < 1),
            "feature_fraction": self.colsample,
            "lambda_l1": self.reg_alpha,
            "lambda_l2": self.reg_lambda,
        }
        return self._made(context, options, self.n_estimators, self.class_weight)


class XgBoost(_Booster):
    """Gradient boosting of trees with a penalty on what their leaves say (Chen and Guestrin 2016); takes missing cells.

    Builds on XGBoost, an extra (pip install 'skyulf[xgboost]', or xgboost-cpu, which is smaller), which a fitted model
    does not need any more. Wants numeric columns; needs no scaling. ``class_weight`` is for classification.
    """

    name: ClassVar[str] = "xgboost"
    needs: ClassVar[str | None] = "xgboost"

    n_estimators: int = Field(default=100, ge=1, le=100_000)
    learning_rate: float = Field(default=0.3, gt=0, le=1)
    max_depth: int = Field(default=6, ge=1)
    min_child_weight: float = Field(default=1.0, ge=0)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample: float = Field(default=1.0, gt=0, le=1)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the booster for the task."""
        options = {
            "eta": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample,
            "alpha": self.reg_alpha,
            "lambda": self.reg_lambda,
        }
        return self._made(context, options, self.n_estimators, self.class_weight)
