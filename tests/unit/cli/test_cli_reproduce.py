"""What a person reads of a reproduction."""

import io
from typing import Any

import pytest
from rich.console import Console

from skyulf.cli.reproduce import CAUSES, compared, named, reproduction
from skyulf.cli.screen import UsageError
from skyulf.cli.summaries import summarize

JOB_ID = "job-01900000-0000-7000-8000-000000000001"

RESULT: dict[str, Any] = {
    "verdict": "equivalent",
    "causes": ["package"],
    "facts": [
        {"aspect": "data", "name": "table", "recorded": "ab" * 32, "now": "ab" * 32},
        {"aspect": "code", "name": "code", "recorded": None, "now": "cd" * 32},
        {"aspect": "package", "name": "scikit-learn", "recorded": "1.8.0", "now": "1.9.0"},
    ],
    "fingerprint": "f2",
    "comparison": {"rows": 5_000, "otherwise": 1, "largest_difference": 2e-6},
    "not_compared": None,
}
OF: dict[str, Any] = {"job_id": JOB_ID, "model": "irises", "model_version": 3, "seed": None, "result": RESULT}
TRAINING = {"fingerprint": "f1", "metrics": {"accuracy": 0.9, "roc_auc": None}}


def job(**changes: Any) -> dict[str, Any]:
    return {"reproduction": {**OF, **changes}, "metrics": {"accuracy": 0.9, "roc_auc": None}}


def told(*things: Any) -> list[str]:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(*things, sep="\n")
    return console.export_text().splitlines()


def line(lines: list[str], word: str) -> str:
    (found,) = [each for each in lines if word in each.split()]
    return found


def test_the_verdict_and_why_are_told_in_words() -> None:
    text = "\n".join(told(*reproduction(job())))
    for words in ("irises:3", "equivalent", "predicts the same", CAUSES["package"], "1 row of 5,000", "2e-06"):
        assert words in text
    nothing = {**RESULT, "comparison": None, "not_compared": "the file is missing", "verdict": "different"}
    assert "the file is missing" in "\n".join(told(*reproduction(job(result=nothing))))


def test_what_has_no_name_or_no_result_yet_is_shown_as_far_as_it_goes() -> None:
    assert told(*reproduction(job(model=None, model_version=None, result=None))) == [f"of       {JOB_ID}"]


def test_everything_is_shown_as_recorded_and_as_it_is_now() -> None:
    lines = told(compared(job(), TRAINING))
    assert ("same" in line(lines, "table"), "abababababababababab…" in line(lines, "table")) == (True, True)
    assert "differs" in line(lines, "scikit-learn")
    assert "not known" in line(lines, "code")
    assert "differs" in line(lines, "fingerprint")
    assert ("0.9000" in line(lines, "accuracy"), "same" in line(lines, "accuracy")) == (True, True)
    assert "same" in line(lines, "roc_auc")


def test_of_what_was_not_trained_there_is_no_result() -> None:
    untrained = job(result={**RESULT, "verdict": "different", "causes": ["data"], "fingerprint": None})
    assert "fingerprint" not in "\n".join(told(compared(untrained, TRAINING)))
    assert "it cannot be trained as it was" in "\n".join(told(*reproduction(untrained)))


class FakeClient:
    """Knows a model."""

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/v1/models/irises"
        return {"model_version": 7}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("irises", {"model": "irises", "model_version": 7}),
        ("irises:2", {"model": "irises", "model_version": 2}),
        ("irises:best", {"model": "irises", "alias": "best"}),
        (JOB_ID, {"job_id": JOB_ID}),
        ("job-of-ours:1", {"model": "job-of-ours", "model_version": 1}),
    ],
)
def test_a_model_is_named_with_or_without_its_version_or_by_its_job(text: str, asked: dict[str, Any]) -> None:
    assert named(FakeClient(), text) == asked  # type: ignore[arg-type]


def test_half_a_name_is_refused() -> None:
    with pytest.raises(UsageError):
        named(FakeClient(), "irises:")  # type: ignore[arg-type]


def test_events_are_told_in_a_line() -> None:
    created = {"job_id": JOB_ID, "model_name": "irises", "model_version": 3, "seed": 8}
    assert summarize("ReproductionCreated", created) == "irises:3 with the seed 8"
    assert summarize("ReproductionCreated", {**created, "model_name": None, "seed": None}) == "job-…00000001"
    assert summarize("ModelReproduced", {"verdict": "identical", "causes": []}) == "identical"
    assert summarize("ModelReproduced", {"verdict": "different", "causes": ["data"]}) == "different (data)"
