"""Small tables with every kind of column, and the facts of them."""

from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.calculator import fit
from skyulf.core.columns import ColumnFacts, ColumnType
from skyulf.core.spec import PipelineSpec, parse_spec
from skyulf.core.state import FittedState


def facts_of(frame: pd.DataFrame, types: dict[str, ColumnType]) -> list[ColumnFacts]:
    facts = []
    for name, kind in types.items():
        counts = frame[name].value_counts()
        facts.append(
            ColumnFacts(
                name=name,
                type=kind,
                nulls=int(frame[name].isna().sum()),
                distinct=len(counts),
                commonest=int(counts.max()) if len(counts) else 0,
                rarest=int(counts.min()) if len(counts) else 0,
            )
        )
    return facts


TYPES: dict[str, ColumnType] = {
    "age": "integer",
    "fare paid": "number",
    "été \"x'": "string",
    "deck": "string",
    "member": "boolean",
    "y": "string",
}


def table(rows: int = 200, seed: int = 0, target: ColumnType = "string") -> tuple[pd.DataFrame, list[ColumnFacts]]:
    rng = np.random.default_rng(seed)
    age = rng.integers(1, 80, rows).astype(float)
    fare = rng.lognormal(2, 1, rows)
    season = rng.choice(np.array(["a", "b", "c"], dtype=object), rows)
    deck = rng.choice(np.array(["x", "y", "None", "nan"], dtype=object), rows)
    member = rng.integers(0, 2, rows).astype(float)
    signal = age / 20 + np.log(fare) + (season == "a") * 2 + rng.normal(0, 0.5, rows)
    high = signal > np.median(signal)
    y: Any = {
        "string": lambda: np.where(high, "yes", "no").astype(object),
        "boolean": lambda: high.astype(float),
        "integer": lambda: np.digitize(signal, np.quantile(signal, [0.33, 0.66])),
        "number": lambda: signal,
    }[target]()
    age[rng.random(rows) < 0.1] = np.nan
    deck[rng.random(rows) < 0.1] = np.nan
    frame = pd.DataFrame(
        {
            "age": age,
            "fare paid": fare,
            "été \"x'": pd.Series(season, dtype=object),
            "deck": pd.Series(deck, dtype=object),
            "member": member,
            "y": pd.Series(y, dtype=object) if target == "string" else y,
        }
    )
    return frame, facts_of(frame, {**TYPES, "y": target})


def spec(steps: Any = None, model: Any = None, task: str = "classification", **more: Any) -> PipelineSpec:
    document = {"task": task, "target": "y", "steps": steps, "model": model, **more}
    return parse_spec(document)


FULL = [
    {"node": "impute", "columns": "numeric", "params": {"strategy": "median"}},
    {"node": "impute", "columns": "categorical", "params": {"strategy": "most_frequent"}},
    {"node": "scale", "columns": "numeric"},
    {"node": "one_hot", "columns": "categorical"},
]
LOGISTIC = {"node": "logistic_regression"}


def silent(stage: str, fraction: float, metrics: dict[str, float]) -> None:
    """Take a report and do nothing."""


def trained(*specs: PipelineSpec, frame: pd.DataFrame, facts: list[ColumnFacts], seed: int = 1) -> FittedState:
    return fit(specs, frame, facts, seed, silent, threads=1)
