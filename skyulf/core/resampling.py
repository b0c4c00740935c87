"""Samplers that even out the classes of the training rows, by imbalanced-learn; what is served never meets them."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from skyulf.errors import TrainingFailed

Array = np.ndarray[Any, Any]

FEW = "needs at least two training rows of each class; use random_oversample, or merge classes"


class Resampled(BaseEstimator):  # type: ignore[misc]
    """Adds rows to the rarer classes, or takes rows of the commoner ones.

    ``method`` is one of those of the steps in ``skyulf.core.nodes.resampling``. Classes are brought to the share
    ``ratio`` of the commonest, or of the commoner ones none keeps more than the rarest divided by it. ``nominal`` are
    the columns of categories, names in a frame or positions in an array.
    """

    def __init__(
        self,
        method: str = "random_over",
        ratio: float = 1.0,
        neighbors: int = 5,
        nominal: Sequence[str | int] = (),
        version: int = 1,
        seed: int = 0,
    ) -> None:
        self.method = method
        self.ratio = ratio
        self.neighbors = neighbors
        self.nominal = nominal
        self.version = version
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Self:
        """There is nothing to learn."""
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows and their targets, with some added or without some."""
        classes, codes = np.unique(np.asarray(y), return_inverse=True)
        counts = np.bincount(codes)
        if len(classes) < 2:
            return X, y
        if self.method.startswith("random"):
            rows = self._drawn(codes, counts)
            return (X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]), y[rows]
        numbers = X if self.nominal else _numbers(X)
        sampler = self._sampler(numbers, counts)
        if sampler is None:
            return X, y
        try:
            made, made_codes = sampler.fit_resample(numbers, codes)
        except (ValueError, RuntimeError) as error:
            raise TrainingFailed(_reason(self.method, str(error))) from None
        if len(np.unique(made_codes)) < 2:
            raise TrainingFailed(f"undersample by {self.method} leaves rows of one class only; use random_undersample")
        return made, classes[made_codes].astype(y.dtype, copy=False)

    def _more(self, counts: Array) -> dict[int, int]:
        """How many rows each class shall have when rows are added."""
        wanted = round(self.ratio * int(counts.max()))
        return {at: max(int(count), wanted) for at, count in enumerate(counts)}

    def _fewer(self, counts: Array) -> dict[int, int]:
        wanted = max(1, round(int(counts.min()) / self.ratio))
        return {at: min(int(count), wanted) for at, count in enumerate(counts)}

    def _drawn(self, codes: Array, counts: Array) -> Array:
        """Draw rows at random: all and some again, or only some, in the order of the table."""
        random = np.random.default_rng(self.seed)
        over = self.method == "random_over"
        wanted = self._more(counts) if over else self._fewer(counts)
        drawn = [np.arange(len(codes))] if over else []
        for at, count in enumerate(counts):
            own = np.flatnonzero(codes == at)
            if over:
                drawn.append(random.choice(own, wanted[at] - int(count), replace=True))
            else:
                drawn.append(random.choice(own, wanted[at], replace=False))
        return np.sort(np.concatenate(drawn))

    def _sampler(self, X: Any, counts: Array) -> Any:
        from imblearn import over_sampling, under_sampling

        if self.method == "near_miss":
            near = {"version": self.version, "n_neighbors": min(self.neighbors, int(counts.min()))}
            return under_sampling.NearMiss(sampling_strategy=self._fewer(counts), **near)
        if self.method == "tomek_links":
            return under_sampling.TomekLinks(sampling_strategy="not minority")
        if self.method == "edited_nearest_neighbors":
            near = {"n_neighbors": min(self.neighbors, len(X) - 1)}
            return under_sampling.EditedNearestNeighbours(sampling_strategy="not minority", **near)
        wanted = self._more(counts)
        if all(wanted[at] == count for at, count in enumerate(counts)):
            return None
        grown = min(int(count) for at, count in enumerate(counts) if wanted[at] > count)
        if grown < 2:
            raise TrainingFailed(f"smote {FEW}")
        nearest = min(self.neighbors, grown - 1)
        options = {"sampling_strategy": wanted, "random_state": self.seed}
        if self.method == "adasyn":
            return over_sampling.ADASYN(n_neighbors=nearest, **options)
        if self.method == "smote" and self.nominal:
            return over_sampling.SMOTENC(list(self.nominal), k_neighbors=nearest, **options)
        if self.method == "borderline":
            return over_sampling.BorderlineSMOTE(k_neighbors=nearest, m_neighbors=min(10, len(X) - 1), **options)
        if self.method == "svm":
            return over_sampling.SVMSMOTE(k_neighbors=nearest, m_neighbors=min(10, len(X) - 1), **options)
        if self.method == "kmeans":
            # Clusters of which at least a tenth are rows of the class: a share above that of most rare classes.
            return over_sampling.KMeansSMOTE(k_neighbors=nearest, cluster_balance_threshold=0.1, **options)
        return over_sampling.SMOTE(k_neighbors=nearest, **options)


def _numbers(X: Any) -> Any:
    numbers = X.astype(np.float64)
    if np.isnan(np.asarray(numbers)).any():
        raise TrainingFailed("rows with missing cells have no neighbours; add impute before this step")
    return numbers


def _reason(method: str, said: str) -> str:
    """Say in our words what imbalanced-learn says with values."""
    if method == "adasyn":
        return "smote by adasyn found no row of a rarer class beside one of another; use method smote"
    if method == "kmeans":
        return "smote by kmeans found no cluster with enough rows of a rarer class; use method smote"
    if method in ("borderline", "svm"):
        return f"smote by {method} found too few rows of a rarer class near another; use method smote"
    if "could not convert" in said or "NaN" in said:
        return "smote takes numbers without missing cells, and categories only where nominal names their columns"
    return f"{method} could not be done with these training rows"
