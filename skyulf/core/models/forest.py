"""Forests of randomised trees."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph

Share = Annotated[float, Field(gt=0, le=1)]


class _Forest(Model):
    takes_nulls: ClassVar[bool] = True

    n_estimators: int = Field(default=100, ge=1, le=100_000)
    max_depth: int | None = Field(default=None, ge=1)
    min_samples_split: int = Field(default=2, ge=2)
    min_samples_leaf: int = Field(default=1, ge=1)
    max_features: Literal["sqrt", "log2"] | Share | None = "sqrt"
    class_weight: Literal["balanced", "balanced_subsample"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the forest for the task; its trees grow on ``context.threads`` threads."""
        options = self.model_dump()
        weight = options.pop("class_weight")
        if context.task == "classification":
            options["class_weight"] = weight
        return self._estimator(context)(**options, random_state=context.seed, n_jobs=context.threads)

    @abstractmethod
    def _estimator(self, context: BuildContext) -> Any: ...

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Ask every tree."""
        from skyulf.core.trees import averaged

        trees = [estimator.tree_ for estimator in fitted.estimators_]
        return averaged(graph, matrix, trees, len(fitted.classes_) if hasattr(fitted, "classes_") else None)


class RandomForest(_Forest):
    """Many trees, each on a bootstrap sample of the rows and random choices of columns; takes missing cells.

    Builds on scikit-learn's RandomForestClassifier and RandomForestRegressor. Wants numeric columns; needs no
    scaling. ``class_weight`` is for classification.
    """

    name: ClassVar[str] = "random_forest"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    )

    def _estimator(self, context: BuildContext) -> Any:
        from sklearn import ensemble

        classify = context.task == "classification"
        return ensemble.RandomForestClassifier if classify else ensemble.RandomForestRegressor


class ExtraTrees(_Forest):
    """Many trees whose cuts are drawn at random, on all rows; takes missing cells.

    Builds on scikit-learn's ExtraTreesClassifier and ExtraTreesRegressor. Wants numeric columns; needs no scaling.
    ``class_weight`` is for classification.
    """

    name: ClassVar[str] = "extra_trees"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.ensemble._forest.ExtraTreesClassifier",
        "sklearn.ensemble._forest.ExtraTreesRegressor",
        "sklearn.tree._classes.ExtraTreeClassifier",
        "sklearn.tree._classes.ExtraTreeRegressor",
        "sklearn.tree._tree.Tree",
    )

    def _estimator(self, context: BuildContext) -> Any:
        from sklearn import ensemble

        classify = context.task == "classification"
        return ensemble.ExtraTreesClassifier if classify else ensemble.ExtraTreesRegressor
