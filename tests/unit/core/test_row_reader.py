"""Cells become arrays: many at a time where all is well, with the same outcome as one by one."""

import json
import math
import sys
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skyulf.core.rows import Columns, Predictions, RowReader
from skyulf.core.state import InputColumn
from skyulf.errors import Invalid

SCHEMA = [
    InputColumn("size", "number", nullable=True),
    InputColumn("colour", "string", nullable=True),
    InputColumn("heavy", "boolean", nullable=False),
    InputColumn("count", "integer", nullable=False),
    InputColumn("made", "date", nullable=True),
    InputColumn("kind", "string", nullable=False),
    InputColumn("sold", "datetime", nullable=False),
]
ROW = {
    "size": 1.5, "colour": "red", "heavy": True, "count": 3, "made": "2026-01-02", "kind": "a",
    "sold": "2026-01-02T03:04:05+01:00",
}  # fmt: skip
WRONG: Any = st.sampled_from(
    [None, True, 0, -1.5, 10**400, 2**70, math.nan, math.inf, "", "text", "2026-13-01", "2026-01-02 03:04", [1], {}]
)
READER = RowReader(SCHEMA)


def outcome(read: Any) -> Any:
    try:
        columns: Columns = read()
    except Invalid as invalid:
        return invalid.detail, invalid.faults
    return {
        name: (array.dtype.kind, [None if cell != cell else cell for cell in array]) for name, array in columns.items()
    }


@given(
    st.lists(
        st.dictionaries(st.sampled_from(list(ROW)), WRONG, max_size=2).flatmap(
            lambda changes: st.sets(st.sampled_from(list(ROW)), max_size=1).map(
                lambda left_out: {name: cell for name, cell in {**ROW, **changes}.items() if name not in left_out}
            )
        )
        | st.just(ROW),
        max_size=4,
    )
)
def test_many_at_a_time_is_as_one_by_one(rows: list[dict[str, Any]]) -> None:
    from skyulf.core.rows import ABSENT

    cells = {column.name: [row.get(column.name, ABSENT) for row in rows] for column in SCHEMA}
    one_by_one = outcome(lambda: READER._read_each(cells))
    assert outcome(lambda: READER(rows)) == one_by_one
    if all(set(row) == set(ROW) for row in rows):
        assert outcome(lambda: READER.of_cells(cells, len(rows))) == one_by_one


def test_the_arrays_hold_what_the_cells_say() -> None:
    columns = READER([ROW, {**ROW, "size": None, "colour": None, "made": None, "heavy": False, "unknown": object()}])
    assert set(columns) == set(ROW)
    np.testing.assert_array_equal(columns["size"], [1.5, np.nan])
    np.testing.assert_array_equal(columns["heavy"], [1.0, 0.0])
    np.testing.assert_array_equal(columns["count"], [3.0, 3.0])
    np.testing.assert_array_equal(columns["made"], [1767312000.0, np.nan])
    np.testing.assert_array_equal(columns["sold"], [1767319445.0] * 2)
    assert columns["colour"].tolist()[0] == "red"
    assert math.isnan(columns["colour"].tolist()[1])
    assert all(len(column) == 2 and column.dtype == (object if name in ("colour", "kind") else np.float64)
               for name, column in columns.items())  # fmt: skip


def test_a_model_of_one_column() -> None:
    reader = RowReader([InputColumn("size", "number", nullable=False)])
    assert reader([{"size": 1}, {"size": 2.5}])["size"].tolist() == [1.0, 2.5]
    assert outcome(lambda: reader([{}]))[1][0].message == "this column is absent"


def test_an_absent_column_of_cells_is_named_once() -> None:
    cells = {name: [cell] * 3 for name, cell in ROW.items() if name not in ("size", "kind")}
    _, faults = outcome(lambda: READER.of_cells(cells, 3))
    assert [(fault.place, fault.message) for fault in faults] == [
        ("rows.0.size", "this column is absent"),
        ("rows.0.kind", "this column is absent"),
    ]


def test_nothing_is_called_for_each_cell_where_all_is_well() -> None:
    rows = [ROW] * 500
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    READER(rows)
    sys.setprofile(count)
    try:
        READER(rows)
    finally:
        sys.setprofile(None)
    assert calls < 200


def test_predictions_as_json_has_them() -> None:
    classes = Predictions.of_chances(["no", "yes"], np.array([[0.25, 0.75], [0.5, 0.5]]))
    assert classes.predictions == ["yes", "no"]
    assert classes.probabilities == [{"no": 0.25, "yes": 0.75}, {"no": 0.5, "yes": 0.5}]
    truths = Predictions.of_chances([False, True], np.array([[0.25, 0.75]]))
    assert (truths.predictions, truths.probabilities) == ([True], [{"false": 0.25, "true": 0.75}])
    numbers = Predictions(np.array([1.5, np.nan, np.inf]))
    assert (numbers.predictions, numbers.probabilities) == ([1.5, None, None], None)
    assert json.dumps(numbers.predictions, allow_nan=False)
    assert numbers == Predictions(np.array([1.5, np.nan, np.inf]))
    assert classes != truths
