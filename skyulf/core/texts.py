"""Transformers for columns of text, after scikit-learn's conventions; a missing cell is NaN."""

import math
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.utils.validation import validate_data

Array = np.ndarray[Any, Any]


class TextVectors(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Counts words, each column by itself; a missing cell has none. A column without words gives no columns."""

    def __init__(self, max_features: int = 200, method: str = "tfidf", ngrams: int = 1, by: str = "word") -> None:
        self.max_features = max_features
        self.method = method
        self.ngrams = ngrams
        self.by = by

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn each column's commonest words and how rare they are."""
        validate_data(self, X, skip_check_array=True)
        self.vectorizers_ = [self._fitted(texts) for texts in _texts(np.asarray(X, dtype=object))]
        return self

    def _fitted(self, texts: list[str]) -> Any:
        options = {"ngram_range": (1, self.ngrams), "analyzer": "word" if self.by == "word" else "char_wb"}
        if self.method == "hashing":
            return HashingVectorizer(n_features=self.max_features, **options)
        try:
            vectorizer = CountVectorizer if self.method == "count" else TfidfVectorizer
            return vectorizer(max_features=self.max_features, **options).fit(texts)
        except ValueError:  # there is no word in it
            return None

    def transform(self, X: Any) -> Array:
        """Return all columns' words, side by side."""
        return self.compute(np.asarray(X, dtype=object))

    def compute(self, cells: Array) -> Array:
        """Do the same of an array of rows by columns."""
        blocks = [
            vectorizer.transform(texts).toarray()
            for vectorizer, texts in zip(self.vectorizers_, _texts(cells), strict=True)
            if vectorizer is not None
        ]
        return np.hstack(blocks) if blocks else np.empty((len(cells), 0))


def _texts(cells: Array) -> list[list[str]]:
    return [[_text(cell) for cell in column] for column in cells.T]


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if cell != cell:
        return ""
    raise ValueError("words are counted in text, not in numbers; cast to category first")


class Cast(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns every cell into a number or into text; what is no finite number becomes missing."""

    def __init__(self, to: str = "number") -> None:
        self.to = to

    def fit(self, X: Any, y: Any = None) -> Self:
        """Note the names of the columns; there is nothing to learn."""
        validate_data(self, X, skip_check_array=True)
        return self

    def transform(self, X: Any) -> Array:
        """Cast rows."""
        return self.compute(np.asarray(X, dtype=object))

    def compute(self, cells: Array) -> Array:
        """Cast an array of rows by columns."""
        turn, kind = (_number, np.float64) if self.to == "number" else (_word, object)
        cast = np.empty(cells.shape, dtype=kind)
        for at, column in enumerate(cells.T):
            cast[:, at] = [turn(cell) for cell in column.tolist()]
        return cast


def _number(cell: Any) -> float:
    try:
        number = float(cell)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _word(cell: Any) -> Any:
    if isinstance(cell, str) or cell != cell:
        return cell
    return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
