"""Estimators that scikit-learn has nearly."""

from typing import Any

import numpy as np
from sklearn.naive_bayes import MultinomialNB
from sklearn.utils.validation import validate_data

Array = np.ndarray[Any, Any]


class CountBayes(MultinomialNB):  # type: ignore[misc]
    """A MultinomialNB that counts from the least number of each column of the training rows on."""

    def _check_X_y(self, X: Any, y: Any, reset: bool = True) -> tuple[Array, Array]:
        numbers, target = validate_data(self, X, y, dtype=np.float64, reset=reset)
        if reset:
            self.floors_ = np.minimum(numbers.min(axis=0), 0.0)
        return np.maximum(numbers - self.floors_, 0.0), target

    def _check_X(self, X: Any) -> Array:
        numbers: Array = validate_data(self, X, dtype=np.float64, reset=False)
        counts: Array = np.maximum(numbers - self.floors_, 0.0)
        return counts

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.positive_only = False
        return tags
