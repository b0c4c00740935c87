"""What ``skyulf train`` says of how a file is to be read."""

import json
from pathlib import Path

import pytest

from skyulf.cli.screen import UsageError
from skyulf.cli.train import Order, how_to_read


def order(*types: str, unfit: str = "refuse") -> Order:
    return Order(Path("t.csv"), "y", None, None, None, 0, None, types, unfit)


def test_types_go_by_columns_whatever_their_names() -> None:
    assert how_to_read(order()) == {}
    told = how_to_read(order("age=number", "a=b=integer", unfit="missing"))
    assert json.loads(told["types"]) == {"age": "number", "a=b": "integer"}
    assert told["unfit"] == "missing"


@pytest.mark.parametrize("words", ["age", "=number", "age=", "="])
def test_what_names_no_column_and_type_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="COLUMN=TYPE"):
        how_to_read(order(words))
