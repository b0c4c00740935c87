"""A trained pipeline as code that runs without Skyulf: a script, or a notebook, of pandas and scikit-learn.

This module holds what is asked for, and may be imported by the server; the others are loaded in a sandbox.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

CodeForm = Literal["script", "notebook"]


@dataclass(frozen=True, slots=True)
class Trained:
    """What code is made of: the chosen spec, the seed, the table's facts, how its file was read, and what came out.

    ``title`` says which model it is; ``source`` is the file's ``filename``, ``digest``, and how it was read.
    ``metrics`` are of the rows held out; ``environment`` names the versions of libraries. ``thresholds`` are those of
    classes by their labels, ``half_width`` that of intervals, and ``measuring`` the training rows set aside to measure
    these by; None and 0 where the model has none. ``sampled`` rows were drawn of the ``rows``, if not all were trained
    on.
    """

    title: str
    spec: Mapping[str, Any]
    seed: int
    rows: int
    columns: Sequence[Mapping[str, Any]]
    source: Mapping[str, Any]
    metrics: Mapping[str, float | None]
    environment: Mapping[str, Any]
    thresholds: Sequence[Mapping[str, Any]] | None = None
    half_width: float | None = None
    measuring: int = 0
    sampled: int | None = None
