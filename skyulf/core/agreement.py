"""How far two models that should say the same are apart: a model and its ONNX copy, or one that was trained again."""

import numpy as np

from skyulf.core.predictions import Predictions

TOLERANCE = 1e-5
"""How far a probability may be off; or a number, in units of the greater of itself and the spread of predictions."""


def spread(predictions: Predictions) -> float:
    """The unit in which numbers near zero are compared: the standard deviation of all; 1 of probabilities."""
    return float(np.std(predictions.values)) if predictions.chances is None else 1.0


def difference(record: Predictions, other: Predictions, scale: float = 1.0) -> tuple[int, float]:
    """Count the rows with another class, and tell the greatest difference of probabilities or, relative, of numbers.

    ``scale`` is the `spread` of the numbers.
    """
    if record.chances is not None and other.chances is not None:
        otherwise = int((record.values != other.values).sum())
        return otherwise, float(np.abs(record.chances - other.chances).max(initial=0.0))
    unit = np.maximum(np.abs(record.values), scale)
    off = np.abs(record.values - other.values)
    return 0, float(np.divide(off, unit, out=off, where=unit > 0).max(initial=0.0))
