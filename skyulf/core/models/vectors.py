"""Support vector machines."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class Svm(Model):
    """Separates classes, or fits a tube around a target, with the widest margin in the space of a kernel.

    Builds on scikit-learn's SVC and SVR. Probabilities come from Platt's sigmoid over cross-validated decisions
    (CalibratedClassifierCV), so classification needs at least ``folds`` training rows of each class. Wants scaled
    numeric columns without missing cells; time grows with the square of the rows. ``class_weight`` and ``folds`` are
    for classification, ``epsilon`` is for regression.
    """

    name: ClassVar[str] = "svm"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.SVR",
    )

    C: float = Field(default=1.0, gt=0)
    kernel: Literal["rbf", "linear", "sigmoid"] = "rbf"
    gamma: Literal["scale", "auto"] = "scale"
    epsilon: float = Field(default=0.1, ge=0)
    folds: int = Field(default=5, ge=2)
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the machine for the task."""
        from sklearn import svm

        if context.task == "regression":
            return svm.SVR(C=self.C, kernel=self.kernel, gamma=self.gamma, epsilon=self.epsilon)
        from sklearn.calibration import CalibratedClassifierCV

        machine = svm.SVC(C=self.C, kernel=self.kernel, gamma=self.gamma, class_weight=self.class_weight)
        return CalibratedClassifierCV(machine, method="sigmoid", cv=self.folds, ensemble=False)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Measure how like a row is to each support vector, weigh, and for classes squash by Platt's sigmoids."""
        import numpy as np

        if not hasattr(fitted, "classes_"):
            weighed = graph.add("MatMul", _likeness(fitted, graph, matrix), fitted.dual_coef_.T)
            return graph.add("Add", weighed, fitted.intercept_)
        from skyulf.core.trees import two_classes

        (calibrated,) = fitted.calibrated_classifiers_
        machine = calibrated.estimator
        likeness = _likeness(machine, graph, matrix)
        slopes = np.array([[each.a_ for each in calibrated.calibrators]])
        shifts = np.array([[each.b_ for each in calibrated.calibrators]])
        if len(fitted.classes_) == 2:
            decision = graph.add("Add", graph.add("MatMul", likeness, machine.dual_coef_.T), machine.intercept_)
        else:
            decision = _of_duels(machine, graph, likeness)
        squashed = graph.add("Sigmoid", graph.add("Neg", graph.add("Add", graph.add("Mul", decision, slopes), shifts)))
        if len(fitted.classes_) == 2:
            return two_classes(graph, squashed)
        total = graph.add("ReduceSum", squashed, np.array([1]), keepdims=1)
        even = np.full((1, len(fitted.classes_)), 1 / len(fitted.classes_))
        return graph.add("Where", graph.add("Equal", total, 0.0), even, graph.add("Div", squashed, total))


def _likeness(machine: Any, graph: "Graph", matrix: str) -> str:
    """Return the kernel of rows and support vectors: rows by vectors."""
    import numpy as np

    vectors = machine.support_vectors_
    products = graph.add("MatMul", matrix, vectors.T)
    if machine.kernel == "linear":
        return products
    gamma = machine._gamma  # noqa: SLF001 -- what "scale" came to stands nowhere else
    if machine.kernel == "sigmoid":
        return graph.add("Tanh", graph.add("Add", graph.add("Mul", products, gamma), machine.coef0))
    length = graph.add("ReduceSum", graph.add("Mul", matrix, matrix), np.array([1]), keepdims=1)
    apart = graph.add("Sub", graph.add("Add", length, (vectors**2).sum(axis=1)[None]), graph.add("Mul", products, 2.0))
    return graph.add("Exp", graph.add("Mul", graph.add("Max", apart, 0.0), -gamma))


def _of_duels(machine: Any, graph: "Graph", likeness: str) -> str:
    """Return a score for each class from the duels of all pairs, as scikit-learn's decision of one against the rest.

    A class scores a point for each duel that it wins, and less than half a point more or less by how clearly.
    """
    import numpy as np

    count = len(machine.classes_)
    pairs = [(first, second) for first in range(count) for second in range(first + 1, count)]
    ends = np.cumsum(machine.n_support_)
    of_class = [slice(end - size, end) for end, size in zip(ends, machine.n_support_, strict=True)]
    weights = np.zeros((len(machine.support_vectors_), len(pairs)))
    won, lost = np.zeros((len(pairs), count)), np.zeros((len(pairs), count))
    for at, (first, second) in enumerate(pairs):
        weights[of_class[first], at] = machine.dual_coef_[second - 1, of_class[first]]
        weights[of_class[second], at] = machine.dual_coef_[first, of_class[second]]
        won[at, first] = lost[at, second] = 1.0
    duels = graph.add("Add", graph.add("MatMul", likeness, weights), machine.intercept_)
    # As in scikit-learn, a draw is the first one's.
    second_wins = graph.add("Less", duels, 0.0)
    points = graph.add("MatMul", graph.add("Where", second_wins, 0.0, np.ones((1, len(pairs)))), won)
    points = graph.add(
        "Add", points, graph.add("MatMul", graph.add("Where", second_wins, 1.0, np.zeros((1, len(pairs)))), lost)
    )
    sure = graph.add("MatMul", duels, won - lost)
    margin = graph.add("Mul", graph.add("Add", graph.add("Abs", sure), 1.0), 3.0)
    return graph.add("Add", points, graph.add("Div", sure, margin))
