"""Whole tables are predicted a part at a time, as rows are one by one, and what does not fit is told by column."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import FULL, SMALL, facts_of, spec, table, trained

from skyulf.core import scoring
from skyulf.core.applier import Applier
from skyulf.core.columns import ColumnFacts
from skyulf.core.scoring import score_table
from skyulf.errors import ScoringFailed

TYPES: dict[str, Any] = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}


@cache
def model_of(node: str, task: str, target: Any) -> Any:
    frame, facts = table(target=target)
    return trained(spec(FULL, {"node": node, "params": SMALL.get(node, {})}, task), frame=frame, facts=facts)


def stored(frame: pd.DataFrame, facts: list[ColumnFacts], path: Path) -> Path:
    """The table as it lies among the artifacts."""
    columns = {}
    for fact in facts:
        cells = [None if pd.isna(cell) else cell for cell in frame[fact.name].tolist()]
        if fact.type == "boolean":
            cells = [None if cell is None else bool(cell) for cell in cells]
        columns[fact.name] = pa.array(cells, TYPES[fact.type])
    pq.write_table(pa.table(columns), path)
    return path


KINDS = [
    ("logistic_regression", "classification", "string"),
    ("random_forest", "classification", "boolean"),
    ("ridge", "regression", "number"),
]


@pytest.mark.parametrize(("node", "task", "target"), KINDS)
def test_each_row_is_predicted_as_it_is_alone(
    node: str, task: str, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "ROWS", 17)
    monkeypatch.setattr(scoring, "GROUP", 40)
    frame, facts = table(target=target)
    model, told = model_of(node, task, target), []
    source, out = stored(frame, facts, tmp_path / "table"), tmp_path / "out"
    scored = score_table(model, source, facts, out, "parquet", ("age", "deck"), told.append)
    assert (scored.rows, scored.missing) == (len(frame), 0)
    assert told == sorted(told)
    assert (len(told), told[-1]) == (-(-len(frame) // 17), 1.0)
    assert set(scored.timings) == {"read", "predict", "write"}

    applier, found = Applier(model), pq.read_table(out)
    assert pq.ParquetFile(out).metadata.num_row_groups == -(-len(frame) // 51)
    assert found.column_names[:3] == ["age", "deck", "prediction"]
    kept = pq.read_table(source, columns=["age", "deck"])
    assert found.select(["age", "deck"]).equals(kept)
    for at, row in enumerate(pq.read_table(source).to_pylist()):
        alone = applier.predict(applier.validate([row]))
        said = alone.predictions[0]
        if task == "regression":  # but for the last digit: a matrix is multiplied in another order than a row
            said = pytest.approx(said, rel=1e-12)
        assert found["prediction"][at].as_py() == said
        for name, chance in (alone.probabilities or [{}])[0].items():
            assert found[f"probability_{name}"][at].as_py() == pytest.approx(chance, abs=1e-12)


def test_the_same_table_gives_the_same_bytes_in_either_format(tmp_path: Path) -> None:
    frame, facts = table()
    model, source = model_of("logistic_regression", "classification", "string"), tmp_path / "table"
    stored(frame, facts, source)
    for form in ("parquet", "csv"):
        outs = [tmp_path / f"{form}-{number}" for number in (1, 2)]
        for out in outs:
            score_table(model, source, facts, out, form, ("deck",))
        assert outs[0].read_bytes() == outs[1].read_bytes()
    rows = pq.read_table(tmp_path / "parquet-1").to_pylist()
    with (tmp_path / "csv-1").open(encoding="utf-8", newline="") as file:
        for told, row in zip(csv.DictReader(file), rows, strict=True):
            assert told["prediction"] == row["prediction"]
            assert told["deck"] == (row["deck"] or "")
            assert all(float(told[name]) == row[name] for name in row if name.startswith("probability_"))


def test_predictions_that_are_no_numbers_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, facts = table(target="number")
    model, source = model_of("ridge", "regression", "number"), stored(frame, facts, tmp_path / "table")
    predict = scoring.Applier.predict

    def without_the_first(self: Applier, columns: Any) -> Any:
        said = predict(self, columns)
        said.values[0] = np.inf
        return said

    monkeypatch.setattr(scoring.Applier, "predict", without_the_first)
    scored = score_table(model, source, facts, tmp_path / "out", "parquet")
    assert (scored.missing, pq.read_table(tmp_path / "out")["prediction"][0].as_py()) == (1, None)


class TestWhatDoesNotFit:
    def refused(self, frame: pd.DataFrame, types: dict[str, Any], tmp_path: Path, said: str, keep: Any = ()) -> None:
        facts = facts_of(frame, types)
        source, out = stored(frame, facts, tmp_path / "table"), tmp_path / "out"
        with pytest.raises(ScoringFailed, match=said):
            score_table(model_of("logistic_regression", "classification", "string"), source, facts, out, "csv", keep)

    def test_columns_that_are_absent_or_of_another_type_are_all_named(self, tmp_path: Path) -> None:
        frame, facts = table()
        types = {fact.name: fact.type for fact in facts}
        changed = frame.drop(columns=["deck"]).assign(age="old")
        types = {name: kind for name, kind in types.items() if name != "deck"} | {"age": "string"}
        said = "does not fit the model: age is string, and the model was trained on integer; deck is absent"
        self.refused(changed, types, tmp_path, said)

    def test_a_kept_column_that_is_called_like_a_prediction(self, tmp_path: Path) -> None:
        frame, facts = table()
        types = {fact.name: fact.type for fact in facts} | {"prediction": "integer"}
        self.refused(frame.assign(prediction=1), types, tmp_path, "prediction cannot be kept", ("prediction",))

    def test_a_column_without_any_cell_is_taken_where_cells_may_be_missing(self, tmp_path: Path) -> None:
        frame, facts = table()
        types = {fact.name: fact.type for fact in facts} | {"age": "string"}
        emptied = frame.assign(age=None)
        facts = facts_of(emptied, types)
        source = stored(emptied, facts, tmp_path / "table")
        model = model_of("logistic_regression", "classification", "string")
        assert score_table(model, source, facts, tmp_path / "out", "csv").rows == len(frame)
