"""What a script does besides making its pipeline: it reads the file as it was read for training, and tells the rows.

The source of these functions is put into scripts as it stands. They know pandas, numpy and scikit-learn, and nothing
of ours; tests hold them against the reader and the engine.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyulf.core.columns import MISSING

EXACT = 1000
"""Different values of a column up to which their number is compared with what was recorded."""

GROUPED = {
    ",": r"[+-]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(\.[0-9]{3})+)(,[0-9]+)?",
    ".": r"[+-]?(0|[1-9][0-9]*|[1-9][0-9]{0,2}(,[0-9]{3})+)(\.[0-9]+)?",
}
"""By decimal mark: numbers whose thousands are grouped by the other mark, or not at all."""

ISO = r"\d{4}-\d{2}-\d{2}([T ].*)?"

DATES = (
    (r"(\d{1,2})\.(\d{1,2})\.(\d{4})", r"\3-\2-\1"),
    (r"(\d{4})/(\d{1,2})/(\d{1,2})", r"\1-\2-\3"),
    (r"(\d{1,2})/(\d{1,2})/(\d{4})", r"\3-\2-\1"),
    (r"(\d{1,2})/(\d{1,2})/(\d{4})", r"\3-\1-\2"),
)
"""Dates as people write them, and the order of their parts in the ISO form."""


def read_table(path: str, data: dict[str, Any]) -> pd.DataFrame:
    """Read the file: numbers, truths and moments (seconds since 1970) as floats, text as text, NaN where missing.

    Says so where it is another file than ``data`` tells of, and where it is the same and is read otherwise.
    """
    same = "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest() == data["digest"]
    if not same:
        sys.stderr.write(f"{path} is not the file that the model was trained on: its digest is another\n")
    cells = read_cells(path, data)
    table = pd.DataFrame({name: convert(cells[name], kind, data) for name, kind in data["types"].items()})
    for name, (missing, different) in data["facts"].items() if same else ():
        seen = table[name].nunique()
        if (table[name].isna().sum(), min(seen, EXACT)) != (missing, min(different, EXACT)):
            sys.stderr.write(f"column {name} is read otherwise than it was for training\n")
    return table


def read_cells(path: str, data: dict[str, Any]) -> pd.DataFrame:
    """Read the file's cells as they stand there; of formats that have types, as those."""
    suffix = data["suffix"]
    if suffix in (".parquet", ".pq"):
        return pd.read_parquet(path)
    if suffix in (".jsonl", ".ndjson"):
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines if line.strip()], dtype=object)
    if suffix == ".xlsx":
        return pd.read_excel(path, dtype=object, keep_default_na=False, na_values=[""])
    return pd.read_csv(
        path,
        sep=data["delimiter"],
        encoding={"utf-8": "utf-8-sig", "windows-1252": "cp1252"}.get(data["encoding"], data["encoding"]),
        header=0 if data["header"] else None,
        names=None if data["header"] else list(data["types"]),
        index_col=False,
        dtype=object,
        keep_default_na=False,
        na_values=list(MISSING),
    )


def convert(cells: Any, kind: str, data: dict[str, Any]) -> Any:
    """Convert a column's cells to the type that it was taken for."""
    if cells.dtype.kind in "iufb" and kind in ("integer", "number", "boolean"):
        return cells.astype(float)
    column = cells.astype(object)
    known = [cell for cell in column.unique() if not pd.isna(cell)]
    if kind == "string":
        return pd.Series([np.nan if pd.isna(cell) else str(cell) for cell in column.tolist()], dtype=object)
    if kind == "boolean":
        made = readings(known, [truth], data["lenient"])
    elif kind in ("date", "datetime"):
        forms = [lambda cell, form=form: moment(cell, *form) for form in DATES]
        made = readings(known, [moment, *forms], data["lenient"])
    else:
        comma, point = (lambda cell, mark=mark: grouped(cell, mark) for mark in ",.")
        plain = [comma, number, point] if data["decimal"] == "," else [number, point, comma]
        made = readings(known, plain, data["lenient"])
    return pd.Series([made.get(cell, np.nan) for cell in column.tolist()], dtype=float)


def readings(cells: list[Any], ways: list[Any], lenient: bool) -> dict[Any, float]:
    """Read all cells in the first way that takes them all; ``lenient``, in the one that takes most of them."""
    best: dict[Any, float] = {}
    for way in ways:
        made = {}
        for cell in cells:
            try:
                made[cell] = np.nan if isinstance(cell, str) and cell.strip() in MISSING else way(cell)
            except ValueError:
                if not lenient:
                    break
        if len(made) > len(best) or not cells:
            best = made
        if len(best) == len(cells):
            return best
    if not lenient:
        sys.exit("a column holds cells that are not of the type that it was taken for")
    return best


def number(cell: Any) -> float:
    """Read a number."""
    if not isinstance(cell, str):
        return float(cell)
    if "_" in cell:
        raise ValueError("Python's own way of writing numbers")
    return float(cell)


def grouped(cell: Any, mark: str) -> float:
    """Read a number with that decimal mark, whose thousands may be grouped."""
    text = str(cell).strip()
    if not re.fullmatch(GROUPED[mark], text):
        raise ValueError("not written so")
    return float(text.replace("." if mark == "," else ",", "").replace(mark, "."))


def truth(cell: Any) -> float:
    """Read a truth value."""
    text = str(cell).strip().lower()
    if text in ("true", "t", "yes", "y", "1", "1.0"):
        return 1.0
    if text in ("false", "f", "no", "n", "0", "0.0"):
        return 0.0
    raise ValueError("neither true nor false")


def moment(cell: Any, pattern: str = "", order: str = "") -> float:
    """Read a date or time, in UTC where it names no zone, as seconds since 1970."""
    text = cell.strip() if isinstance(cell, str) else cell
    if pattern:
        if not isinstance(text, str):
            raise ValueError("not written so")
        text, turned = re.subn(f"^{pattern}", order, text)
        if not turned:
            raise ValueError("not written so")
        text = re.sub(r"\b(\d)\b", r"0\1", text)
    if isinstance(text, str):
        if not re.fullmatch(ISO, text):
            raise ValueError("not written so")
        text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    at = pd.Timestamp(text)
    at = at.tz_localize("UTC") if at.tzinfo is None else at.tz_convert("UTC")
    return (at - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(microseconds=1) / 1e6


def target_of(column: Any, kind: str, task: str) -> Any:
    """The target's cells in their own type."""
    if task == "regression":
        return column.to_numpy(dtype=float)
    if kind == "string":
        return column.to_numpy(dtype=object)
    numbers = column.to_numpy(dtype=float)
    if kind == "integer" and np.abs(numbers).max() > 2**53:
        sys.exit("whole numbers as large as this target's are not told apart here")
    return numbers.astype({"integer": np.int64, "boolean": bool}.get(kind, float))


def score(task: str, truth: Any, predicted: Any) -> dict[str, float]:
    """How good predictions are, by the commonest measures."""
    from sklearn import metrics

    if task == "classification":
        return {"accuracy": metrics.accuracy_score(truth, predicted)}
    return {"r2": metrics.r2_score(truth, predicted), "mae": metrics.mean_absolute_error(truth, predicted)}


def score_clusters(pipeline: Any, features: Any, predicted: Any) -> dict[str, float]:
    """How well clusters are set apart, by the numbers that the model sees of the rows."""
    from sklearn import metrics

    numbers = pipeline[:-1].transform(features) if len(pipeline.steps) > 1 else features
    if not 2 <= len(np.unique(predicted)) < len(predicted):
        return {}
    return {
        "calinski_harabasz": metrics.calinski_harabasz_score(numbers, predicted),
        "davies_bouldin": metrics.davies_bouldin_score(numbers, predicted),
    }
