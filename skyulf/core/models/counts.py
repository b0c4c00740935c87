"""Models after Bayes' rule for counts, and for what is there or not."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from skyulf.core.registry import BuildContext, Model, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class BernoulliNaiveBayes(Model):
    """Takes columns for signs that are there or not, independent within each class; looks at nothing else of them.

    Builds on scikit-learn's BernoulliNB: a sign is there where a number is above ``threshold``. Wants numeric columns
    without missing cells.
    """

    name: ClassVar[str] = "bernoulli_naive_bayes"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.naive_bayes.BernoulliNB",)

    alpha: float = Field(default=1.0, gt=0)
    threshold: float = 0.0

    def build(self, _: BuildContext) -> Any:
        """Make the classifier."""
        from sklearn.naive_bayes import BernoulliNB

        return BernoulliNB(alpha=self.alpha, binarize=self.threshold)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh the signs that are there."""
        import numpy as np

        from skyulf.core.graph import DOUBLE

        absent = np.log(1 - np.exp(fitted.feature_log_prob_))
        there = graph.add("Cast", graph.add("Less", fitted.binarize, matrix), to=DOUBLE)
        start = fitted.class_log_prior_ + absent.sum(axis=1)
        return _chances(graph, there, fitted.feature_log_prob_ - absent, start)


class MultinomialNaiveBayes(Model):
    """Takes columns for counts of things, of which each class has its own shares; for words above all.

    Builds on scikit-learn's MultinomialNB. Wants numeric columns without missing cells. Numbers are counted from the
    least of the training rows on, so that negative ones can be taken, and counts are what they were.
    """

    name: ClassVar[str] = "multinomial_naive_bayes"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.estimators.CountBayes",)

    alpha: float = Field(default=1.0, gt=0)

    def build(self, _: BuildContext) -> Any:
        """Make the classifier."""
        from skyulf.core.estimators import CountBayes

        return CountBayes(alpha=self.alpha)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh the counts."""
        counts = graph.add("Max", graph.add("Sub", matrix, fitted.floors_[None]), 0.0)
        return _chances(graph, counts, fitted.feature_log_prob_, fitted.class_log_prior_)


def _chances(graph: "Graph", matrix: str, weights: Any, start: Any) -> str:
    """Turn sums of logarithms into probabilities."""
    import numpy as np

    joint = graph.add("Add", graph.add("MatMul", matrix, weights.T), start[None])
    # As in naive_bayes: not Softmax, for what is swallowed in sums of such size must be swallowed here too.
    most = graph.add("ReduceMax", joint, np.array([1]), keepdims=1)
    rest = graph.add("ReduceSum", graph.add("Exp", graph.add("Sub", joint, most)), np.array([1]), keepdims=1)
    return graph.add("Exp", graph.add("Sub", joint, graph.add("Add", most, graph.add("Log", rest))))
