"""Linear models that are fitted row by row."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Graph
    from skyulf.core.piecewise import Learner


class Sgd(Model):
    """A linear model fitted by stochastic gradient descent: for very many rows; wants scaled numeric columns.

    Builds on scikit-learn's SGDClassifier and SGDRegressor. ``loss`` auto is log_loss, of which probabilities come
    straight, or squared_error; modified_huber is for classification, huber (less swayed by outliers) for regression.
    Takes no missing cells. ``class_weight`` is for classification. Streamed, ``max_iter`` and ``tol`` do not count, but
    the epochs that are asked for.
    """

    name: ClassVar[str] = "sgd"
    in_pieces: ClassVar[Literal["never", "one pass", "epochs"]] = "epochs"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.linear_model._sgd_fast.Huber",
        "sklearn.linear_model._sgd_fast.Log",
        "sklearn.linear_model._sgd_fast.ModifiedHuber",
        "sklearn.linear_model._sgd_fast.SquaredLoss",
        "sklearn.linear_model._stochastic_gradient.SGDClassifier",
        "sklearn.linear_model._stochastic_gradient.SGDRegressor",
    )

    loss: Literal["auto", "log_loss", "modified_huber", "squared_error", "huber"] = "auto"
    penalty: Literal["l2", "l1", "elasticnet"] = "l2"
    alpha: float = Field(default=1e-4, ge=0)
    l1_ratio: float = Field(default=0.15, ge=0, le=1)
    max_iter: int = Field(default=1000, ge=1)
    tol: float = Field(default=1e-3, gt=0)
    class_weight: Literal["balanced"] | None = None

    def unable(self, task: Any) -> str | None:
        """Refuse a loss of the other task."""
        losses = {"classification": ("log_loss", "modified_huber"), "regression": ("squared_error", "huber")}[task]
        if self.loss != "auto" and self.loss not in losses:
            return f"the loss {self.loss} is not for {task}; use {' or '.join(losses)}"
        return super().unable(task)

    def unable_in_pieces(self, task: Task) -> str | None:
        """Refuse weights that follow from how often classes occur."""
        if self.class_weight is not None and task == "classification":
            return "class_weight needs all rows at once; leave it out"
        return super().unable_in_pieces(task)

    def learner(self, estimator: Any, classes: Any) -> "Learner":
        """Descend on piece after piece."""
        from skyulf.core.piecewise import PartialFits

        return PartialFits(estimator, classes)

    def build(self, context: BuildContext) -> Any:
        """Make the model for the task."""
        from sklearn import linear_model

        options = self.model_dump()
        weight, loss = options.pop("class_weight"), options.pop("loss")
        if context.task == "classification":
            loss = "log_loss" if loss == "auto" else loss
            return linear_model.SGDClassifier(loss, **options, class_weight=weight, random_state=context.seed)
        loss = "squared_error" if loss == "auto" else loss
        return linear_model.SGDRegressor(loss, **options, random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh, and squash each class by itself."""
        import numpy as np

        from skyulf.core.models.linear import weighed
        from skyulf.core.trees import two_classes

        scores = weighed(fitted, graph, matrix)
        if not hasattr(fitted, "classes_"):
            return scores
        if fitted.loss == "log_loss":
            chances = graph.add("Sigmoid", scores)
        else:
            chances = graph.add("Div", graph.add("Add", graph.add("Clip", scores, -1.0, 1.0), 1.0), 2.0)
        if len(fitted.classes_) == 2:
            return two_classes(graph, chances)
        total = graph.add("ReduceSum", chances, np.array([1]), keepdims=1)
        even = np.full((1, len(fitted.classes_)), 1 / len(fitted.classes_))
        return graph.add("Where", graph.add("Equal", total, 0.0), even, graph.add("Div", chances, total))
