"""Gathers what libraries warn of during a fit, in our words: theirs may quote the data."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 10


class Told(UserWarning):
    """A warning of ours: its text is free of values, and shown as it is."""


class Notices:
    """Short, value-free texts, each once."""

    def __init__(self) -> None:
        self._caught: list[warnings.WarningMessage] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch every warning of the block, in this process; a fit has a process of its own."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._caught = caught
            yield

    def texts(self) -> tuple[str, ...]:
        """Return at most ten texts, in the order of their first occurrence."""
        return tuple(dict.fromkeys(_text(warning) for warning in self._caught))[:MOST]


def _text(warning: warnings.WarningMessage) -> str:
    name = warning.category.__name__
    message = str(warning.message)
    if issubclass(warning.category, Told):
        return message
    if "IterativeImputer" in message:
        return "impute_iterative had not settled when it reached max_iter; scale the columns or raise max_iter"
    if name == "ConvergenceWarning":
        return "the model had not converged when it reached max_iter; scale the columns or raise max_iter"
    if "least populated class" in message:
        return "a class has fewer training rows than there are folds of cross-validation"
    if message.startswith("Bins whose width") or "distinct clusters" in message:
        return "a column has fewer different values than bins, so that it got fewer bins"
    if name == "LinAlgWarning":
        return "columns depend on each other, so that coefficients are not reliable; drop some or use ridge"
    if name == "RuntimeWarning":
        return "numbers overflowed or could not be computed somewhere; look for extreme values"
    return f"scikit-learn warned of something ({name})"
