"""Transformers that turn categories into numbers, after scikit-learn's conventions; a missing cell is NaN."""

import hashlib
import math
from typing import Any

import numpy as np
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import column_or_1d

from skyulf.core.cells import Array, CellTransformer, cells_of

GAP = math.nan
"""Stands for every missing cell where categories are told apart."""


class HashEncoder(CellTransformer):
    """Gives each category of a column one of ``buckets`` columns, by its hash; it has nothing to learn.

    A missing cell has none. Numbers are hashed as numbers, text as text.
    """

    def __init__(self, buckets: int = 16) -> None:
        self.buckets = buckets

    def compute(self, cells: Array) -> Array:
        """Mark the bucket of each cell."""
        cells = cells_of(cells)
        rows, columns = cells.shape
        marks = np.zeros((rows, columns, self.buckets))
        for at in range(columns):
            column = cells[:, at].tolist()
            buckets = {cell: self._bucket(cell) for cell in set(column) if cell == cell}
            for row, cell in enumerate(column):
                if cell == cell:
                    marks[row, at, buckets[cell]] = 1.0
        return marks.reshape(rows, columns * self.buckets)

    def _bucket(self, cell: Any) -> int:
        text = cell if isinstance(cell, str) else repr(cell + 0.0)
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.buckets


class WeightOfEvidence(CellTransformer):
    """Replaces each category by how much it speaks for a class, and training rows by what others say of theirs.

    The weight is the logarithm of the category's share of the class's rows by its share of the other rows, with
    ``smooth`` rows added to each count. Of two classes it is that of the second, of more there is a column for each.
    An unseen category weighs 0. ``fit_transform`` differs from ``transform``, as TargetEncoder's does: each of
    ``folds`` parts is encoded by the others, so that no row's own target reaches the model.
    """

    def __init__(self, smooth: float = 0.5, folds: int = 5, seed: int = 0) -> None:
        self.smooth = smooth
        self.folds = folds
        self.seed = seed

    def _learn(self, cells: Array, target: Any) -> None:
        if target is None:
            raise ValueError("requires y to be passed, but the target y is None")
        target = column_or_1d(target, warn=True)
        self.classes_ = np.unique(target)
        marks = self._marks(target)
        self.categories_: list[Array] = []
        self.weights_: list[Array] = []
        for column in cells.T:
            codes, categories = _coded(column)
            self.categories_.append(categories)
            self.weights_.append(self._weights(codes, marks, len(categories)))

    def _marks(self, target: Any) -> Array:
        """Rows by outputs: whether a row is of the class."""
        asked = self.classes_[1:] if len(self.classes_) <= 2 else self.classes_
        marks: Array = (np.ravel(target)[:, None] == asked[None, :]).astype(np.float64)
        return marks

    def _weights(self, codes: Array, marks: Array, count: int) -> Array:
        inside, rows = np.zeros((count, marks.shape[1])), np.zeros((count, 1))
        np.add.at(inside, codes, marks)
        np.add.at(rows, codes, 1.0)
        outside = rows - inside
        share = (inside + self.smooth) / (inside.sum(axis=0) + self.smooth * count)
        other = (outside + self.smooth) / (outside.sum(axis=0) + self.smooth * count)
        weights: Array = np.where(rows > 0, np.log(share / other), 0.0)
        return weights

    def fit_transform(self, X: Any, y: Any = None, **_: Any) -> Array:
        """Learn from training rows, and encode each by the others."""
        from sklearn.model_selection import KFold

        self.fit(X, y)
        cells, marks = cells_of(np.asarray(X)), self._marks(np.asarray(y))
        rows, outputs = marks.shape
        encoded = np.zeros((rows, cells.shape[1] * outputs))
        if rows < 2:
            return encoded
        parts = list(KFold(min(self.folds, rows), shuffle=True, random_state=self.seed).split(marks))
        for at, column in enumerate(cells.T):
            codes, categories = _coded(column)
            for others, own in parts:
                weights = self._weights(codes[others], marks[others], len(categories))
                encoded[own, at * outputs : (at + 1) * outputs] = weights[codes[own]]
        return encoded

    def compute(self, cells: Array) -> Array:
        """Look the weights up."""
        blocks = []
        for column, categories, weights in zip(cells_of(cells).T, self.categories_, self.weights_, strict=True):
            places = {_key(category): at for at, category in enumerate(categories.tolist())}
            unseen = len(weights)
            codes = [places.get(_key(cell), unseen) for cell in column.tolist()]
            blocks.append(np.vstack([weights, np.zeros((1, weights.shape[1]))])[codes])
        return np.hstack(blocks)


def _key(cell: Any) -> Any:
    return cell if cell == cell else None


def _coded(column: Array) -> tuple[Array, Array]:
    """Return the position of each cell among the categories, and those: in their order, what is missing last."""
    cells = column.tolist()
    known = sorted({cell for cell in cells if cell == cell}, key=lambda cell: (isinstance(cell, str), cell))
    gaps = [GAP] if any(cell != cell for cell in cells) else []
    categories = np.empty(len(known) + len(gaps), dtype=object)
    categories[:] = [*known, *gaps]
    places = {_key(cell): at for at, cell in enumerate(categories.tolist())}
    return np.array([places[_key(cell)] for cell in cells], dtype=np.intp), categories


class DummyEncoder(OneHotEncoder):  # type: ignore[misc]
    """A OneHotEncoder that drops categories, and does not warn of each unseen one that it then encodes like those."""

    def _transform(self, X: Any, **options: Any) -> Any:
        return super()._transform(X, **{**options, "warn_on_unknown": False})
