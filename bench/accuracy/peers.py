"""What a careful scikit-learn user would make of a table in an afternoon: boosted trees, and a linear model.

Columns of identifiers and names (text of which most values differ) are dropped, free text becomes weighed words,
dates are taken apart, categories of few values are native to the trees and one column each to the linear model, the
rare ones together, and categories of very many values are encoded by the target. The trees keep scikit-learn's
defaults; the linear model's penalty is chosen by cross-validation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from bench.accuracy.sets import Table

FEW = 50
NATIVE = 255
WORDS = 200


@dataclass(frozen=True)
class _Columns:
    numbers: list[str]
    few: list[str]
    many: list[str]
    text: list[str]


def features(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The columns to learn from, with dates taken apart and truths as numbers."""
    made = frame.drop(columns=[table.target])
    for name in table.dates:
        moment = pd.to_datetime(made.pop(name), utc=True, errors="coerce")
        parts = moment.dt
        made[f"{name} since"] = (moment - pd.Timestamp(0, tz="UTC")).dt.total_seconds() / 86_400
        for part in ("year", "month", "day", "dayofweek", "hour"):
            made[f"{name} {part}"] = getattr(parts, part).astype(float)
    for name in made.select_dtypes("bool"):
        made[name] = made[name].astype(float)
    return made


def _sorted_out(train: pd.DataFrame, table: Table) -> _Columns:
    numbers: list[str] = []
    few: list[str] = []
    many: list[str] = []
    for label, column in ((str(name), train[name]) for name in train.columns):
        if label in table.text:
            continue
        if pd.api.types.is_numeric_dtype(column):
            identifier = column.nunique() == len(column) and label.lower().endswith(("id", "number"))
            if not identifier and column.nunique():
                numbers.append(label)
        elif column.nunique() > FEW and column.nunique() > 0.5 * column.notna().sum():
            continue
        else:
            (few if column.nunique() <= FEW else many).append(label)
    return _Columns(numbers, few, many, list(table.text))


def _target_type(table: Table) -> str:
    """Left to itself a TargetEncoder takes whole numbers for classes."""
    return "continuous" if table.task == "regression" else "auto"


def _words(text: list[str]) -> list[tuple[str, Any, str]]:
    return [(f"words of {name}", TfidfVectorizer(max_features=WORDS), name) for name in text]


def trees(train: pd.DataFrame, target: Any, table: Table, seed: int) -> Any:
    """Histogram gradient boosting with native categories, fitted."""
    columns = _sorted_out(train, table)
    kind = _target_type(table)
    native = columns.few + [name for name in columns.many if train[name].nunique() < NATIVE]
    encoded = [name for name in columns.many if name not in native]
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    encode = ColumnTransformer(
        [
            ("native", ordinal, native),
            ("numbers", "passthrough", columns.numbers),
            ("encoded", TargetEncoder(target_type=kind, random_state=seed), encoded),
            *_words(columns.text),
        ],
        sparse_threshold=0.0,
    )
    options = {"categorical_features": list(range(len(native))), "random_state": seed}
    if table.task == "regression":
        model: Any = HistGradientBoostingRegressor(**options)
    else:
        rare = pd.Series(target).value_counts().min() < 20  # stopping early sets rows of every class aside
        model = HistGradientBoostingClassifier(**options, early_stopping=False if rare else "auto")
    return Pipeline([("encode", encode), ("model", model)]).fit(_filled(train, table), target)


def linear(train: pd.DataFrame, target: Any, table: Table, seed: int) -> Any:
    """Logistic regression or ridge on filled, scaled and one-hot columns, its penalty by cross-validation, fitted."""
    columns = _sorted_out(train, table)
    kind = _target_type(table)
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    encode = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()),
             columns.numbers),
            ("few", categories, columns.few),
            ("many", make_pipeline(TargetEncoder(target_type=kind, random_state=seed), StandardScaler()), columns.many),
            *_words(columns.text),
        ],
        sparse_threshold=0.0,
    )  # fmt: skip
    grid: dict[str, list[float]]
    if table.task == "regression":
        base, grid, scoring = Ridge(), {"alpha": [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]}, "neg_mean_squared_error"
    else:
        base, grid, scoring = LogisticRegression(max_iter=1000), {"C": [0.01, 0.1, 1.0, 10.0]}, "neg_log_loss"
    affordable = table.task == "regression" or len(train) <= 20_000
    model = GridSearchCV(base, grid, cv=3, scoring=scoring) if affordable else base
    return Pipeline([("encode", encode), ("model", model)]).fit(_filled(train, table), target)


def _filled(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    return frame.fillna(dict.fromkeys(table.text, ""))


def answers(model: Any, frame: pd.DataFrame, table: Table) -> Any:
    """What a fitted peer predicts: numbers, or probabilities by ``model.classes_``."""
    rows = _filled(frame, table)
    return model.predict(rows) if table.task == "regression" else model.predict_proba(rows)
