"""Applies a trained model to rows: JSON rows to arrays, arrays to predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.formats import LoadedModel
from skyulf.core.predictions import Predictions
from skyulf.core.rows import Columns, RowReader, sent
from skyulf.core.state import FittedState, by_distance
from skyulf.core.walk import Walk
from skyulf.errors import NotAllowed


class Applier:
    """A loaded model made ready to predict. Safe to share between threads: it keeps nothing of a call."""

    def __init__(self, model: LoadedModel | FittedState) -> None:
        self.input_schema = model.input_schema
        self.target_type = model.target_type
        self.classes = model.classes
        self._nearest = by_distance(model)
        self._thresholds, self._intervals = model.thresholds, model.intervals
        self._walk = Walk(model.pipeline, model.pipeline_inputs)
        self._read = RowReader(model.input_schema)

    def validate(self, rows: Sequence[Mapping[str, Any]]) -> Columns:
        """Turn JSON rows into arrays; see `RowReader`. Raises `Invalid` naming row and column."""
        return self._read(rows)

    def columns_of_frame(self, frame: pd.DataFrame) -> Columns:
        """Take the arrays of a frame as ``read_frame`` gives it, which has every column of the schema."""
        return sent(self.input_schema, frame)

    def predict(self, columns: Columns) -> Predictions:
        """Predict each row of ``columns`` (arrays of one length, as ``validate`` gives them).

        Raises `NotAllowed` where a library that the model needs is absent, or is another than it was fitted with.
        """
        try:
            return self._predict(columns)
        except ImportError as error:  # with a path it tells where things lie on this machine
            reason = f"{error.name} cannot be imported" if error.path else str(error)
            raise NotAllowed(f"the model cannot be applied here: {reason}") from error

    def _predict(self, columns: Columns) -> Predictions:
        if not len(next(iter(columns.values()))):
            none = np.empty(0, dtype=np.float64 if self.classes is None else np.intp)
            numbers = None if self.classes is None else np.empty((0, len(self.classes)))
            chances, apart = (None, numbers) if self._nearest else (numbers, None)
            return Predictions(none, self.classes, chances, self._intervals, apart)
        if self.classes is None:
            values = np.asarray(self._walk.predict(columns), dtype=np.float64)
            return Predictions(values, intervals=self._intervals)
        if self._nearest:
            return Predictions.of_distances(self.classes, self._walk.distances(columns))
        return Predictions.of_chances(self.classes, self._walk.chances(columns), self._thresholds)
