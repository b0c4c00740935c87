"""Boosted trees."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class HistGradientBoosting(Model):
    """Gradient boosting of trees over binned columns: strong on most tables, quick on large ones; takes missing cells.

    Builds on scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor. Wants numeric columns;
    needs no scaling. ``class_weight`` is for classification. With ``early_stopping`` auto, more than 10,000 training
    rows set a tenth of them aside to tell when to stop.
    """

    name: ClassVar[str] = "hist_gradient_boosting"
    takes_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    )

    learning_rate: float = Field(default=0.1, gt=0)
    max_iter: int = Field(default=100, ge=1, le=100_000)
    max_leaf_nodes: int | None = Field(default=31, ge=2)
    max_depth: int | None = Field(default=None, ge=1)
    min_samples_leaf: int = Field(default=20, ge=1)
    l2_regularization: float = Field(default=0.0, ge=0)
    max_bins: int = Field(default=255, ge=2, le=255)
    early_stopping: Literal["auto"] | bool = "auto"
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the booster for the task; it uses as many threads as OpenMP is given around the fit."""
        from sklearn import ensemble

        options = self.model_dump()
        weight = options.pop("class_weight")
        # "from_dtype" would look for pandas categories, which no step makes, and keep a transformer of its own.
        options["categorical_features"] = None
        if context.task == "classification":
            return ensemble.HistGradientBoostingClassifier(**options, class_weight=weight, random_state=context.seed)
        return ensemble.HistGradientBoostingRegressor(**options, random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Add up what the trees say, after the baseline."""
        from skyulf.core import trees

        rounds = fitted._predictors  # noqa: SLF001 -- there is no other way to them
        baseline = fitted._baseline_prediction.ravel()  # noqa: SLF001
        scores = [
            trees.summed(graph, matrix, [trees.constant(start), *(trees.of_predictor(each[at]) for each in rounds)])
            for at, start in enumerate(baseline)
        ]
        return trees.chances(graph, scores) if hasattr(fitted, "classes_") else scores[0]


class GradientBoosting(Model):
    """Gradient boosting of small trees over all cuts (Friedman 2001): for small tables, where binning costs.

    Builds on scikit-learn's GradientBoostingClassifier and GradientBoostingRegressor. Wants numeric columns without
    missing cells; needs no scaling.
    """

    name: ClassVar[str] = "gradient_boosting"
    types: ClassVar[tuple[str, ...]] = (
        "numpy.random.mtrand.RandomState",
        "sklearn.dummy.DummyClassifier",
        "sklearn.dummy.DummyRegressor",
        "sklearn.ensemble._gb.GradientBoostingClassifier",
        "sklearn.ensemble._gb.GradientBoostingRegressor",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    )

    learning_rate: float = Field(default=0.1, gt=0)
    n_estimators: int = Field(default=100, ge=1, le=100_000)
    subsample: float = Field(default=1.0, gt=0, le=1)
    max_depth: int | None = Field(default=3, ge=1)
    min_samples_leaf: int = Field(default=1, ge=1)

    def build(self, context: BuildContext) -> Any:
        """Make the booster for the task."""
        from sklearn import ensemble

        options = {**self.model_dump(), "random_state": context.seed}
        if context.task == "classification":
            return ensemble.GradientBoostingClassifier(**options)
        return ensemble.GradientBoostingRegressor(**options)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Add up what the trees say, after the first guess."""
        import numpy as np

        from skyulf.core import trees

        first = fitted._raw_predict_init(np.zeros((1, fitted.n_features_in_))).ravel()  # noqa: SLF001 -- no other way
        numbers = trees.single_precision(graph, matrix)
        scores = []
        for at, start in enumerate(first):
            grown = [each.tree_ for each in fitted.estimators_[:, at]]
            said = [trees.of_sklearn(tree, fitted.learning_rate * tree.value[:, 0, 0]) for tree in grown]
            scores.append(trees.summed(graph, numbers, [trees.constant(float(start)), *said]))
        return trees.chances(graph, scores) if hasattr(fitted, "classes_") else scores[0]
