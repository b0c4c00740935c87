"""Columns of numbers that stand side by side in one matrix, for what computes on all of them at once."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Block(Mapping[str, Array]):
    """Columns by name, each a part of ``matrix``: float64, rows by columns, with NaN for missing.

    ``places`` says where each column stands, in their order; it is shared, and must not change.
    """

    __slots__ = ("matrix", "places")

    def __init__(self, places: Mapping[str, int], matrix: Array) -> None:
        self.places = places
        self.matrix = matrix

    def __getitem__(self, name: str) -> Array:
        return self.matrix[:, self.places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
