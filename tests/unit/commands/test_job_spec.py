"""What is remembered of specs on datasets is what following them anew would find."""

from typing import Any

import pytest
from builders import LIMITS, version_added

from skyulf.commands import job_spec
from skyulf.core.candidates import check_spec, choose_candidates
from skyulf.core.columns import ColumnFacts
from skyulf.core.memory import bytes_needed, scaled
from skyulf.core.spec import parse_spec
from skyulf.errors import Invalid
from skyulf.events.dataset import Column, DatasetVersionAdded

MEMORY = LIMITS.memory_bytes
SPEC: dict[str, Any] = {"task": "classification", "target": "y"}
COLUMNS = (
    Column(name="x", type="number", nulls=0, distinct=90, commonest=2, rarest=1),
    Column(name="y", type="boolean", nulls=0, distinct=2, commonest=60, rarest=40),
)


def version(columns: tuple[Column, ...] = COLUMNS, rows: int = 100) -> DatasetVersionAdded:
    return version_added(columns=columns, rows=rows)


def on_dataset(document: dict[str, Any], version: DatasetVersionAdded, memory: int) -> job_spec.SpecOnDataset:
    return job_spec.on_dataset(document, version.columns, version.rows, memory)


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
    on_dataset(SPEC, version(), MEMORY)
    for _ in range(2):
        found = on_dataset(SPEC, other, MEMORY)
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
            on_dataset({"task": "divination", "target": "y"}, version(), MEMORY)


def test_a_number_and_a_truth_are_not_taken_for_each_other() -> None:
    model = {"node": "logistic_regression", "params": {"max_iter": 1}}
    assert on_dataset({**SPEC, "steps": [], "model": model}, version(), MEMORY).candidates
    with pytest.raises(Invalid):
        on_dataset({**SPEC, "steps": [], "model": {**model, "params": {"max_iter": True}}}, version(), MEMORY)


LARGE = version(
    (
        Column(name="x", type="number", nulls=0, distinct=900_000, commonest=2, rarest=1),
        Column(name="code", type="string", nulls=7, distinct=600, commonest=9_000, rarest=400),
        Column(name="y", type="boolean", nulls=0, distinct=2, commonest=600_000, rarest=400_000),
    ),
    rows=1_000_000,
)
SMALL_MEMORY = 64 << 20


def test_a_table_that_does_not_fit_is_sampled_as_far_as_it_does() -> None:
    assert on_dataset(SPEC, LARGE, 64 << 30).sample is None
    found = on_dataset(SPEC, LARGE, SMALL_MEMORY)
    sample = found.sample
    assert sample is not None
    assert (sample.of, found.faults) == (1_000_000, ())
    assert sample.needed_bytes > SMALL_MEMORY
    facts = scaled([ColumnFacts(**column.model_dump()) for column in LARGE.columns], LARGE.rows, sample.rows)
    candidates = [parse_spec(candidate) for candidate in found.candidates]
    assert SMALL_MEMORY / 2 < bytes_needed(candidates, facts, sample.rows) <= SMALL_MEMORY
    chosen = choose_candidates(parse_spec(SPEC), facts, sample.rows)
    assert found.candidates == tuple(one.model_dump(mode="json") for one in chosen.specs)


def test_where_sampling_is_forbidden_it_is_refused_with_the_reason() -> None:
    found = on_dataset({**SPEC, "allow_sampling": False}, LARGE, SMALL_MEMORY)
    (fault,) = found.faults
    assert fault.place == "allow_sampling"
    assert "training on all 1,000,000 rows needs about" in fault.message
    assert "the job may use 64 MiB" in fault.message
    assert "streaming" not in fault.message, "candidates cannot be chosen between so"
    assert (found.candidates, found.sample) == ((), None)


IN_PIECES = {
    **SPEC,
    "steps": [{"node": "hash_encode", "columns": ["code"]}],
    "model": {"node": "naive_bayes"},
    "streaming": {},
}


def test_in_pieces_all_of_it_is_trained_on_and_too_little_memory_for_that_is_said() -> None:
    found = on_dataset(IN_PIECES, LARGE, 5 * SMALL_MEMORY)
    assert (found.faults, found.sample) == ((), None)
    assert found.candidates[0]["streaming"] == {"epochs": 5}
    whole = {name: part for name, part in IN_PIECES.items() if name != "streaming"}
    assert on_dataset(whole, LARGE, 5 * SMALL_MEMORY).sample is not None, "it does not fit otherwise"
    (fault,) = on_dataset({**whole, "allow_sampling": False}, LARGE, SMALL_MEMORY).faults
    assert "or ask for streaming" in fault.message
    (fault,) = on_dataset(IN_PIECES, LARGE, SMALL_MEMORY).faults
    assert fault.place == "streaming"
    assert "even in pieces, training on 1,000,000 rows needs about" in fault.message


def test_what_a_sample_cannot_be_trained_on_is_said_of_the_sample() -> None:
    rare = LARGE.columns[2].model_copy(update={"rarest": 8, "commonest": 999_992})
    model = {"node": "hist_gradient_boosting"}
    found = on_dataset({**SPEC, "steps": [], "model": model}, version((LARGE.columns[0], rare), 1_000_000), 1 << 23)
    (fault,) = found.faults
    assert "a class has one row only" in fault.message
    assert "(of a sample of " in fault.message


def test_where_hardly_anything_fits_it_is_refused_too() -> None:
    (fault,) = on_dataset(SPEC, LARGE, 1 << 16).faults
    assert "not even a sample of 1,000 rows fits" in fault.message
