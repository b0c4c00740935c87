"""Models that predict from the training rows nearest to a row."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.registry import BuildContext, Model

if TYPE_CHECKING:
    from skyulf.core.graph import Graph


class KNeighbors(Model):
    """Predicts from the nearest training rows, by vote or by mean; keeps all of them in the model.

    Builds on scikit-learn's KNeighborsClassifier and KNeighborsRegressor. Wants scaled numeric columns without
    missing cells, and few of them; needs at least as many training rows as neighbours. Has no ONNX copy.
    """

    name: ClassVar[str] = "k_neighbors"
    types: ClassVar[tuple[str, ...]] = (
        "sklearn.neighbors._classification.KNeighborsClassifier",
        "sklearn.neighbors._regression.KNeighborsRegressor",
    )

    n_neighbors: int = Field(default=5, ge=1)
    weights: Literal["uniform", "distance"] = "uniform"
    p: float = Field(default=2.0, ge=1)

    def build(self, context: BuildContext) -> Any:
        """Make the model for the task; it looks at every row, as no tree of rows can be stored safely."""
        from sklearn import neighbors

        options = {**self.model_dump(), "algorithm": "brute", "n_jobs": context.threads}
        if context.task == "classification":
            return neighbors.KNeighborsClassifier(**options)
        return neighbors.KNeighborsRegressor(**options)

    @classmethod
    def onnx(cls, fitted: Any, graph: "Graph", matrix: str) -> str:
        """Refuse: rows that are equally near are common in tables, and a copy would choose others among them."""
        from skyulf.core.graph import NoOnnx

        raise NoOnnx("k_neighbors: which of equally near rows count is scikit-learn's own choice")
