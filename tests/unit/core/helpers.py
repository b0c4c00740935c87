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


_FEW_TREES = {"n_estimators": 7}
_MEMBERS = [{"node": "sgd"}, {"node": "extra_trees", "params": _FEW_TREES}]
SMALL: dict[str, Any] = {
    "adaboost": _FEW_TREES,
    "calibrated": {"model": {"node": "random_forest", "params": _FEW_TREES}, "folds": 3},
    "extra_trees": _FEW_TREES,
    "gradient_boosting": {"n_estimators": 20},
    "lightgbm": {"n_estimators": 20, "min_child_samples": 5},
    "random_forest": _FEW_TREES,
    "stacking": {"models": _MEMBERS, "final": {"node": "sgd"}, "folds": 3},
    "voting": {"models": _MEMBERS},
    "xgboost": {"n_estimators": 20},
}
"""Parameters with which models are fitted quickly."""


def silent(stage: str, fraction: float, metrics: dict[str, float]) -> None:
    """Take a report and do nothing."""


def trained(*specs: PipelineSpec, frame: pd.DataFrame, facts: list[ColumnFacts], seed: int = 1) -> FittedState:
    return fit(specs, frame, facts, seed, silent, threads=1)


def wide(rows: int = 160) -> tuple[pd.DataFrame, list[ColumnFacts]]:
    """Like table, with dates, free text, numbers as text, and a column that is missing throughout."""
    frame, _ = table(rows)
    rng = np.random.default_rng(7)
    day = np.floor(rng.uniform(-1e8, 1.5e9, rows) / 86_400) * 86_400
    time = rng.uniform(0, 1.5e9, rows)
    day[::9] = np.nan
    words = [f"{word} number {at}" for at, word in enumerate(np.where(frame["y"] == "yes", "dear", "cheap"))]
    note = pd.Series(words, dtype=object).where(rng.random(rows) > 0.1)
    digits = frame["age"].map(lambda age: "unknown" if age != age else f" {age}").astype(object)
    frame = frame.assign(day=day, **{"at %": time}, void=np.full(rows, np.nan), digits=digits, note=note)
    more: dict[str, ColumnType] = {"day": "date", "at %": "datetime", "void": "number"}
    return frame, facts_of(frame, {**TYPES, **more, "digits": "string", "note": "string"})


def _use(node: str, columns: Any, **params: Any) -> dict[str, Any]:
    return {"node": node, "columns": columns, "params": params}


_FILLED = _use("impute", "numeric", strategy="median")
_NO_DATES = _use("drop_columns", "datetime")
_NO_TEXT = _use("drop_columns", "text")
_ENCODED = _use("one_hot", "categorical")
_NUMBERS = {"from": "dataset", "columns": "numeric"}
_CATEGORIES = {"from": "dataset", "columns": "categorical"}
_LEFT = [_FILLED, _use("scale", "numeric"), _NO_DATES, _ENCODED]

_FEW = [_use("drop_outliers", ["fare paid"], method="bounds", maximum=9.0)]
"""Leaves more rows of one class than of the other."""

_USES: dict[str, list[dict[str, Any]]] = {
    "arithmetic": [_use("arithmetic", "all", of=["fare paid", "age"], operation="ratio"), *_LEFT],
    "arithmetic late": [
        _ENCODED,
        _use("arithmetic", "all", of=["age", "member", "fare paid"], operation="difference"),
        *_LEFT,
    ],
    "bin_edges": [_use("bin_edges", "numeric", edges=[0.0, 7.5, 30.0]), *_LEFT],
    "bin": [_FILLED, _use("bin", "numeric"), _NO_DATES, _ENCODED],
    "bin uniform": [_FILLED, _use("bin", "numeric", method="uniform", bins=3), _NO_DATES, _ENCODED],
    "bin kmeans": [_FILLED, _use("bin", ["age"], method="kmeans", bins=3), *_LEFT],
    "cast": [_use("cast", ["digits"], to="number"), *_LEFT],
    "cast numbers": [_use("cast", ["member", "void", "age"], to="category"), *_LEFT],
    "clip": [_use("clip", "numeric"), *_LEFT],
    "clip bounds": [_use("clip", ["age"], method="bounds", minimum=10, maximum=50), *_LEFT],
    "clip z_score": [_use("clip", "numeric", method="z_score", deviations=1.5), *_LEFT],
    "clip late": [_NO_DATES, _ENCODED, _use("clip", "all", method="quantiles", low=0.1, high=0.8), _FILLED],
    "cluster": [_FILLED, _use("scale", "numeric"), _use("cluster", "numeric", count=4), _NO_DATES, _ENCODED],
    "cluster birch": [*_LEFT[:3], _use("cluster", "numeric", count=3, method="birch"), _ENCODED],
    "cluster mini_batch": [
        *_LEFT[:3],
        _use("cluster", "numeric", method="mini_batch_k_means", give="distances"),
        _ENCODED,
    ],
    "cluster mixture": [
        *_LEFT[:3],
        _use("cluster", ["age", "fare paid"], count=3, method="gaussian_mixture"),
        _ENCODED,
    ],
    "clean_text": [_use("clean_text", "categorical", accents=True, punctuation=True), *_LEFT],
    "date_parts": [_use("date_parts", "datetime"), *_LEFT],
    "date_parts late": [_ENCODED, _use("date_parts", ["day"], parts=["days", "second"]), *_LEFT],
    "drop_columns": [_use("drop_columns", ["age"]), *_LEFT],
    "drop_duplicates": [_use("drop_duplicates", "all", subset=["deck", "member"], keep="last"), *_LEFT],
    "drop_duplicates late": [*_LEFT, _use("drop_duplicates", "numeric")],
    "drop_missing_columns": [*_LEFT[1:], _use("drop_missing_columns", "all", max_missing=0.3), _FILLED],
    "drop_missing_rows": [_use("drop_missing_rows", ["age", "deck"]), *_LEFT],
    "drop_outliers": [_use("drop_outliers", "numeric"), *_LEFT],
    "drop_outliers late": [*_LEFT, _use("drop_outliers", "all", method="elliptic_envelope", share=0.2)],
    "function": [_use("function", "numeric"), *_LEFT],
    "function reciprocal": [_use("function", ["fare paid", "age"], function="reciprocal"), *_LEFT],
    "geo_distance": [
        _use("geo_distance", "all", latitude="age", longitude="fare paid", point=[48.2, 16.4]),
        *_LEFT,
    ],
    "h3_cells": [_use("h3_cells", "all", latitude="age", longitude="fare paid", resolution=1), *_LEFT],
    "hash_encode": [_use("hash_encode", "categorical", buckets=8), *_LEFT],
    "hash_encode numbers": [_use("hash_encode", ["age", "deck"]), *_LEFT],
    "impute_iterative": [_use("impute_iterative", "numeric"), *_LEFT],
    "impute_knn": [_use("scale", "numeric"), _use("impute_knn", "numeric"), *_LEFT],
    "impute": [_use("impute", ["deck", "age"], strategy="most_frequent"), *_LEFT],
    "lag": [_use("lag", ["fare paid", "age"], order="at %", groups=["deck", "member"], lags=[1, 3]), *_LEFT],
    "lag late": [_ENCODED, _use("lag", ["fare paid"], order="day"), *_LEFT],
    "missing_indicator": [_use("missing_indicator", ["deck", "age", "void"]), *_LEFT],
    "missing_indicator late": [_ENCODED, _use("missing_indicator", ["void"]), *_LEFT],
    "one_hot": [_use("one_hot", "categorical", max_categories=3), *_LEFT],
    "one_hot dummy": [_use("one_hot", "categorical", max_categories=3, drop="first"), *_LEFT],
    "one_hot binary": [_use("one_hot", ["member", "deck"], drop="if_binary"), *_LEFT],
    "outlier_indicator": [_use("outlier_indicator", "numeric", factor=0.5), *_LEFT],
    "ordinal": [_use("ordinal", "categorical"), *_LEFT],
    "ordinal unseen": [_use("ordinal", "categorical", unknown_value=None, missing_value=None), *_LEFT],
    "polynomial": [_FILLED, _use("scale", "numeric"), _use("polynomial", "numeric"), _NO_DATES, _ENCODED],
    "power_transform": [_use("power_transform", "numeric"), *_LEFT],
    "power_transform box_cox": [_use("power_transform", ["fare paid", "void"], method="box_cox"), *_LEFT],
    "random_oversample": [*_FEW, _use("random_oversample", "all"), *_LEFT],
    "random_undersample": [*_FEW, _use("random_undersample", "all", ratio=0.8), *_LEFT],
    "replace": [_use("replace", ["deck", "été \"x'"], values={"x": "y", "a": None, "nan": "x"}), *_LEFT],
    "replace numbers": [_use("replace", ["age", "member"], values={"1": None, "30": 31.5}), *_LEFT],
    "rolling": [
        _use("rolling", ["fare paid", "age"], order="at %", window=4, statistics=["mean", "std", "max", "min", "sum"]),
        *_LEFT,
    ],
    "scale": [_use("scale", "numeric", method="robust"), *_LEFT],
    "select_univariate": [*_LEFT, _use("select_univariate", "all", keep=4)],
    "select_univariate share": [*_LEFT, _use("select_univariate", "all", score="mutual_information", keep=0.3)],
    "select_variance": [*_LEFT, _use("select_variance", "all", threshold=0.2)],
    "select_by_model": [*_LEFT, _use("select_by_model", "all", keep=5)],
    "select_by_model linear": [*_LEFT, _use("select_by_model", "all", keep=0.5, by="linear")],
    "select_uncorrelated": [*_LEFT, _use("select_uncorrelated", "all", threshold=0.3)],
    "select_uncorrelated ranks": [*_LEFT, _use("select_uncorrelated", "all", threshold=0.3, method="spearman")],
    "set_missing": [_use("set_missing", ["age", "fare paid"], minimum=2, maximum=60, values=[20]), *_LEFT],
    "set_missing text": [_use("set_missing", "categorical", values=["y"], allowed=["x", "y", "a", "b"]), *_LEFT],
    "smote": [*_FEW, *_LEFT, _use("smote", "all")],
    "smote adasyn": [*_FEW, *_LEFT, _use("smote", "all", method="adasyn")],
    "smote borderline": [*_FEW, *_LEFT, _use("smote", "all", method="borderline")],
    "smote kmeans": [*_FEW, *_LEFT, _use("smote", "all", method="kmeans", neighbors=2)],
    "smote svm": [*_FEW, *_LEFT, _use("smote", "all", method="svm")],
    "smote nominal": [
        *_FEW,
        _FILLED,
        _use("impute", "categorical", strategy="most_frequent"),
        _NO_DATES,
        _use("smote", "all", nominal=["deck", "été \"x'", "member", "digits"]),
        _ENCODED,
    ],
    "target_encode": [_use("target_encode", "categorical"), *_LEFT],
    "target_encode numbers": [_use("target_encode", ["age", "deck"], smooth=2.0), *_LEFT],
    "undersample": [*_FEW, *_LEFT, _use("undersample", "all")],
    "undersample tomek_links": [*_LEFT, _use("undersample", "all", method="tomek_links")],
    "undersample neighbors": [*_LEFT, _use("undersample", "all", method="edited_nearest_neighbors")],
    "weight_of_evidence": [_use("weight_of_evidence", "categorical"), *_LEFT],
    "weight_of_evidence numbers": [_use("weight_of_evidence", ["age", "deck"], smooth=2.0), *_LEFT],
}

USES = {use: [_NO_TEXT, *steps] for use, steps in _USES.items()} | {
    "text_vectors": [_use("text_vectors", "text", max_features=20), *_LEFT],
    "text_vectors count": [
        _use("text_vectors", ["note"], method="count", by="character", ngrams=3, max_features=30),
        *_LEFT,
    ],
    "text_vectors hashing": [_use("text_vectors", ["note", "deck"], method="hashing", max_features=32), *_LEFT],
    "sentence_embedding": [_use("sentence_embedding", "text"), *_LEFT],
    "sentence_embedding two": [_use("sentence_embedding", ["note", "deck"], dimensions=128), *_LEFT],
    "target_encode branches": [
        _use("impute", "all", strategy="median") | {"id": "filled", "inputs": [_NUMBERS]},
        _use("target_encode", "all") | {"id": "coded", "inputs": [_CATEGORIES]},
        _use("ordinal", "all") | {"id": "numbered", "inputs": [_CATEGORIES]},
        _use("polynomial", ["age", "member"]) | {"id": "products", "inputs": ["filled"]},
        _use("scale", "all") | {"inputs": ["coded", "products", {"from": "filled", "columns": ["age"]}, "numbered"]},
    ],
    "text_vectors pairs": [_ENCODED, _use("text_vectors", ["note"], ngrams=2), *_LEFT],
}
"""For each step, named first, pipelines of ``wide`` that use it and let every model follow."""
