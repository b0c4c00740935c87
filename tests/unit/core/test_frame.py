"""A Parquet file and JSON rows of the same cells become the same features."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from helpers import FULL, LOGISTIC, facts_of, spec, trained

from skyulf.core.applier import Applier
from skyulf.core.candidates import choose_candidates
from skyulf.core.frame import read_frame

TYPES = {"n": "integer", "x": "number", "b": "boolean", "s": "string", "d": "date", "t": "datetime", "y": "integer"}


def cells(rows=40):
    return {
        "n": [None, 2**53 + 1, *range(rows - 2)],
        "x": [0.5, None, *[i / 3 for i in range(rows - 2)]],
        "b": [None, True, *[i % 3 == 0 for i in range(rows - 2)]],
        "s": ["nan", None, *["pqr"[i % 3] for i in range(rows - 2)]],
        "d": [None, *[dt.date(2020, 1, 1 + i % 28) for i in range(rows - 1)]],
        "t": [None, *[dt.datetime(2020, 1, 1 + i % 28) for i in range(rows - 1)]],  # noqa: DTZ001
        "y": [None, *[i % 2 for i in range(rows - 1)]],
    }


def written(tmp_path, values):
    kinds = [pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.date32(), pa.timestamp("us"), pa.int64()]
    table = pa.table({name: pa.array(values[name], kind) for name, kind in zip(values, kinds, strict=True)})
    pq.write_table(table, tmp_path / "data.parquet", row_group_size=7)
    return read_frame(tmp_path / "data.parquet", "y")


def as_json(cell):
    return cell.isoformat() if isinstance(cell, dt.date) else cell


def test_times_of_a_zone_become_those_of_utc(tmp_path):
    moment = dt.datetime(2024, 3, 31, 1, 30, 0, 250_000, dt.timezone(dt.timedelta(hours=2)))
    pq.write_table(pa.table({"t": pa.array([moment], pa.timestamp("ns", "Europe/Rome"))}), tmp_path / "zone.parquet")
    assert read_frame(tmp_path / "zone.parquet")["t"].tolist() == [moment.timestamp()]


def test_features_have_one_form(tmp_path):
    frame = written(tmp_path, cells())
    assert frame.dtypes.astype(str).to_dict() == {
        "n": "float64", "x": "float64", "b": "float64", "s": "object",
        "d": "float64", "t": "float64", "y": "Int64",
    }  # fmt: skip
    assert np.isnan(frame["s"][1])
    assert np.isnan(frame["n"][0])
    assert frame["b"].tolist()[1:3] == [1.0, 1.0]
    assert frame["y"].isna().sum() == 1


def test_json_rows_become_the_same_arrays(tmp_path):
    values = cells()
    frame = written(tmp_path, values)
    facts = facts_of(frame, TYPES)
    steps = [{"node": "date_parts", "columns": "datetime"}, *FULL]
    answer = Applier(trained(spec(steps, LOGISTIC), frame=frame, facts=facts))
    rows = [dict(zip(values, map(as_json, row), strict=True)) for row in zip(*values.values(), strict=True)]
    from_json, from_frame = answer.validate(rows), answer.columns_of_frame(frame)
    assert sorted(from_json) == sorted(from_frame) == ["b", "d", "n", "s", "t", "x"]
    for name, array in from_json.items():
        assert array.dtype == from_frame[name].dtype
        pd.testing.assert_series_equal(pd.Series(array), pd.Series(from_frame[name]))


def test_every_type_trains_by_itself(tmp_path):
    frame = written(tmp_path, cells())
    facts = facts_of(frame, TYPES)
    chosen = choose_candidates(spec(), facts, len(frame))
    assert chosen.set_aside == ()
    assert trained(*chosen.specs, frame=frame, facts=facts).classes == [0, 1]


def test_large_integers_stay_apart_as_classes(tmp_path):
    values = cells()
    values["y"] = [2**60 + i % 2 for i in range(40)]
    frame = written(tmp_path, values)
    state = trained(
        *choose_candidates(spec(), facts_of(frame, TYPES), 40).specs[:1], frame=frame, facts=facts_of(frame, TYPES)
    )
    assert state.classes == [2**60, 2**60 + 1]
