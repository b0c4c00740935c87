"""Models after Bayes' rule."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Graph
    from skyulf.core.piecewise import Learner


class NaiveBayes(Model):
    """Takes columns for normally distributed and independent within each class; quick, its probabilities are bold.

    Builds on scikit-learn's GaussianNB. Wants numeric columns without missing cells; needs no scaling.
    """

    name: ClassVar[str] = "naive_bayes"
    in_pieces: ClassVar[Literal["never", "one pass", "epochs"]] = "one pass"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.naive_bayes.GaussianNB",)

    var_smoothing: float = Field(default=1e-9, ge=0)

    def build(self, _: BuildContext) -> Any:
        """Make the classifier."""
        from sklearn.naive_bayes import GaussianNB

        return GaussianNB(var_smoothing=self.var_smoothing)

    def learner(self, estimator: Any, classes: Any) -> "Learner":
        """Count, and add up."""
        from skyulf.core.piecewise import NormalCounts

        return NormalCounts(estimator, classes)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Measure how far a row is from each class, by the class's own measure."""
        import numpy as np

        wide = graph.add("Unsqueeze", matrix, np.array([1]))
        away = graph.add("Sub", wide, fitted.theta_[None])
        measured = graph.add("Div", graph.add("Mul", away, away), fitted.var_[None])
        distance = graph.add("Mul", graph.add("ReduceSum", measured, np.array([2]), keepdims=0), 0.5)
        start = -0.5 * np.log(2 * np.pi * fitted.var_).sum(axis=1)
        joint = graph.add("Add", graph.add("Sub", start[None], distance), np.log(fitted.class_prior_)[None])
        # Not Softmax: far from every class the logarithms are so large that they swallow what is added to them, and
        # then scikit-learn's probabilities add up to more than 1; so must these.
        most = graph.add("ReduceMax", joint, np.array([1]), keepdims=1)
        rest = graph.add("ReduceSum", graph.add("Exp", graph.add("Sub", joint, most)), np.array([1]), keepdims=1)
        return graph.add("Exp", graph.add("Sub", joint, graph.add("Add", most, graph.add("Log", rest))))
