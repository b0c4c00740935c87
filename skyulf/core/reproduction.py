"""A model that was trained again, beside the one that was recorded: what both follow from, and whether they agree."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from skyulf.core.agreement import TOLERANCE, difference, spread
from skyulf.core.applier import Applier
from skyulf.core.predictions import Intervals

if TYPE_CHECKING:
    import pandas as pd

    from skyulf.core.formats import LoadedModel
    from skyulf.core.state import FittedState

Aspect = Literal["data", "seed", "code", "package", "threads", "cpu"]
Verdict = Literal["identical", "equivalent", "different"]
Cause = Literal["data", "seed", "code", "package", "threads", "cpu", "chance", "unknown"]

ASPECTS: Mapping[str, Aspect] = {
    "skyulf": "code",
    "code": "code",
    "platform": "cpu",
    "cpu": "cpu",
    "threads": "threads",
    "blas_threads": "threads",
    "openmp_threads": "threads",
}
"""What kind of thing an entry of a recorded environment is; all others are packages."""

ROWS = 5_000
"""Rows for which two models are asked, evenly spread over the table."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a training follows from, as it was recorded and as it is now; None where that is not known."""

    aspect: Aspect
    name: str
    recorded: str | None
    now: str | None

    @property
    def differs(self) -> bool:
        """Whether both are known, and not the same."""
        return None not in (self.recorded, self.now) and self.recorded != self.now


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models say of ``rows`` rows: for how many another class, and how far numbers are apart at most."""

    rows: int
    otherwise: int
    largest_difference: float | None

    @property
    def agree(self) -> bool:
        """Whether the two say the same, as far as a copy of a model must."""
        return self.otherwise == 0 and self.largest_difference is not None and self.largest_difference <= TOLERANCE


def facts_between(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[Fact]:
    """Return what environments tell (`skyulf.core.environment`), each entry beside the other, by aspect."""
    before, after = _told(recorded), _told(now)
    keys = sorted(dict.fromkeys((*after, *before)), key=lambda key: get_args(Aspect).index(key[0]))
    return [Fact(*key, before.get(key), after.get(key)) for key in keys]


def _told(environment: Mapping[str, Any]) -> dict[tuple[Aspect, str], str]:
    told: dict[tuple[Aspect, str], str] = {}
    for name, value in environment.items():
        if isinstance(value, list):  # builds of BLAS or OpenMP, of which each library may bring its own
            told["package", name] = _joined(value, "internal_api", "version")
            told["cpu", f"{name} kernels"] = _joined(value, "architecture")
        else:
            told[ASPECTS.get(name, "package"), name] = str(value)
    return {key: text for key, text in told.items() if text}


def _joined(pools: Sequence[Mapping[str, Any]], *keys: str) -> str:
    words = {" ".join(str(pool[key]) for key in keys if pool.get(key)) for pool in pools}
    return ", ".join(sorted(words - {""}))


def compared(record: "LoadedModel", again: "FittedState", frame: "pd.DataFrame") -> Comparison:
    """Ask both models for rows of the frame, which has every column that either was fitted on."""
    rows = frame.iloc[:: math.ceil(len(frame) / ROWS)]
    if (record.classes, record.target_type) != (again.classes, again.target_type):
        return Comparison(len(rows), len(rows), None)
    one, other = Applier(record), Applier(again)
    said, says = (applier.predict(applier.columns_of_frame(rows)) for applier in (one, other))
    scale = spread(said)
    otherwise, largest = difference(said, says, scale)
    largest = max(largest, _apart(said.intervals, says.intervals, scale))
    return Comparison(len(rows), otherwise, largest if math.isfinite(largest) else None)


def _apart(one: Intervals | None, other: Intervals | None, scale: float) -> float:
    """How far the ends of intervals are apart, as numbers are."""
    if one is None or other is None or one.coverage != other.coverage:
        return 0.0 if one == other else math.inf
    return abs(one.half_width - other.half_width) / max(scale, one.half_width)


def judged(
    same: bool, comparison: Comparison | None, facts: Sequence[Fact], repeatable: bool | None
) -> tuple[Verdict, tuple[Cause, ...]]:
    """Say what a reproduction came to, and why it is not identical.

    ``same`` says whether the fingerprints are; ``repeatable`` whether the model comes out the same each time that it is
    trained now, None where that was not tried.
    """
    if same:
        return "identical", ()
    verdict: Verdict = "equivalent" if comparison is not None and comparison.agree else "different"
    differing: tuple[Cause, ...] = tuple(dict.fromkeys(fact.aspect for fact in facts if fact.differs))
    return verdict, differing or (("chance",) if repeatable is False else ("unknown",))
