"""What an answer of an ONNX copy has cost decides whether the next like it may hold the event loop."""

import json
from typing import Any

import numpy as np
import pytest

from skyulf.core.rows import Columns, Predictions
from skyulf.core.state import InputColumn
from skyulf.errors import Invalid
from skyulf.events.deployment import Target
from skyulf.serving import copies
from skyulf.serving.copies import LoadedCopy

TARGET = Target(model="m", model_version=2, artifact="sha256:a")


class Slow:
    """A model that takes as long as it is told, by a clock that only it moves."""

    input_schema = (InputColumn("x", "number", nullable=False),)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.takes, self.now = 0.0, 0.0
        self.fails: Exception | None = None
        monkeypatch.setattr(copies.time, "thread_time", lambda: self.now)

    def predict(self, columns: Columns) -> Predictions:
        if self.fails is not None:
            raise self.fails
        self.now += self.takes
        return Predictions(columns["x"] * 2)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


@pytest.fixture
def copy(slow: Slow) -> LoadedCopy:
    return LoadedCopy(slow)  # type: ignore[arg-type]


def body(rows: int) -> bytes:
    return json.dumps({"rows": [{"x": 1.5}] * rows}).encode()


def answered(copy: LoadedCopy, slow: Slow, rows: int, seconds: float, times: int = 1) -> Any:
    slow.takes = seconds
    for _ in range(times):
        answer = copy.answer(TARGET, body(rows), "json", "json")
    return answer and json.loads(answer)


def test_an_answer_names_what_was_served(copy: LoadedCopy, slow: Slow) -> None:
    expected = {"model": "m", "model_version": 2, "predictions": [3.0], "probabilities": None}
    assert answered(copy, slow, 1, 0.0) == expected


def test_what_was_never_asked_is_not_taken_for_quick(copy: LoadedCopy, slow: Slow) -> None:
    assert not copy.is_quick("json", body(1))
    answered(copy, slow, 1, 0.0001)
    assert copy.is_quick("json", body(1))
    assert not copy.is_quick("json", body(1_000))
    assert not copy.is_quick("csv", body(1))


def test_a_first_answer_that_was_slow_is_forgotten_at_the_next(copy: LoadedCopy, slow: Slow) -> None:
    answered(copy, slow, 1, 0.5)
    assert not copy.is_quick("json", body(1))
    answered(copy, slow, 1, 0.0001)
    assert copy.is_quick("json", body(1))


def test_answers_that_became_slow_are_noticed(copy: LoadedCopy, slow: Slow) -> None:
    answered(copy, slow, 1, 0.0001)
    answered(copy, slow, 1, 0.1, times=copies.TIMED)
    assert not copy.is_quick("json", body(1))


def test_rows_that_the_copy_fails_at_are_left_to_the_model(
    copy: LoadedCopy, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    slow.fails = RuntimeError("with data in it")
    assert answered(copy, slow, 1, 0.0) is None
    assert "m version 2" in caplog.text
    assert "data" not in caplog.text
    with pytest.raises(Invalid):
        copy.answer(TARGET, b'{"rows": [{"x": "a"}]}', "json", "json")


def test_the_arrays_are_those_of_the_rows(copy: LoadedCopy, slow: Slow) -> None:
    answer = copy.answer(TARGET, b'{"rows": [{"x": 1}, {"x": 2.5}]}', "json", "json")
    assert answer is not None
    np.testing.assert_array_equal(json.loads(answer)["predictions"], [2.0, 5.0])
