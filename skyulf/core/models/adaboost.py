"""Boosting by weights of rows."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class AdaBoost(Model):
    """Small trees one after the other, each on what those before got wrong (Freund and Schapire 1997).

    Builds on scikit-learn's AdaBoostClassifier and AdaBoostRegressor. Wants numeric columns without missing cells;
    needs no scaling. Its probabilities are timid. For regression it has no ONNX copy.
    """

    name: ClassVar[str] = "adaboost"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.ensemble._weight_boosting.AdaBoostClassifier",
        "sklearn.ensemble._weight_boosting.AdaBoostRegressor",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    )

    n_estimators: int = Field(default=50, ge=1, le=100_000)
    learning_rate: float = Field(default=1.0, gt=0)
    max_depth: int = Field(default=2, ge=1)

    def build(self, context: BuildContext) -> Any:
        """Make the booster for the task."""
        from sklearn import ensemble, tree

        options = {
            "n_estimators": self.n_estimators,
            "learning_rate": self.learning_rate,
            "random_state": context.seed,
        }
        if context.task == "classification":
            return ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=self.max_depth), **options)
        return ensemble.AdaBoostRegressor(tree.DecisionTreeRegressor(max_depth=self.max_depth), **options)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Let every tree vote for a class by its weight."""
        import numpy as np

        from skyulf.core import trees
        from skyulf.core.graph import NoOnnx

        if not hasattr(fitted, "classes_"):
            raise NoOnnx("adaboost: a weighted median has no counterpart in ONNX")
        count = len(fitted.classes_)
        weights = fitted.estimator_weights_[: len(fitted.estimators_)]
        numbers = trees.single_precision(graph, matrix)

        def votes(at: int) -> str:
            said = [
                trees.of_sklearn(
                    each.tree_, weight * np.where(_choice(each, fitted.classes_) == at, 1.0, -1.0 / (count - 1))
                )
                for each, weight in zip(fitted.estimators_, weights, strict=True)
            ]
            return graph.add("Div", trees.summed(graph, numbers, said), float(fitted.estimator_weights_.sum()))

        if count == 2:
            # Each class has the other's score, negative; half of their difference is what is squashed.
            return trees.two_classes(graph, graph.add("Sigmoid", graph.add("Mul", votes(1), 2.0)))
        scores = graph.add("Concat", *[votes(at) for at in range(count)], axis=1)
        return graph.add("Softmax", graph.add("Div", scores, float(count - 1)), axis=1)


def _choice(tree: Any, classes: Any) -> Any:
    """The position of the class that each node of a tree would name; a tree may not know all of them."""
    import numpy as np

    places = np.array([classes.tolist().index(value) for value in tree.classes_.tolist()])
    return places[tree.tree_.value[:, 0, :].argmax(axis=1)]
