"""Columns that go several ways side by side, and come together again: the one transformer that graphs add to lists."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

Pieces = list[tuple[int, list[int] | slice]]
"""Where columns are found: in what comes in (-1) or in what a part leaves, by its number, and there at which places."""

Part = tuple[str, Any, Pieces, bool]
"""A name, a transformer, what it reads, and whether all of that is numbers."""


class Branches(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Fits each part on the columns that it reads, of what comes in or of what parts before it leave.

    ``pieces`` are the columns that come out, side by side, and ``plain`` says whether they are all numbers. They are a
    frame as long as columns have names, and else an array: of float64 where they are numbers, and of objects where not.
    """

    def __init__(self, parts: list[Part], pieces: Pieces, plain: bool) -> None:
        self.parts = parts
        self.pieces = pieces
        self.plain = plain

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from training rows."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn from training rows, and return them as the parts leave training rows."""
        self.fitted_ = [clone(transformer) for _, transformer, _, _ in self.parts]
        self.n_features_in_ = X.shape[1]
        tables = [X]
        for fitted, (_, _, pieces, plain) in zip(self.fitted_, self.parts, strict=True):
            tables.append(fitted.fit_transform(_joined(tables, pieces, plain), y))
        return _joined(tables, self.pieces, self.plain)

    def transform(self, X: Any) -> Any:
        """Change rows."""
        check_is_fitted(self)
        tables = [X]
        for fitted, (_, _, pieces, plain) in zip(self.fitted_, self.parts, strict=True):
            tables.append(fitted.transform(_joined(tables, pieces, plain)))
        return _joined(tables, self.pieces, self.plain)


def _joined(tables: list[Any], pieces: Pieces, plain: bool) -> Any:
    """Put pieces side by side; the table at 0 is what comes in."""
    found = [_piece(tables[part + 1], places) for part, places in pieces]
    if all(isinstance(table, pd.DataFrame) for table in found):
        return found[0] if len(found) == 1 else pd.concat(found, axis=1)
    arrays = [np.asarray(table) for table in found]
    whole = arrays[0] if len(arrays) == 1 else np.hstack(arrays)
    return whole.astype(np.float64, copy=False) if plain else whole


def _piece(table: Any, places: list[int] | slice) -> Any:
    if not isinstance(places, slice) and len(places) == table.shape[1] and places == list(range(len(places))):
        return table
    return table.iloc[:, places] if isinstance(table, pd.DataFrame) else table[:, places]
