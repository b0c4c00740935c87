"""Steps that fill missing cells by what the other columns hold."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from skyulf.core.columns import Kind
from skyulf.core.registry import NUMERIC, BuildContext, Step


class ImputeKnn(Step):
    """Fills missing cells with the mean of the nearest training rows that have one there; keeps all rows in the model.

    Builds on scikit-learn's KNNImputer (Troyanskaya et al., Bioinformatics 17, 2001): how near rows are is told by the
    columns that both have. Takes numeric columns, scaled; one that is missing throughout is filled with 0. Time and
    size grow with the training rows. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "impute_knn"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("skyulf.core.imputers.NearestImputer",)

    n_neighbors: int = Field(default=5, ge=1)
    weights: Literal["uniform", "distance"] = "uniform"

    def build(self, _: BuildContext) -> Any:
        """Make a NearestImputer, which keeps every column."""
        from skyulf.core.imputers import NearestImputer

        return NearestImputer(n_neighbors=self.n_neighbors, weights=self.weights, keep_empty_features=True)


class ImputeIterative(Step):
    """Fills missing cells by regression on the other columns, over and over until they settle.

    Builds on scikit-learn's IterativeImputer with its BayesianRidge (van Buuren and Groothuis-Oudshoorn, J. Statistical
    Software 45, 2011): linear relations are found, others not. Takes numeric columns; one that is missing throughout
    is filled with 0. Models after it have no ONNX copy.
    """

    name: ClassVar[str] = "impute_iterative"
    takes: ClassVar[frozenset[Kind]] = NUMERIC
    fills_nulls: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = (
        "numpy.random.mtrand.RandomState",
        "skyulf.core.imputers.SettlingImputer",
        "sklearn.impute._iterative._ImputerTriplet",
        "sklearn.linear_model._bayes.BayesianRidge",
    )

    max_iter: int = Field(default=10, ge=1)
    tol: float = Field(default=1e-3, gt=0)
    n_nearest_features: int | None = Field(default=None, ge=1)

    def build(self, context: BuildContext) -> Any:
        """Make an imputer that keeps every column."""
        from skyulf.core.imputers import SettlingImputer

        return SettlingImputer(**self.model_dump(), keep_empty_features=True, random_state=context.seed)
