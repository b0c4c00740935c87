"""Cells of the H3 grid, after scikit-learn's conventions; the library is imported where it is used."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skyulf.core.transformers import Array, NumberTransformer


class H3Cells(NumberTransformer):
    """Marks in which of the commonest cells of the training rows a place lies: a column for each.

    ``places`` are the positions of latitude and longitude. What is no place on earth lies in no cell.
    """

    def __init__(self, places: Sequence[int] = (0, 1), resolution: int = 5, max_cells: int = 50) -> None:
        self.places = places
        self.resolution = resolution
        self.max_cells = max_cells

    def _learn(self, numbers: Array, target: Any) -> None:
        found, counts = np.unique([cell for cell in self._cells(numbers) if cell], return_counts=True)
        commonest = np.lexsort((found, -counts))[: self.max_cells]
        self.cells_ = np.sort(found[commonest]).astype(np.int64)

    def _cells(self, numbers: Array) -> list[int]:
        from h3.api import basic_int

        latitude, longitude = (numbers[:, at] for at in self.places)
        known = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)
        return [
            basic_int.latlng_to_cell(north, east, self.resolution) if inside else 0
            for north, east, inside in zip(latitude.tolist(), longitude.tolist(), known.tolist(), strict=True)
        ]

    def compute(self, numbers: Array) -> Array:
        """Look up each row's cell."""
        cells = np.array(self._cells(numbers), dtype=np.int64)
        marks: Array = (cells[:, None] == self.cells_[None, :]).astype(np.float64)
        return marks
