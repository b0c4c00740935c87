"""How far two models that should say the same are apart: a model and its ONNX copy, or one that was trained again."""

import numpy as np

from skyulf.core.predictions import Predictions

TOLERANCE = 1e-5
"""How far a probability may be off; or a number, in units of the greater of itself and the spread of predictions."""


def spread(predictions: Predictions) -> float:
    """The unit in which numbers near zero are compared: the standard deviation of all; 1 of probabilities."""
    if predictions.chances is not None:
        return 1.0
    return float(np.std(predictions.values if predictions.apart is None else predictions.apart))


def difference(record: Predictions, other: Predictions, scale: float = 1.0) -> tuple[int, float]:
    """Count the rows with another class, and tell the greatest difference of probabilities or, relative, of numbers.

    ``scale`` is the `spread` of the numbers.
    """
    if record.chances is not None and other.chances is not None:
        otherwise = int((record.values != other.values).sum())
        return otherwise, float(np.abs(record.chances - other.chances).max(initial=0.0))
    otherwise, said, says = 0, record.values, other.values
    if record.apart is not None and other.apart is not None:
        otherwise, said, says = int((said != says).sum()), record.apart, other.apart
    unit = np.maximum(np.abs(said), scale)
    off = np.abs(said - says)
    return otherwise, float(np.divide(off, unit, out=off, where=unit > 0).max(initial=0.0))
