"""Tables of numbers alone are read into one matrix, and mean what they mean column by column."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyulf.core.block import Block
from skyulf.core.rows import Columns, RowReader
from skyulf.core.state import InputColumn
from skyulf.errors import Invalid

NAMES = ("b", "a", "c")

cells = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**70), 2**70),
    st.none(),
    st.sampled_from([10**400, float("inf"), float("nan"), True, "1", [], {}]),
)
rows = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, cells), optional={"other": cells}), max_size=4)


def reader_of(nullable: list[bool], *more: InputColumn) -> RowReader:
    columns = [InputColumn(name, "number", null) for name, null in zip(NAMES, nullable, strict=True)]
    return RowReader([*columns, *more])


def outcome(reader: RowReader, sent: list[dict[str, Any]]) -> Columns | list[tuple[str, str]]:
    try:
        return reader(sent)
    except Invalid as error:
        return [(fault.place, fault.message) for fault in error.faults]


@given(st.lists(st.booleans(), min_size=3, max_size=3), rows)
def test_rows_read_at_once_are_as_those_read_beside_text(nullable: list[bool], sent: list[dict[str, Any]]) -> None:
    """A column of text keeps a table from being read as one matrix; all else must stay the same."""
    at_once = outcome(reader_of(nullable), sent)
    apart = outcome(reader_of(nullable, InputColumn("text", "string", True)), [{**row, "text": "x"} for row in sent])
    if isinstance(apart, list):
        assert at_once == apart
        return
    assert not isinstance(at_once, list)
    assert tuple(at_once) == NAMES
    for name in NAMES:
        np.testing.assert_array_equal(at_once[name], apart[name])


def test_a_block_is_a_mapping_of_its_columns() -> None:
    block = reader_of([True] * 3)([{"a": 1, "b": 2.5, "c": None}, {"a": -1, "b": 0, "c": 7}])
    assert isinstance(block, Block)
    assert block.matrix.flags.c_contiguous
    assert block.matrix.tolist()[1] == [0.0, -1.0, 7.0]
    assert {name: column.tolist() for name, column in block.items() if name != "c"} == {"a": [1.0, -1.0], "b": [2.5, 0]}
    assert len(block) == 3
    assert "d" not in block
    with pytest.raises(KeyError):
        block["d"]
