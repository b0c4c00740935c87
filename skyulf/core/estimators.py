"""Estimators that scikit-learn has nearly."""

from typing import Any, Self

import numpy as np
from sklearn.naive_bayes import MultinomialNB

Array = np.ndarray[Any, Any]


class CountBayes(MultinomialNB):  # type: ignore[misc]
    """A MultinomialNB that counts from the least number of each column of the training rows on."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Learn from training rows."""
        self.floors_ = np.minimum(np.asarray(X, dtype=np.float64).min(axis=0), 0.0)
        super().fit(X - self.floors_, y, sample_weight)
        return self

    def _joint_log_likelihood(self, X: Array) -> Array:  # noqa: N803
        joint: Array = super()._joint_log_likelihood(np.maximum(X - self.floors_, 0.0))
        return joint
