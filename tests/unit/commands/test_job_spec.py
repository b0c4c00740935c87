"""What is remembered of specs on datasets is what following them anew would find."""

from typing import Any

import pytest
from builders import version_added

from skyulf.commands.job_spec import on_dataset
from skyulf.core.candidates import check_spec, choose_candidates
from skyulf.core.columns import ColumnFacts
from skyulf.core.spec import parse_spec
from skyulf.errors import Invalid
from skyulf.events.dataset import Column, DatasetVersionAdded

SPEC: dict[str, Any] = {"task": "classification", "target": "y"}
COLUMNS = (
    Column(name="x", type="number", nulls=0, distinct=90, commonest=2, rarest=1),
    Column(name="y", type="boolean", nulls=0, distinct=2, commonest=60, rarest=40),
)


def version(columns: tuple[Column, ...] = COLUMNS, rows: int = 100) -> DatasetVersionAdded:
    return version_added(columns=columns, rows=rows)


@pytest.mark.parametrize(
    "other",
    [
        version(),
        version((COLUMNS[0].model_copy(update={"nulls": 3}), COLUMNS[1])),
        version(rows=60),
        version(COLUMNS[1:]),
    ],
    ids=["the same", "another column", "fewer rows", "a column less"],
)
def test_each_dataset_gets_what_its_own_columns_say(other: DatasetVersionAdded) -> None:
    on_dataset(SPEC, version())
    for _ in range(2):
        found = on_dataset(SPEC, other)
        facts = [ColumnFacts(**column.model_dump()) for column in other.columns]
        faults = check_spec(parse_spec(SPEC), facts, other.rows)
        chosen = choose_candidates(parse_spec(SPEC), facts, other.rows)
        assert found.faults == faults
        assert bool(found.candidates) != bool(faults)
        if not faults:
            assert found.candidates == tuple(one.model_dump(mode="json") for one in chosen.specs)
            assert found.set_aside == tuple(chosen.set_aside)


def test_a_spec_that_is_none_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Invalid):
            on_dataset({"task": "divination", "target": "y"}, version())


def test_a_number_and_a_truth_are_not_taken_for_each_other() -> None:
    model = {"node": "logistic_regression", "params": {"max_iter": 1}}
    assert on_dataset({**SPEC, "steps": [], "model": model}, version()).candidates
    with pytest.raises(Invalid):
        on_dataset({**SPEC, "steps": [], "model": {**model, "params": {"max_iter": True}}}, version())
