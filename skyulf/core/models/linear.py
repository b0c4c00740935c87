"""Linear models."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model, Task

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class LogisticRegression(Model):
    """Logistic regression, for two or more classes; wants scaled numeric columns without missing cells.

    Builds on scikit-learn's LogisticRegression with the lbfgs solver and an L2 penalty of strength 1/C.
    """

    name: ClassVar[str] = "logistic_regression"
    tasks: ClassVar[tuple[Task, ...]] = ("classification",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.linear_model._logistic.LogisticRegression",)

    C: float = Field(default=1.0, gt=0)
    max_iter: int = Field(default=1000, ge=1)
    tol: float = Field(default=1e-4, gt=0)
    fit_intercept: bool = True
    class_weight: Literal["balanced"] | None = None

    def build(self, context: BuildContext) -> Any:
        """Make the classifier."""
        from sklearn.linear_model import LogisticRegression as Estimator

        return Estimator(**self.model_dump(), random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh and squash."""
        from skyulf.core.trees import two_classes

        scores = weighed(fitted, graph, matrix)
        if len(fitted.classes_) == 2:
            return two_classes(graph, graph.add("Sigmoid", scores))
        return graph.add("Softmax", scores, axis=1)


class LinearRegression(Model):
    """Ordinary least squares; wants numeric columns without missing cells.

    Builds on scikit-learn's LinearRegression.
    """

    name: ClassVar[str] = "linear_regression"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.linear_model._base.LinearRegression",)

    fit_intercept: bool = True

    def build(self, _: BuildContext) -> Any:
        """Make the regressor."""
        from sklearn.linear_model import LinearRegression as Estimator

        return Estimator(fit_intercept=self.fit_intercept)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh."""
        return weighed(fitted, graph, matrix)


class Ridge(Model):
    """Least squares with an L2 penalty of strength ``alpha``; wants scaled numeric columns without missing cells.

    Builds on scikit-learn's Ridge with its exact solver.
    """

    name: ClassVar[str] = "ridge"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.linear_model._ridge.Ridge",)

    alpha: float = Field(default=1.0, ge=0)
    fit_intercept: bool = True

    def build(self, context: BuildContext) -> Any:
        """Make the regressor."""
        from sklearn.linear_model import Ridge as Estimator

        return Estimator(alpha=self.alpha, fit_intercept=self.fit_intercept, random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh."""
        return weighed(fitted, graph, matrix)


class Lasso(Model):
    """Least squares with an L1 penalty of strength ``alpha``, which leaves columns out altogether.

    Builds on scikit-learn's Lasso. Wants scaled numeric columns without missing cells.
    """

    name: ClassVar[str] = "lasso"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.linear_model._coordinate_descent.Lasso",)

    alpha: float = Field(default=0.01, gt=0)
    max_iter: int = Field(default=10_000, ge=1)
    tol: float = Field(default=1e-4, gt=0)
    fit_intercept: bool = True

    def build(self, context: BuildContext) -> Any:
        """Make the regressor."""
        from sklearn.linear_model import Lasso as Estimator

        return Estimator(**self.model_dump(), random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh."""
        return weighed(fitted, graph, matrix)


class ElasticNet(Model):
    """Least squares with a penalty of strength ``alpha``, of which ``l1_ratio`` is L1 and the rest L2.

    Builds on scikit-learn's ElasticNet. Wants scaled numeric columns without missing cells.
    """

    name: ClassVar[str] = "elastic_net"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)
    types: ClassVar[tuple[str, ...]] = ("sklearn.linear_model._coordinate_descent.ElasticNet",)

    alpha: float = Field(default=0.01, gt=0)
    l1_ratio: float = Field(default=0.5, ge=0, le=1)
    max_iter: int = Field(default=10_000, ge=1)
    tol: float = Field(default=1e-4, gt=0)
    fit_intercept: bool = True

    def build(self, context: BuildContext) -> Any:
        """Make the regressor."""
        from sklearn.linear_model import ElasticNet as Estimator

        return Estimator(**self.model_dump(), random_state=context.seed)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Weigh."""
        return weighed(fitted, graph, matrix)


def weighed(fitted: Any, graph: "Graph", matrix: str) -> str:
    """Add up columns times coefficients, and the intercept: rows by outputs."""
    import numpy as np

    return graph.add(
        "Add", graph.add("MatMul", matrix, np.atleast_2d(fitted.coef_).T), np.atleast_1d(fitted.intercept_)
    )
