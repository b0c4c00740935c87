"""Boosting by weights of rows."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph

MOST_TREES = 200


class AdaBoost(Model):
    """Small trees one after the other, each on what those before got wrong (Freund and Schapire 1997).

    Builds on scikit-learn's AdaBoostClassifier and AdaBoostRegressor. Wants numeric columns without missing cells;
    needs no scaling. Its probabilities are timid.
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
        """Let every tree vote for a class by its weight, or take the weighted median of what they say."""
        import numpy as np

        from skyulf.core import trees

        weights = fitted.estimator_weights_[: len(fitted.estimators_)]
        numbers = trees.single_precision(graph, matrix)
        if not hasattr(fitted, "classes_"):
            return _median(fitted, weights, graph, numbers)
        count = len(fitted.classes_)

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


def _median(fitted: Any, weights: Any, graph: "Graph", numbers: str) -> str:
    """Return what the trees say such that half of the weight says as much or less: the least such number."""
    import numpy as np

    from skyulf.core import trees
    from skyulf.core.graph import DOUBLE, NoOnnx

    if len(weights) > MOST_TREES:
        raise NoOnnx(f"the median of more than {MOST_TREES} trees takes longer than asking them")
    said = [
        trees.summed(graph, numbers, [trees.of_sklearn(e.tree_, e.tree_.value[:, 0, 0])]) for e in fitted.estimators_
    ]
    whole = said[0] if len(said) == 1 else graph.add("Concat", *said, axis=1)
    each, others = graph.add("Unsqueeze", whole, np.array([2])), graph.add("Unsqueeze", whole, np.array([1]))
    below = graph.add("Sub", 1.0, graph.add("Cast", graph.add("Less", each, others), to=DOUBLE))
    weight = graph.add("ReduceSum", graph.add("Mul", below, weights[None, None, :]), np.array([2]), keepdims=0)
    enough = graph.add("GreaterOrEqual", weight, 0.5 * float(weights.sum()))
    candidates = graph.add("Where", enough, graph.add("Neg", whole), -np.inf)
    return graph.add("Neg", graph.add("ReduceMax", candidates, np.array([1]), keepdims=1))


def _choice(tree: Any, classes: Any) -> Any:
    """The position of the class that each node of a tree would name; a tree may not know all of them."""
    import numpy as np

    places = np.array([classes.tolist().index(value) for value in tree.classes_.tolist()])
    return places[tree.tree_.value[:, 0, :].argmax(axis=1)]
